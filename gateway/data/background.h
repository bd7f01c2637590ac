// Background runs one cycle of work after another: soon when woken, else after an interval. It can be paused, and stop()
// waits for the cycle under way, which looks at stopping() between its steps. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "gateway/data/alarms.h"

namespace gabion::gateway::data {

class Background {
 public:
  // Between two cycles at least, however often it is woken: a cycle that wakes itself must not become a busy loop.
  static constexpr Duration kGap = std::chrono::seconds(1);

  Background(Clock& clock, Duration interval) : clock_(clock), interval_(interval), alarms_(clock) {}

  void start(const Executor& executor, std::function<task<void>()> cycle) {
    spawn(executor, gate_, "background", run(executor, std::move(cycle)));
  }
  void wake() {
    woken_.store(true);
    event_->set();
  }
  void pause() { paused_.store(true); }
  void resume() {
    paused_.store(false);
    wake();
  }
  bool paused() const { return paused_.load(); }
  // The cycle is to end early: because of stop() or pause().
  bool stopping() const { return stopping_.load() || paused_.load(); }
  task<void> stop() {
    stopping_.store(true);
    event_->set();
    co_await gate_.close();
    co_await alarms_.close();
  }

 private:
  task<void> run(Executor executor, std::function<task<void>()> cycle) {
    while (!stopping_.load()) {
      woken_.store(false);
      if (!paused_.load()) co_await cycle();
      const TimePoint ended = clock_.now();
      alarms_.at(executor, ended + std::min(kGap, interval_), event_);
      alarms_.at(executor, ended + interval_, event_);
      while (!stopping_.load() && clock_.now() < ended + (woken_.load() ? std::min(kGap, interval_) : interval_)) {
        co_await event_->wait();
      }
    }
  }

  Clock& clock_;
  const Duration interval_;
  Alarms alarms_;
  Gate gate_;
  const std::shared_ptr<Event> event_ = std::make_shared<Event>();
  std::atomic<bool> woken_{false};
  std::atomic<bool> paused_{false};
  std::atomic<bool> stopping_{false};
};

}  // namespace gabion::gateway::data
