// LeaderSpread has the metadata's groups led by different nodes: one that has led at least two more of them than another of their
// members for a while hands one over to that. Slow and one at a time; it makes the numbers more alike each time, so that nothing
// is handed back.
// Thread-safe. What it is given outlives it; stop() before destruction.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "common/async.h"
#include "metadata/raft/raft.h"
#include "metadata/records.pb.h"

namespace gabion::serve {

struct Handover {
  metadata::raft::GroupId group = 0;
  NodeId to{};
  friend bool operator==(const Handover&, const Handover&) = default;
};

// Pure. `groups` are those that `self` is a member of; `leading`: how many groups each node leads that is up; `leaving` nodes get
// nothing.
std::optional<Handover> next_handover(NodeId self, const std::vector<metadata::raft::GroupStatus>& groups,
                                      const std::map<NodeId, unsigned>& leading, const std::set<NodeId>& leaving);

struct LeaderSpreadOptions {
  NodeId self{};
  std::function<std::vector<metadata::raft::GroupStatus>()> groups;
  std::function<task<Result<void>>(Context, Handover)> hand_over;
  Clock* clock = nullptr;
  Duration interval = std::chrono::seconds(5);
  Duration patience = std::chrono::minutes(1);  // that it must have been so
};

class LeaderSpread {
 public:
  explicit LeaderSpread(LeaderSpreadOptions options) : options_(std::move(options)) {}

  void follow(const metadata::ClusterState& state);
  void hear(std::map<NodeId, unsigned> leading);
  void start(const Executor& executor) { spawn(executor, gate_, "leader spread", run()); }
  task<void> stop() {
    stopping_ = true;
    return gate_.close();
  }

 private:
  task<void> run();
  task<void> look();

  const LeaderSpreadOptions options_;
  Gate gate_;
  std::atomic<bool> stopping_{false};
  std::optional<TimePoint> since_;  // it has been uneven. run() alone uses it
  std::mutex mutex_;
  std::map<NodeId, unsigned> leading_;
  std::set<NodeId> leaving_;
};

}  // namespace gabion::serve
