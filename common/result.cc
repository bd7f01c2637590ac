#include "common/result.h"

#include <cerrno>
#include <cstring>
#include <ostream>
#include <stdexcept>

namespace gabion {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::not_found: return "not_found";
    case Errc::already_exists: return "already_exists";
    case Errc::conflict: return "conflict";
    case Errc::invalid: return "invalid";
    case Errc::denied: return "denied";
    case Errc::too_large: return "too_large";
    case Errc::unavailable: return "unavailable";
    case Errc::deadline: return "deadline";
    case Errc::exhausted: return "exhausted";
    case Errc::corrupt: return "corrupt";
    case Errc::would_block: return "would_block";
    case Errc::unknown_outcome: return "unknown_outcome";
    case Errc::not_leader: return "not_leader";
    case Errc::cancelled: return "cancelled";
    case Errc::end_of_stream: return "end_of_stream";
    case Errc::internal: return "internal";
    case Errc::moved: return "moved";
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& out, const Error& error) {
  return out << to_string(error.code) << ": " << error.message;
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::runtime_error(std::string(to_string(error.code)) + ": " + error.message);
}

Error errno_error(int error_number, std::string_view what, std::string_view subject) {
  std::string text(what);
  if (!subject.empty()) text.append(" ").append(subject);
  text.append(": ").append(std::strerror(error_number));
  switch (error_number) {
    case ENOENT: return {Errc::not_found, std::move(text)};
    case EEXIST: return {Errc::already_exists, std::move(text)};
    case ENOSPC:
    case EDQUOT: return {Errc::exhausted, std::move(text)};
    case EACCES:
    case EPERM: return {Errc::denied, std::move(text)};
    case EAGAIN: return {Errc::would_block, std::move(text)};
    default: return {Errc::unavailable, std::move(text)};
  }
}

}  // namespace gabion
