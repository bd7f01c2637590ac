// Clock is the only source of time. The real one reads the kernel; the simulation's is virtual. Thread-safe.
// Monotonic time orders waits and measures; wall time is only ever data (Last-Modified, signatures), never order.
#pragma once

#include <chrono>
#include <cstdint>

#include "common/task.h"

namespace gabion {

using Duration = std::chrono::nanoseconds;
// Monotonic time since an arbitrary start.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;
// Microseconds since the Unix epoch, UTC.
using WallMicros = std::uint64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  virtual WallMicros wall() const = 0;
  // Resumes on the caller's executor after `duration`. Returns early only when the task is cancelled.
  virtual task<void> sleep(Duration duration) = 0;
};

class RealClock final : public Clock {
 public:
  TimePoint now() const override;
  WallMicros wall() const override;
  task<void> sleep(Duration duration) override;
};

}  // namespace gabion
