// Context travels with every request, by value, as the first parameter of asynchronous functions: one absolute deadline
// set at the edge, a trace id that appears in every log line, and a priority. Trivially copyable.
#pragma once

#include <cstdint>

#include "common/clock.h"

namespace gabion {

enum class Priority : std::uint8_t { interactive, background };

struct Context {
  TimePoint deadline = TimePoint::max();
  std::uint64_t trace = 0;
  Priority priority = Priority::interactive;
  // By which ring it was decided where shards are put and which are removed; 0: by the one that this node acts by.
  std::uint64_t ring_epoch = 0;
};

}  // namespace gabion
