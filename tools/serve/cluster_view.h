// What an operator sees of a cluster and may change in it: plain values between the admin API (admin_api.h) and whoever knows
// (cluster_control.h). Sizes are bytes, times microseconds since 1970, spans seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"

namespace gabion::serve {

struct NodeView {
  NodeId id{};
  std::string address;  // HOST:PORT of its cluster port
  std::string s3_endpoint;
  std::string admin_endpoint;
  std::vector<std::string> domain;
  bool metadata = false, gateway = false, chunkserver = false;
  bool up = false;
  bool draining = false;
  bool out = false;
  std::uint64_t down_seconds = 0;
};

struct DriveView {
  DriveId id;
  std::string name;  // n3/disk1: how people name it
  NodeId node{};
  std::string path;
  bool up = false;
  bool draining = false;
  bool out = false;
  // What its node said of it last. Nothing is known where a new leader has not heard of the node, or the node, which has just
  // started, has not looked at its drives.
  bool known() const { return capacity != 0; }
  std::uint64_t capacity = 0, used = 0, available = 0;
  std::uint64_t shards = 0;
  double weight = 0;
  std::uint32_t places = 0;  // in the ring
};

struct WorkerView {
  NodeId node{};
  bool finished = false;
};

enum class JobKind { rebalance, scrub, reencode, orphans };
enum class JobState { running, paused, done, cancelled };

struct JobView {
  std::uint64_t id = 0;
  JobKind kind = JobKind::rebalance;
  JobState state = JobState::running;
  std::string reason;
  std::uint64_t next = 0;  // the job that carries on with the same change; 0: none
  WallMicros started = 0, finished = 0;
  std::vector<WorkerView> workers;
  double fraction = 0;  // done, of 1
  // All that its workers have reported so far.
  std::uint64_t blocks_done = 0, blocks_total = 0;  // of scrub and orphans: shards
  std::uint64_t bytes_moved = 0;                    // or read, or freed
  std::uint64_t failed_blocks = 0;                  // of orphans: drives that were left out
  std::uint64_t bytes_per_second = 0;
  std::optional<std::uint64_t> seconds_left;
};

struct RingView {
  std::uint64_t epoch = 0;
  std::uint32_t partitions = 0;
  unsigned width = 0;
  double imbalance = 0;            // the worst drive's deviation from its share: 0.02 is 2%
  std::uint32_t crowded_rows = 0;  // rows with more drives of one failure domain than they must have
  std::vector<std::uint64_t> previous_epochs;
};

struct RepairView {
  std::uint64_t waiting_blocks = 0;
};

enum class RaftRole { voter, standby, spare };
struct RaftMemberView {
  NodeId node{};
  RaftRole role = RaftRole::voter;
  std::optional<std::uint64_t> matched;  // how far its log is, as the leader knows
};
struct RaftGroupView {
  std::uint32_t group = 0;
  NodeId leader{};
  std::uint64_t term = 0, last_index = 0, committed = 0, applied = 0;
  std::vector<RaftMemberView> members;  // none: nobody tells
  bool lost = false;                    // it has no leader, as far as all nodes that are up tell
};

// Everything at one moment.
struct ClusterView {
  ClusterId id;
  std::uint64_t version = 0;  // of the cluster's state
  bool clustered = false;     // it has an authority: other nodes may join
  NodeId leader{};
  unsigned data_shards = 0, parity_shards = 0;
  std::uint64_t buckets = 0, objects = 0;
  std::vector<NodeView> nodes;
  std::vector<DriveView> drives;
  std::vector<JobView> jobs;  // oldest first
  RingView ring;
  RepairView repair;
  std::vector<RaftGroupView> groups;  // of the metadata, ascending
};

// A secret with which one node may join.
struct JoinGrant {
  std::string address;  // of a cluster port to join at
  std::string token;
  WallMicros expires = 0;
};

// What may be changed in the layout. Each is planned, shown and then applied as planned.
enum class ChangeKind {
  drain_node, undrain_node, remove_node, drain_drive, undrain_drive, remove_drive, add_drive, replace_drive, rebalance
};
struct Change {
  ChangeKind kind = ChangeKind::rebalance;
  NodeId node{};      // of *_node and add_drive
  std::string drive;  // of *_drive but add_drive: a name as DriveView has it, or the id in hex
  std::string path;   // of add_drive and replace_drive: the empty directory
};

struct LayoutView {
  std::uint32_t drives = 0;  // that take new data
  std::uint64_t capacity = 0;
  double imbalance = 0;
  std::uint32_t crowded_rows = 0;
};

struct Plan {
  std::string id;       // of this change of this version of the cluster's state
  std::string summary;  // "drain node n3: 4 drives"
  bool changes_nothing = false;
  LayoutView before, after;
  std::uint64_t places_total = 0, places_moved = 0, places_minimum = 0;
  std::uint64_t bytes_to_move = 0;
  std::uint64_t seconds = 0;  // an estimate at the configured rate
  std::vector<std::string> warnings;
};

// A directory as a drive of this node: one that is, or one that could be made of it.
struct LocalDriveView {
  DriveId id;
  std::string path;
  double weight = 0;
};

struct Applied {
  std::uint64_t version = 0;
  std::optional<std::uint64_t> job;
};

enum class JobAction { pause, resume, cancel };

}  // namespace gabion::serve
