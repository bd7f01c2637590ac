// MetadataMembers keeps the metadata's group at three voters while this node leads it: nodes with the metadata role join it as
// long as it has fewer, those that were given up or are to give everything away leave it, each only when the rest can decide
// without it. A leader that is to leave hands the leadership over first. One change at a time.
// Thread-safe. What it is given outlives it; stop() before destruction.
#pragma once

#include <mutex>
#include <vector>

#include "common/async.h"
#include "metadata/cluster/controller.h"
#include "metadata/local_metadata.h"

namespace gabion::serve {

// One step towards the members that a group should have.
struct MemberStep {
  enum class Kind { none, add, promote, remove, transfer };
  Kind kind = Kind::none;
  NodeId node{};
  friend bool operator==(const MemberStep&, const MemberStep&) = default;
};

// A node with the metadata role, as the cluster's state and the leader know it.
struct MemberCandidate {
  NodeId node{};
  bool up = false;
  bool leaving = false;  // draining or out
};

inline constexpr std::size_t kVotersWanted = 3;

// Pure. `members` as the group has them; `self` leads it. Candidates that are not listed are no nodes of the cluster any more.
MemberStep next_member_step(NodeId self, const std::vector<metadata::raft::Member>& members,
                            const std::vector<MemberCandidate>& candidates);

class MetadataMembers {
 public:
  MetadataMembers(NodeId self, metadata::LocalMetadata& metadata, const metadata::cluster::Controller& controller, Clock& clock)
      : self_(self), metadata_(metadata), controller_(controller), clock_(clock) {}

  void follow(const metadata::ClusterState& state);
  void start(const Executor& executor) { spawn(executor, gate_, "metadata members", run()); }
  task<void> stop() {
    stopping_ = true;
    return gate_.close();
  }

 private:
  task<void> run();
  task<void> take_step();
  std::vector<MemberCandidate> candidates() const;

  const NodeId self_;
  metadata::LocalMetadata& metadata_;
  const metadata::cluster::Controller& controller_;
  Clock& clock_;
  Gate gate_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::vector<MemberCandidate> nodes_;  // as the state says; guarded by mutex_
};

}  // namespace gabion::serve
