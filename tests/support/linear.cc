#include "tests/support/linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "common/check.h"

namespace gabion::linear {
namespace {

std::string span(std::uint64_t from, std::uint64_t to) {
  return to == kUnknown ? fmt::format("[{}, ?]", from) : fmt::format("[{}, {}]", from, to);
}

bool writes(const Operation& operation) { return operation.kind == Kind::put || operation.kind == Kind::swap; }

// Written once, so that whoever saw the value saw this write.
std::set<std::uint64_t> unique_values(const History& history) {
  std::map<std::uint64_t, int> times;
  for (const Operation& operation : history) {
    if (writes(operation)) ++times[operation.value];
  }
  std::set<std::uint64_t> unique;
  for (const auto& [value, n] : times) {
    if (n == 1 && value != kAbsent) unique.insert(value);
  }
  return unique;
}

// What is unknown costs a search dearly. A write that somebody saw ended before that somebody did; one that nobody saw can
// be left out, unless a mismatch may be due to it.
History narrowed(const History& history) {
  const std::set<std::uint64_t> unique = unique_values(history);
  std::map<std::uint64_t, std::uint64_t> first_seen;
  bool mismatches = false;
  for (const Operation& operation : history) {
    mismatches = mismatches || operation.kind == Kind::mismatch;
    if (operation.returned == kUnknown) continue;
    if (operation.kind != Kind::get && operation.kind != Kind::swap) continue;
    const std::uint64_t saw = operation.kind == Kind::get ? operation.value : operation.expected;
    const auto at = first_seen.emplace(saw, operation.returned).first;
    at->second = std::min(at->second, operation.returned);
  }
  // A swap of unknown outcome may have seen a value too, so its expectation keeps that write alive.
  std::set<std::uint64_t> perhaps_seen;
  for (const Operation& operation : history) {
    if (operation.kind == Kind::swap && operation.returned == kUnknown) perhaps_seen.insert(operation.expected);
  }
  History out;
  for (Operation operation : history) {
    if (operation.returned == kUnknown && (operation.kind == Kind::get || operation.kind == Kind::mismatch)) continue;
    if (operation.returned == kUnknown && writes(operation) && unique.contains(operation.value)) {
      const auto seen = first_seen.find(operation.value);
      if (seen != first_seen.end()) {
        if (seen->second > operation.invoked) operation.returned = seen->second;
      } else if (!mismatches && !perhaps_seen.contains(operation.value)) {
        continue;
      }
    }
    out.push_back(operation);
  }
  return out;
}

// The search of Wing and Gong over a doubly linked list of invocations and returns, with Lowe's memory of configurations:
// which operations took effect, and what the register held then.
class Search {
 public:
  Search(History history, std::uint64_t budget) : history_(std::move(history)), budget_(budget) {
    struct Moment {
      std::uint64_t when;
      bool returns;
      std::size_t operation;
    };
    std::vector<Moment> moments;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      moments.push_back({history_[i].invoked, false, i});
      moments.push_back({history_[i].returned, true, i});
      if (history_[i].returned != kUnknown) ++certain_;
    }
    std::sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
      return std::tuple(a.when, a.returns, a.operation) < std::tuple(b.when, b.returns, b.operation);
    });
    const std::size_t n = moments.size();
    next_.resize(n + 1);
    previous_.resize(n + 1);
    invocation_.resize(history_.size());
    return_.resize(history_.size());
    events_.resize(n + 1);
    for (std::size_t i = 0; i <= n; ++i) {  // 0 is the list's head
      next_[i] = i == n ? 0 : i + 1;
      previous_[i] = i == 0 ? n : i - 1;
      if (i == 0) continue;
      events_[i] = {moments[i - 1].operation, moments[i - 1].returns};
      (moments[i - 1].returns ? return_ : invocation_)[moments[i - 1].operation] = i;
    }
    done_.assign((history_.size() + 63) / 64 + 1, 0);
  }

  Finding run() {
    Finding finding;
    std::size_t at = next_[0];
    std::size_t best = 0;
    while (reached_ != certain_) {
      if (++finding.steps > budget_) {
        finding.verdict = Verdict::undecided;
        return finding;
      }
      if (at != 0 && !events_[at].returns) {
        if (take(events_[at].operation)) {
          best = std::max(best, reached_);
          at = next_[0];
        } else {
          at = next_[at];
        }
        continue;
      }
      // A return stands before any operation that could come next, so the last choice was wrong.
      if (at != 0 && reached_ >= best) blocked_ = events_[at].operation;
      if (taken_.empty()) {
        finding.verdict = Verdict::violated;
        finding.reason = fmt::format("no order explains {}", to_string(history_[blocked_]));
        return finding;
      }
      at = next_[invocation_[undo()]];
    }
    return finding;
  }

 private:
  struct Event {
    std::size_t operation = 0;
    bool returns = false;
  };
  struct Taken {
    std::size_t operation;
    std::uint64_t before;
  };
  struct Hash {
    std::size_t operator()(const std::vector<std::uint64_t>& words) const {
      std::uint64_t hash = 14695981039346656037ull;
      for (const std::uint64_t word : words) hash = (hash ^ word ^ (word >> 29)) * 1099511628211ull;
      return hash;
    }
  };

  // What the register holds after the operation, or nothing when it cannot come now.
  std::optional<std::uint64_t> effect(const Operation& operation) const {
    switch (operation.kind) {
      case Kind::put: return operation.value;
      case Kind::remove: return kAbsent;
      case Kind::get: return state_ == operation.value ? std::optional(state_) : std::nullopt;
      case Kind::swap: return state_ == operation.expected ? std::optional(operation.value) : std::nullopt;
      case Kind::mismatch: return state_ != operation.expected ? std::optional(state_) : std::nullopt;
    }
    return std::nullopt;
  }

  bool take(std::size_t operation) {
    const auto after = effect(history_[operation]);
    if (!after) return false;
    done_[operation / 64] ^= 1ull << (operation % 64);
    done_.back() = *after;
    if (!visited_.insert(done_).second) {
      done_[operation / 64] ^= 1ull << (operation % 64);
      return false;
    }
    taken_.push_back({operation, state_});
    state_ = *after;
    if (history_[operation].returned != kUnknown) ++reached_;
    unlink(invocation_[operation]);
    unlink(return_[operation]);
    return true;
  }

  std::size_t undo() {
    const Taken last = taken_.back();
    taken_.pop_back();
    done_[last.operation / 64] ^= 1ull << (last.operation % 64);
    state_ = last.before;
    if (history_[last.operation].returned != kUnknown) --reached_;
    relink(return_[last.operation]);
    relink(invocation_[last.operation]);
    return last.operation;
  }

  void unlink(std::size_t event) {
    next_[previous_[event]] = next_[event];
    previous_[next_[event]] = previous_[event];
  }
  void relink(std::size_t event) {
    next_[previous_[event]] = event;
    previous_[next_[event]] = event;
  }

  const History history_;
  const std::uint64_t budget_;
  std::vector<Event> events_;
  std::vector<std::size_t> next_, previous_;
  std::vector<std::size_t> invocation_, return_;  // of an operation
  std::size_t certain_ = 0;   // operations that must be in the order
  std::size_t reached_ = 0;   // of those, the ones that are
  std::size_t blocked_ = 0;
  std::uint64_t state_ = kAbsent;
  std::vector<std::uint64_t> done_;  // a bit for each operation, then what the register holds: where the search has been
  std::unordered_set<std::vector<std::uint64_t>, Hash> visited_;
  std::vector<Taken> taken_;
};

struct Zone {
  std::uint64_t first_end;   // the earliest return of the write and its reads
  std::uint64_t last_begin;  // the latest invocation
  std::uint64_t value;
};

struct Register {
  std::optional<Operation> write;
  std::vector<Operation> reads;
};

std::optional<std::string> crossing(const std::vector<Zone>& zones) {
  std::vector<Zone> forward;
  for (const Zone& zone : zones) {
    if (zone.first_end < zone.last_begin) forward.push_back(zone);
  }
  std::sort(forward.begin(), forward.end(), [](const Zone& a, const Zone& b) { return a.first_end < b.first_end; });
  for (std::size_t i = 1; i < forward.size(); ++i) {
    if (forward[i].first_end < forward[i - 1].last_begin)
      return fmt::format("the values {} and {} must both hold at {}", forward[i - 1].value, forward[i].value,
                         forward[i].first_end);
  }
  for (const Zone& zone : zones) {
    if (zone.first_end < zone.last_begin) continue;
    auto after = std::upper_bound(forward.begin(), forward.end(), zone.last_begin,
                                  [](std::uint64_t when, const Zone& other) { return when < other.first_end; });
    if (after == forward.begin()) continue;
    const Zone& around = *std::prev(after);
    if (around.first_end < zone.last_begin && zone.first_end < around.last_begin)
      return fmt::format("the value {} held only while {} did", zone.value, around.value);
  }
  return std::nullopt;
}

Finding violated(std::string reason) {
  Finding finding;
  finding.verdict = Verdict::violated;
  finding.reason = std::move(reason);
  return finding;
}

bool zones_apply(const History& history) {
  std::size_t puts = 0;
  for (const Operation& operation : history) {
    if (operation.kind != Kind::put && operation.kind != Kind::get) return false;
    puts += operation.kind == Kind::put ? 1 : 0;
  }
  return unique_values(history).size() == puts;
}

}  // namespace

std::string to_string(const Operation& operation) {
  const std::string when = span(operation.invoked, operation.returned);
  switch (operation.kind) {
    case Kind::put: return fmt::format("put {} {}", operation.value, when);
    case Kind::get: return fmt::format("get -> {} {}", operation.value, when);
    case Kind::remove: return fmt::format("remove {}", when);
    case Kind::swap: return fmt::format("swap {} -> {} {}", operation.expected, operation.value, when);
    case Kind::mismatch: return fmt::format("not {} {}", operation.expected, when);
  }
  return {};
}

Finding check_zones(const History& history) {
  GABION_CHECK(zones_apply(history), "zones need puts of different values, and gets");
  std::map<std::uint64_t, Register> registers;
  // The initial value was written before everything else. Times are moved up by one to make room for it.
  registers[kAbsent].write = Operation{Kind::put, 0, 0, kAbsent, kAbsent};
  for (Operation operation : history) {
    ++operation.invoked;
    if (operation.returned != kUnknown) ++operation.returned;
    if (operation.kind == Kind::put) registers[operation.value].write = operation;
    else if (operation.returned != kUnknown) registers[operation.value].reads.push_back(operation);
  }
  std::vector<Zone> zones;
  for (const auto& [value, each] : registers) {
    if (!each.write) return violated(fmt::format("{} was read and never written", value));
    if (each.write->returned == kUnknown && each.reads.empty()) continue;
    Zone zone{each.write->returned, each.write->invoked, value};
    for (const Operation& read : each.reads) {
      if (read.returned < each.write->invoked) return violated(fmt::format("{} was read before its write began", value));
      zone.first_end = std::min(zone.first_end, read.returned);
      zone.last_begin = std::max(zone.last_begin, read.invoked);
    }
    zones.push_back(zone);
  }
  if (auto reason = crossing(zones)) return violated(*std::move(reason));
  return {};
}

Finding check_search(const History& history, std::uint64_t budget) { return Search(narrowed(history), budget).run(); }

Finding check(const History& history, std::uint64_t budget) {
  return zones_apply(history) ? check_zones(history) : check_search(history, budget);
}

}  // namespace gabion::linear
