// What the leader has heard of a node, beside what the cluster's state says of it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/ids.h"
#include "metadata/cluster/registry.h"
#include "tools/serve/cluster_view.h"

namespace gabion::serve {

struct DriveReport {
  DriveId id;
  bool up = false;
  std::uint64_t capacity = 0, used = 0, available = 0, shards = 0;
};

struct JobReport {
  std::uint64_t job = 0;
  std::uint64_t blocks_done = 0, blocks_total = 0, bytes_moved = 0, failed_blocks = 0;
};

struct NodeReport {
  NodeId node{};
  bool up = false;
  bool heard = false;  // since this node leads
  std::uint64_t down_seconds = 0;
  std::vector<RaftGroupView> groups;  // that it leads
  std::vector<DriveReport> drives;
  std::vector<JobReport> jobs;
};

std::vector<NodeReport> reports_of(const std::vector<metadata::cluster::NodeStatus>& nodes);

}  // namespace gabion::serve
