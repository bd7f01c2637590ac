// Alarms wakes tasks that wait for something at a time at the latest, with one sleeping task for all of them: a read or
// a write that may need a time limit costs one heap entry, not a timer of its own. Thread-safe. Coarse: an alarm may come
// kGrain late. Call close() before destruction.
#pragma once

#include <memory>
#include <mutex>
#include <queue>
#include <vector>

#include "common/async.h"
#include "common/clock.h"

namespace gabion::gateway::data {

class Alarms {
 public:
  static constexpr Duration kGrain = std::chrono::milliseconds(20);

  explicit Alarms(Clock& clock) : clock_(clock) {}
  // Sets the event at `when`, if it still exists then. The waiter looks at the clock: it may be woken early too.
  void at(const Executor& executor, TimePoint when, const std::shared_ptr<Event>& event);
  task<void> close() { co_await gate_.close(); }

 private:
  struct Entry {
    TimePoint when;
    std::weak_ptr<Event> event;
    bool operator<(const Entry& other) const { return when > other.when; }
  };
  task<void> run();
  // Takes out what is due. Gives the time to sleep, or nothing when no alarm is left and the task is to end.
  std::optional<Duration> take_due(std::vector<std::shared_ptr<Event>>& due);

  Clock& clock_;
  Gate gate_;
  std::mutex mutex_;
  std::priority_queue<Entry> entries_;
  bool running_ = false;
};

}  // namespace gabion::gateway::data
