// Group is what decides the order of commands: propose() puts a command into the log and gives what applying it decided;
// read_barrier() returns when everything that was acknowledged before is in the state that is read. raft/raft.h has the
// replicated one. Thread-safe.
#pragma once

#include "common/context.h"
#include "common/metrics.h"
#include "common/result.h"
#include "common/task.h"

namespace gabion::metadata {

// What a command is for. On full drives those that lead to more space go on in what is kept for them.
enum class Purpose { takes_space, frees_space };

class Group {
 public:
  virtual ~Group() = default;
  // deadline, exhausted, cancelled, unavailable: it did not happen. unknown_outcome: it may have.
  virtual task<Result<std::string>> propose(Context ctx, std::string command, Purpose purpose) = 0;
  virtual task<Result<void>> read_barrier(Context ctx) = 0;
};

struct GroupMetrics {
  Counter commands;
  Counter rounds;       // entries
  Counter checkpoints;  // of the states
  Histogram round_seconds;
};

}  // namespace gabion::metadata
