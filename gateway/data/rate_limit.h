// RateLimit spreads work over time: each piece waits until what was taken before it has been paid for. Belongs to one
// executor; many tasks of it may wait at once.
#pragma once

#include <algorithm>

#include "common/clock.h"

namespace gabion::gateway::data {

class RateLimit {
 public:
  // 0: no limit.
  RateLimit(Clock& clock, std::uint64_t bytes_per_second) : clock_(clock), bytes_per_second_(bytes_per_second) {}

  task<void> take(std::uint64_t bytes) {
    if (bytes_per_second_ == 0) co_return;
    const TimePoint now = clock_.now();
    const TimePoint start = std::max(now, paid_);
    const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second_);
    paid_ = start + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    if (start > now) co_await clock_.sleep(start - now);
  }

 private:
  Clock& clock_;
  const std::uint64_t bytes_per_second_;
  TimePoint paid_ = TimePoint::min();
};

}  // namespace gabion::gateway::data
