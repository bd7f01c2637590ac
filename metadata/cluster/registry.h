// Registry is what the leader has heard of the nodes since it leads: who is up, what each reported last. It forgets all when
// the leadership changes: a new leader waits for everybody before it takes anybody for down. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/rng.h"
#include "metadata/cluster/heartbeat.pb.h"
#include "metadata/records.pb.h"

namespace gabion::metadata::cluster {

struct NodeStatus {
  NodeId node{};
  bool up = false;
  Duration down_for{0};
  Heartbeat last;  // empty when nothing was heard yet
};

class Registry {
 public:
  Registry(Clock& clock, Rng& rng, Duration down_after) : clock_(clock), rng_(rng), down_after_(down_after) {}

  // A new leadership begins, or ends.
  void clear();
  // The cluster as the leader read it last.
  void set_state(const ClusterState& state, std::uint64_t version);
  // Every group of the metadata knows of this ring: what is placed by an older one is noted by whoever takes it. Nobody hears
  // that the older ones are settled before.
  void set_known_ring(std::uint64_t epoch);
  std::uint64_t known_ring() const;
  HeartbeatReply receive(NodeId node, Heartbeat heartbeat);
  // No node may commit blocks that were placed by an older ring.
  std::uint64_t writers_ring() const;

  std::vector<NodeStatus> nodes() const;  // those of the state that are not out
  // Since when the drive does not work, as its node says or does not say any more; nullopt: it works, or the node is down.
  std::map<DriveId, Duration> failed_drives() const;
  std::uint64_t stored_bytes() const;

  // A number that comes back with what nodes tell after now.
  std::uint64_t next_beat();
  // What all gateways have pinned, when all have told since that beat; else nullopt. One that was given up counts while it
  // speaks. Ascending.
  std::optional<std::vector<std::uint64_t>> pinned_since(std::uint64_t beat) const;

 private:
  struct Heard {
    TimePoint at;
    Heartbeat last;
  };
  struct Known {
    bool gateway = false;
    bool out = false;
    TimePoint since;  // it is one that is waited for: a node that has just joined has not been silent all the time before
  };
  bool up(NodeId node) const;            // with the lock held, as the following
  Duration silence(NodeId node) const;
  // The oldest ring of all that count; 0 while somebody has not been heard and may not be down, or a group does not know.
  template <class Oldest>
  std::uint64_t settled_ring(Oldest oldest) const;
  std::uint64_t settled_writers() const;
  void note_drives();

  Clock& clock_;
  Rng& rng_;
  const Duration down_after_;
  mutable std::mutex mutex_;
  TimePoint since_ = TimePoint::min();
  std::uint64_t version_ = 0;
  std::uint64_t known_ring_ = 0;  // whoever leads: no group forgets
  std::uint64_t leadership_ = 0;
  std::uint64_t beat_ = 0;
  std::map<NodeId, Known> known_;
  std::map<DriveId, NodeId> drives_;            // of the state, but those that are out
  std::map<NodeId, Heard> heard_;
  std::map<DriveId, TimePoint> drive_failed_;
};

}  // namespace gabion::metadata::cluster
