// Pace says how fast this node repairs, rebuilds and moves blocks: as fast as it can without making clients wait. It hears how
// long clients' reads take, at this node's gateway and at its drives, and compares that with what was usual while nothing was
// moved. As long as they take longer, fewer blocks are worked on at once, in the end one with rests in between; without clients
// it is as many as memory allows. Who it is that slows clients down it cannot know: what they wait while hardly anything is
// moved is taken for usual.
// Thread-safe. Outlives its turns, and the tasks that wait for one.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "common/async.h"
#include "common/clock.h"

namespace gabion::gateway::data {

class Pace {
 public:
  enum class Where { gateway, drive };
  struct PaceOptions {
    std::size_t most = 16;                               // blocks at once
    Duration look = std::chrono::milliseconds(250);      // between two decisions, if there were reads enough
    double slower = 1.25;                                // than usual, by so much, is too slow
    Duration unnoticed = std::chrono::microseconds(300); // and by no less than this
  };

  Pace(Clock& clock, PaceOptions options) : clock_(clock), options_(options) {}

  // The right to work on one block until it is destroyed.
  class Turn {
   public:
    Turn(Turn&& other) noexcept : pace_(std::exchange(other.pace_, nullptr)), began_(other.began_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (pace_ != nullptr) pace_->end(began_);
    }

   private:
    friend class Pace;
    Turn(Pace* pace, TimePoint began) : pace_(pace), began_(began) {}
    Pace* pace_;
    TimePoint began_;
  };
  task<Turn> turn();
  // How long a client waited for one shard.
  void client_read(Where where, Duration latency);
  std::size_t most() const { return options_.most; }
  // Blocks at once; below 1 the share of time in which one is worked on.
  double level() const;

 private:
  struct Signal {
    std::vector<Duration> reads;  // since the last decision
    Duration usual{};             // of nearly all reads
  };
  static constexpr double kLeast = 1.0 / 16;
  static constexpr std::size_t kReadsMin = 12, kReadsMax = 1024;
  static constexpr int kLooksMost = 8;  // that a decision waits for reads
  static constexpr Duration kRestMost = std::chrono::seconds(2);

  // With the lock held.
  void look(TimePoint now);
  bool is_slower(Signal& signal);
  std::size_t allowed() const;
  std::vector<std::shared_ptr<Event>> take_woken();
  void end(TimePoint began);

  Clock& clock_;
  const PaceOptions options_;
  mutable std::mutex mutex_;
  std::array<Signal, 2> signals_;
  TimePoint looked_ = TimePoint::min();
  bool busy_ = false;  // blocks were worked on since
  double level_ = 1;
  std::size_t working_ = 0;
  TimePoint rest_until_ = TimePoint::min();
  std::deque<std::shared_ptr<Event>> waiting_;
};

}  // namespace gabion::gateway::data
