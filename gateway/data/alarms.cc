#include "gateway/data/alarms.h"

namespace gabion::gateway::data {

void Alarms::at(const Executor& executor, TimePoint when, const std::shared_ptr<Event>& event) {
  {
    const std::lock_guard lock(mutex_);
    entries_.push({when, event});
    if (running_) return;
    running_ = true;
  }
  if (!spawn(executor, gate_, "alarms", run())) {
    const std::lock_guard lock(mutex_);
    running_ = false;
  }
}

std::optional<Duration> Alarms::take_due(std::vector<std::shared_ptr<Event>>& due) {
  const std::lock_guard lock(mutex_);
  const TimePoint now = clock_.now();
  while (!entries_.empty()) {
    auto event = entries_.top().event.lock();
    // Once the gate closes, nobody sleeps on: every waiter is woken and sees for itself.
    if (event && entries_.top().when > now && !gate_.closing()) {
      return std::min<Duration>(entries_.top().when - now, kGrain);
    }
    if (event) due.push_back(std::move(event));
    entries_.pop();
  }
  running_ = false;
  return std::nullopt;
}

task<void> Alarms::run() {
  for (;;) {
    std::vector<std::shared_ptr<Event>> due;
    const auto sleep = take_due(due);
    for (const auto& event : due) event->set();
    if (!sleep) co_return;
    co_await clock_.sleep(*sleep);
  }
}

}  // namespace gabion::gateway::data
