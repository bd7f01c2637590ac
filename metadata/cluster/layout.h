// Changes of the cluster's layout: pure functions from one ClusterState to the next, with a plan that says what it costs.
// Nothing is done here: the caller commits the state against the version that it was computed from (SetClusterState).
//
// Where data goes follows from the flags of nodes and drives: one that is draining stays in the ring with weight 0, so that
// what it has is found and moved; one that is out is not in it. Each ring that moves places starts a rebalance job; until
// that is done the ring before it is kept, and a drive that has places in any kept ring still may have shards.
//
// Refusals: denied, with what would have to be true; not_found; already_exists; invalid; conflict when too many changes are
// under way.
#pragma once

#include <string>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/result.h"
#include "erasure/codec.h"
#include "metadata/records.pb.h"
#include "ring/ring.h"

namespace gabion::metadata::cluster {

inline constexpr unsigned kPartitionBits = 10;    // of a new ring. Enough for hundreds of drives
inline constexpr int kPreviousRingsMax = 16;      // changes whose data is still being moved
inline constexpr int kFinishedJobsMax = 20;       // remembered

// What the caller knows beyond the state.
struct Facts {
  WallMicros now_us = 0;
  std::uint64_t stored_bytes = 0;  // on all drives, for the estimate
  std::vector<NodeId> workers;     // chunk servers that are up; none: all that are not out
};

struct Plan {
  std::string summary;         // also the reason of the job
  bool ring_changes = false;
  ring::Quality before, after;
  ring::Movement movement;     // places that move, and a bound for the fewest
  std::uint64_t places = 0;    // of the new ring in all
  std::uint64_t bytes_to_move = 0;
  erasure::Profile profile_before, profile_after;
  std::size_t drives_before = 0, drives_after = 0;  // that take new data
  std::uint64_t job = 0;       // that carries it out; 0: nothing moves
};

struct Change {
  ClusterState state;
  Plan plan;
};

// The first node with its drives, which makes the cluster: `state` has its id and keys, and its profile unless
// automatic_class is set. It may have a ring already, of drives that were served alone: nothing moves.
Result<Change> found(ClusterState state, NodeInfo node, std::vector<DriveInfo> drives, const Facts& facts);

// `node` gets the next number unless it has one, `drives` become its drives.
Result<Change> add_node(ClusterState state, NodeInfo node, std::vector<DriveInfo> drives, const Facts& facts);
Result<Change> add_drives(ClusterState state, NodeId node, std::vector<DriveInfo> drives, const Facts& facts);
Result<Change> drain_node(ClusterState state, NodeId node, const Facts& facts);
Result<Change> undrain_node(ClusterState state, NodeId node, const Facts& facts);  // also of one that is out
Result<Change> mark_node_out(ClusterState state, NodeId node, const Facts& facts);
Result<Change> remove_node(ClusterState state, NodeId node, const Facts& facts);

Result<Change> drain_drive(ClusterState state, const DriveId& drive, const Facts& facts);
Result<Change> undrain_drive(ClusterState state, const DriveId& drive, const Facts& facts);
Result<Change> mark_drive_out(ClusterState state, const DriveId& drive, const Facts& facts);
Result<Change> remove_drive(ClusterState state, const DriveId& drive, const Facts& facts);
// `fresh` takes over from one that is lost or to go.
Result<Change> replace_drive(ClusterState state, const DriveId& drive, DriveInfo fresh, const Facts& facts);
// The ring computed anew, for better balance, and everything looked at again.
Result<Change> rebalance(ClusterState state, const Facts& facts);

// --- Views of a state ---
const NodeInfo* find_node(const ClusterState& state, NodeId node);
const DriveInfo* find_drive(const ClusterState& state, const DriveId& drive);
std::string drive_name(const DriveInfo& drive);  // "n3/disk1"
// It takes new data.
bool in_use(const ClusterState& state, const DriveInfo& drive);
// No ring that is kept has a place for it: nothing that is acknowledged depends on it.
Result<bool> drained(const ClusterState& state, const DriveId& drive);

}  // namespace gabion::metadata::cluster
