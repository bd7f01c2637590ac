// Turn lets tasks of one executor take turns at something that bears only one at a time, in the order they asked.
//   const auto turn = co_await turns.take();   // until it goes out of scope
// Used on one thread. The Turn must outlive whoever holds it or waits for it.
#pragma once

#include <deque>

#include "common/async.h"

namespace gabion::metadata {

class Turn {
 public:
  class Held {
   public:
    explicit Held(Turn& turn) : turn_(&turn) {}
    Held(Held&& other) noexcept : turn_(std::exchange(other.turn_, nullptr)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (turn_ != nullptr) turn_->pass_on();
    }

   private:
    Turn* turn_;
  };

  Turn() = default;
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  task<Held> take() {
    if (std::exchange(taken_, true)) {
      Event next;
      waiting_.push_back(&next);
      co_await next.wait();
    }
    co_return Held(*this);
  }

 private:
  void pass_on() {
    if (waiting_.empty()) {
      taken_ = false;
      return;
    }
    Event* next = waiting_.front();
    waiting_.pop_front();
    next->set();
  }

  bool taken_ = false;
  std::deque<Event*> waiting_;
};

}  // namespace gabion::metadata
