// Result<T> is how every fallible function reports: a value, or an Error with a code somebody acts on and a text
// for people. The list of codes is closed; a code exists only because some caller behaves differently on it.
// Plain values, no threads, no ownership. Exceptions are for start-up and bugs only.
#pragma once

#include <boost/system/result.hpp>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

namespace gabion {

enum class Errc : unsigned char {
  not_found = 1,    // the thing named does not exist
  already_exists,   // the thing to create exists
  conflict,         // a precondition did not hold, or a concurrent change won
  invalid,          // the request or configuration is wrong; trying again cannot help
  denied,           // not allowed
  too_large,        // over a limit that the text names
  unavailable,      // the other side is down or failed; trying elsewhere or later may help
  deadline,         // the time allowed is over
  exhausted,        // a bounded resource (memory, queue, drive space) is used up; back off and try again
  corrupt,          // stored bytes do not match their checksum
  would_block,      // the answer is not in memory and the caller asked not to wait
  unknown_outcome,  // a write may or may not have happened
  not_leader,       // this replica does not lead its group; ask the one that does
  cancelled,        // the caller gave up or the service is stopping
  end_of_stream,    // the peer closed
  internal,         // a bug or an impossible state
  moved,            // another group of the metadata has the key now
};

std::string_view to_string(Errc code);

struct Error {
  Error() = default;
  Error(Errc c, std::string text) : code(c), message(std::move(text)) {}
  Errc code = Errc::internal;
  std::string message;
};

std::ostream& operator<<(std::ostream& out, const Error& error);

// Called by boost::system::result when value() is asked of an error: a bug, so it throws std::runtime_error.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

template <class T = void>
using Result = boost::system::result<T, Error>;

// The Error of an errno value, with the call and the subject in its text. ENOENT becomes not_found, ENOSPC and EDQUOT
// exhausted, EEXIST already_exists, the rest unavailable.
Error errno_error(int error_number, std::string_view what, std::string_view subject = {});

}  // namespace gabion

#define GABION_CAT2(a, b) a##b
#define GABION_CAT(a, b) GABION_CAT2(a, b)

// TRY(auto x, f()); binds the value of f() or returns its error. TRY_OK(f()); is the same without a value.
// CO_TRY and CO_CHECK are their forms for coroutines.
#define GABION_TRY(tmp, ret, decl, ...)                  \
  auto tmp = (__VA_ARGS__);                              \
  if (!tmp) [[unlikely]] ret std::move(tmp).error();     \
  decl = *std::move(tmp)
#define GABION_TRY_OK(tmp, ret, ...)                                                    \
  do {                                                                                  \
    if (auto tmp = (__VA_ARGS__); !tmp) [[unlikely]] ret std::move(tmp).error();        \
  } while (false)
#define TRY(decl, ...) GABION_TRY(GABION_CAT(try_, __LINE__), return, decl, __VA_ARGS__)
#define TRY_OK(...) GABION_TRY_OK(GABION_CAT(try_, __LINE__), return, __VA_ARGS__)
#define CO_TRY(decl, ...) GABION_TRY(GABION_CAT(try_, __LINE__), co_return, decl, __VA_ARGS__)
#define CO_CHECK(...) GABION_TRY_OK(GABION_CAT(try_, __LINE__), co_return, __VA_ARGS__)
