// Linearizability of the history of one register: is there an order of its operations, each somewhere between its invocation
// and its return, in which every one saw what it reports?
//
//   check_zones   puts of values that are all different, and gets. After Gibbons and Korach, O(n log n).
//   check_search  removes and compare-and-swaps too. After Wing, Gong and Lowe: a search that remembers where it has been; at
//                 worst exponential, so it has a budget.
//
// An operation whose outcome is unknown may have happened at any time after it was invoked, or never. One that certainly did
// not happen is left out of the history. Keys are independent of each other: check them one by one.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace gabion::linear {

inline constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint64_t kAbsent = 0;  // what a register holds at first and after a remove

enum class Kind {
  put,       // `value` was written
  get,       // `value` was read
  remove,
  swap,      // `expected` was there and `value` written
  mismatch,  // a swap that did not happen, as something else than `expected` was there
};

struct Operation {
  Kind kind = Kind::get;
  std::uint64_t invoked = 0;
  std::uint64_t returned = kUnknown;  // kUnknown: the outcome is unknown. At equal times operations overlap.
  std::uint64_t value = kAbsent;
  std::uint64_t expected = kAbsent;
};
using History = std::vector<Operation>;

enum class Verdict { linearizable, violated, undecided };

struct Finding {
  Verdict verdict = Verdict::linearizable;
  std::string reason;       // of a violation
  std::uint64_t steps = 0;  // of a search
};

// Puts and gets alone, and no value written twice; aborts otherwise.
Finding check_zones(const History& history);
Finding check_search(const History& history, std::uint64_t budget = 2'000'000);
// By zones where they apply, otherwise by search.
Finding check(const History& history, std::uint64_t budget = 2'000'000);

std::string to_string(const Operation& operation);

}  // namespace gabion::linear
