// MetadataMembers keeps each of the metadata's groups that this node leads at three voters: nodes with the metadata role join it
// as long as it has fewer, those that were given up or are to give everything away leave it, each only when the rest can decide
// without it. A leader that is to leave hands the leadership over first. One change at a time.
// Thread-safe. What it is given outlives it; stop() before destruction.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "common/async.h"
#include "metadata/raft/raft.h"
#include "metadata/records.pb.h"

namespace gabion::serve {

// One step towards the members that a group should have.
struct MemberStep {
  enum class Kind { none, add, promote, remove, transfer };
  Kind kind = Kind::none;
  NodeId node{};
  friend bool operator==(const MemberStep&, const MemberStep&) = default;
};

// A node with the metadata role, as the cluster's state and the leader of group 0 know it.
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
  // The groups that this node is a member of.
  using Groups = std::function<std::vector<metadata::raft::RaftGroup*>()>;
  MetadataMembers(NodeId self, Groups groups, Clock& clock) : self_(self), groups_(std::move(groups)), clock_(clock) {}

  void follow(const metadata::ClusterState& state);
  // The nodes that are up now, as the leader of group 0 says.
  void hear(std::vector<NodeId> up);
  void start(const Executor& executor) { spawn(executor, gate_, "metadata members", run()); }
  task<void> stop() {
    stopping_ = true;
    return gate_.close();
  }

 private:
  task<void> run();
  task<void> take_step(metadata::raft::RaftGroup& group);
  // None while it is not known who is up.
  std::vector<MemberCandidate> candidates() const;

  const NodeId self_;
  const Groups groups_;
  Clock& clock_;
  Gate gate_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<MemberCandidate> nodes_;  // as the state says
  std::vector<NodeId> up_;
  std::optional<TimePoint> heard_;
};

}  // namespace gabion::serve
