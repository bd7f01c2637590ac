// The checkers of linearizability say what a try of every order says, on histories known to be right or wrong and on
// thousands of small random ones.
#include "tests/support/linear.h"

#include <catch2/catch_test_macros.hpp>

#include "common/rng.h"

namespace gabion::linear {
namespace {

Operation put(std::uint64_t value, std::uint64_t from, std::uint64_t to = kUnknown) { return {Kind::put, from, to, value, 0}; }
Operation get(std::uint64_t value, std::uint64_t from, std::uint64_t to) { return {Kind::get, from, to, value, 0}; }
Operation remove(std::uint64_t from, std::uint64_t to = kUnknown) { return {Kind::remove, from, to, 0, 0}; }
Operation swap(std::uint64_t expected, std::uint64_t value, std::uint64_t from, std::uint64_t to = kUnknown) {
  return {Kind::swap, from, to, value, expected};
}
Operation mismatch(std::uint64_t expected, std::uint64_t from, std::uint64_t to) {
  return {Kind::mismatch, from, to, 0, expected};
}

// Tries every order.
bool some_order_explains(const History& history, std::uint64_t done, std::uint64_t state) {
  bool all = true;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if ((done >> i & 1) == 0 && history[i].returned != kUnknown) all = false;
  }
  if (all) return true;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if ((done >> i & 1) != 0) continue;
    bool too_late = false;
    for (std::size_t j = 0; j < history.size(); ++j) {
      too_late = too_late || ((done >> j & 1) == 0 && history[j].returned < history[i].invoked);
    }
    if (too_late) continue;
    std::uint64_t after = state;
    switch (history[i].kind) {
      case Kind::put: after = history[i].value; break;
      case Kind::remove: after = kAbsent; break;
      case Kind::get:
        if (state != history[i].value) continue;
        break;
      case Kind::swap:
        if (state != history[i].expected) continue;
        after = history[i].value;
        break;
      case Kind::mismatch:
        if (state == history[i].expected) continue;
        break;
    }
    if (some_order_explains(history, done | 1ull << i, after)) return true;
  }
  return false;
}

bool right(const Finding& finding) { return finding.verdict == Verdict::linearizable; }
bool wrong(const Finding& finding) { return finding.verdict == Verdict::violated && !finding.reason.empty(); }

std::string text(const History& history) {
  std::string out;
  for (const Operation& operation : history) out += to_string(operation) + "; ";
  return out;
}

struct Mix {
  bool removes, swaps, mismatches, repeated;
};

History random_history(Rng& rng, const Mix& mix) {
  History history;
  std::uint64_t written = 0;
  for (std::size_t n = rng.below(6) + 2; n > 0; --n) {
    const std::uint64_t from = rng.below(13) * 2, to = from + 1 + rng.below(6) * 2;
    const bool unknown = rng.below(5) == 0;
    const auto fresh = [&] { return mix.repeated ? rng.below(3) + 1 : ++written; };
    const std::uint64_t dice = rng.below(100);
    if (dice < 35) history.push_back(put(fresh(), from, unknown ? kUnknown : to));
    else if (dice < 50 && mix.removes) history.push_back(remove(from, unknown ? kUnknown : to));
    else if (dice < 65 && mix.swaps) history.push_back(swap(rng.below(4), fresh(), from, unknown ? kUnknown : to));
    else if (dice < 75 && mix.mismatches) history.push_back(mismatch(rng.below(4), from, to));
    else history.push_back(get(rng.below(4), from, to));
  }
  return history;
}

}  // namespace

TEST_CASE("histories known to be right are found right") {
  for (const History& history : {
           History{},
           History{get(0, 1, 2)},
           History{put(1, 1, 2), get(1, 3, 4)},
           History{put(1, 1, 10), get(0, 2, 3), get(1, 4, 5)},             // takes effect between the reads
           History{put(1, 1, 10), put(2, 2, 9), get(2, 11, 12), get(2, 13, 14)},
           History{put(1, 1), get(0, 2, 3), get(0, 100, 101)},             // never happened
           History{put(1, 1), get(0, 2, 3), get(1, 100, 101)},             // happened late
           History{put(1, 1, 2), get(1, 2, 3), get(0, 1, 2)},              // equal times overlap
       }) {
    INFO(text(history));
    CHECK(right(check_zones(history)));
    CHECK(right(check_search(history)));
  }
  for (const History& history : {
           History{put(1, 1, 2), remove(3, 4), get(0, 5, 6)},
           History{swap(0, 1, 1, 2), swap(1, 2, 3, 4), get(2, 5, 6)},
           History{swap(0, 1, 1, 5), mismatch(0, 6, 7)},
           History{put(1, 1), swap(1, 2, 5, 6), get(2, 7, 8)},             // the swap proves that the put happened
           History{put(1, 1), mismatch(0, 5, 6), get(1, 7, 8)},
           History{put(1, 1), mismatch(0, 5, 6), remove(7, 8), get(0, 9, 10)},
           History{put(1, 1, 2), swap(1, 2, 3), get(1, 9, 10)},
       }) {
    INFO(text(history));
    CHECK(right(check(history)));
  }
}

TEST_CASE("histories known to be wrong are found wrong") {
  for (const History& history : {
           History{get(1, 1, 2)},                                          // never written
           History{put(1, 1, 2), get(0, 3, 4)},                            // stale
           History{put(1, 1, 2), put(2, 3, 4), get(1, 5, 6)},              // stale
           History{put(1, 1, 10), get(1, 2, 3), get(0, 4, 5)},             // new, then old
           History{put(1, 1, 10), put(2, 1, 10), get(1, 11, 12), get(2, 13, 14)},
           History{put(1, 5, 6), get(1, 1, 2)},                            // from the future
           History{put(1, 1), get(1, 2, 3), get(0, 4, 5)},                 // of unknown outcome, seen, and gone again
           History{put(1, 1, 2), get(1, 3, 20), put(2, 5, 6), get(2, 7, 8), get(1, 9, 30)},
       }) {
    INFO(text(history));
    CHECK(wrong(check_zones(history)));
    CHECK(wrong(check_search(history)));
  }
  for (const History& history : {
           History{put(1, 1, 2), remove(3, 4), get(1, 5, 6)},              // resurrected
           History{swap(0, 1, 1, 5), swap(0, 2, 1, 5)},                    // two winners
           History{put(1, 1, 2), mismatch(1, 3, 4)},
           History{put(1, 1, 2), swap(1, 2, 3), get(2, 9, 10), get(1, 11, 12)},
       }) {
    INFO(text(history));
    CHECK(wrong(check(history)));
  }
}

TEST_CASE("a search that would take too long says so") {
  History history;
  for (std::uint64_t i = 1; i <= 40; ++i) history.push_back(put(1 + i % 3, 1, 100));
  history.push_back(get(9, 101, 102));
  CHECK(check_search(history, 10'000).verdict == Verdict::undecided);
}

TEST_CASE("both checkers agree with a try of every order") {
  SeededRng rng(5);
  const Mix mixes[] = {{false, false, false, false}, {true, false, false, false}, {true, true, false, false},
                       {true, true, true, false},    {true, true, true, true},    {false, true, false, true}};
  std::size_t right_ones = 0, total = 0;
  for (const Mix& mix : mixes) {
    for (int i = 0; i < 5000; ++i) {
      const History history = random_history(rng, mix);
      const Verdict expected =
          some_order_explains(history, 0, kAbsent) ? Verdict::linearizable : Verdict::violated;
      ++total;
      right_ones += expected == Verdict::linearizable ? 1 : 0;
      INFO(text(history));
      REQUIRE(check_search(history).verdict == expected);
      REQUIRE(check(history).verdict == expected);
    }
  }
  CHECK(right_ones > total / 20);
  CHECK(right_ones < total * 19 / 20);
}

TEST_CASE("long histories take little time") {
  // Ten clients, each put visible at its end, one in twenty of unknown outcome.
  SeededRng rng(11);
  History history;
  std::uint64_t now = 1, value = 0, state = kAbsent;
  for (int i = 0; i < 20'000; ++i) {
    now += 1 + rng.below(3);
    if (rng.below(2) == 0) {
      const std::uint64_t written = ++value;
      const bool unknown = rng.below(20) == 0;
      if (!unknown || rng.below(2) == 0) state = written;
      const std::uint64_t began = now - std::min<std::uint64_t>(now - 1, rng.below(20));
      history.push_back(put(written, began, unknown ? kUnknown : now + rng.below(20)));
    } else {
      history.push_back(get(state, now - std::min<std::uint64_t>(now - 1, rng.below(20)), now + rng.below(20)));
    }
  }
  CHECK(right(check_zones(history)));
  history.resize(400);
  CHECK(right(check_search(history)));
}

}  // namespace gabion::linear
