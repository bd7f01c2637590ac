// DeadlineSweeper gives the streams of one thread their deadlines without a timer for each operation: about
// once a second it looks at every registered stream and expires those whose time has passed. Setting a
// deadline is therefore one store. Everything here runs on the one thread that owns the sweeper; it outlives
// the streams registered with it.
#pragma once

#include <cstddef>
#include <vector>

#include "common/clock.h"
#include "common/task.h"

namespace gabion::net {

class DeadlineSweeper;

// What the sweeper watches. Registered as long as it lives.
class DeadlineTarget {
 public:
  DeadlineTarget(const DeadlineTarget&) = delete;
  DeadlineTarget& operator=(const DeadlineTarget&) = delete;

 protected:
  explicit DeadlineTarget(DeadlineSweeper& sweeper);
  ~DeadlineTarget();
  // Called once when the deadline has passed: operations under way must end. Must not destroy or create
  // targets.
  virtual void expire() = 0;

  void start_deadline(TimePoint deadline) {
    deadline_ = deadline;
    expired_ = false;
  }
  bool expired() const { return expired_; }
  TimePoint now() const;

 private:
  friend class DeadlineSweeper;
  DeadlineSweeper& sweeper_;
  std::size_t position_;
  TimePoint deadline_ = TimePoint::max();
  bool expired_ = false;
};

class DeadlineSweeper {
 public:
  explicit DeadlineSweeper(Clock& clock, Duration interval = std::chrono::seconds(1))
      : clock_(clock), interval_(interval) {}
  ~DeadlineSweeper();

  // Sweeps until stop(); the owner spawns it on the thread of the streams. Ends within one interval of
  // stop().
  task<void> run();
  void stop() { stopped_ = true; }
  void sweep(TimePoint now);

 private:
  friend class DeadlineTarget;
  Clock& clock_;
  const Duration interval_;
  bool stopped_ = false;
  std::vector<DeadlineTarget*> targets_;  // in no order; each knows its position
};

}  // namespace gabion::net
