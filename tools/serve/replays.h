// Replays remembers the signatures of requests that changed something for as long as they would be taken, so that nobody who
// saw one can have it carried out again at this node. Bounded: when full, changes have to wait rather than be taken twice.
// Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "common/clock.h"
#include "common/result.h"

namespace gabion::serve {

class Replays {
 public:
  static constexpr std::size_t kRemembered = 10'000;

  // `valid`: how long a signature made now, by the clock of whoever is ahead the most, is taken.
  explicit Replays(Duration valid) : valid_(valid) {}

  // conflict: it was taken before. exhausted: too many were, lately.
  Result<void> take(const std::string& signature, TimePoint now) {
    const std::lock_guard lock(mutex_);
    while (!until_.empty() && until_.begin()->first <= now) {
      seen_.erase(until_.begin()->second);
      until_.erase(until_.begin());
    }
    if (seen_.contains(signature)) return Error(Errc::conflict, "this request was carried out already; sign another one");
    if (seen_.size() >= kRemembered) {
      return Error(Errc::exhausted, "too many changes were asked for lately; try again in a while");
    }
    seen_.insert(signature);
    until_.emplace(now + valid_, signature);
    return {};
  }

 private:
  const Duration valid_;
  std::mutex mutex_;
  std::set<std::string> seen_;
  std::multimap<TimePoint, std::string> until_;
};

}  // namespace gabion::serve
