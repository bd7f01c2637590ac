// A change of the layout that an operator asks for, computed against a state of the cluster: what it would cost, and whether it
// is safe beyond what the layout itself demands. Pure.
#pragma once

#include <optional>

#include "metadata/cluster/layout.h"
#include "tools/serve/cluster_view.h"

namespace gabion::serve {

struct PlanFacts {
  metadata::cluster::Facts facts;
  std::uint64_t version = 0;             // of the state
  std::uint64_t bytes_per_second = 0;    // that one node moves
  std::uint64_t capacity_of(const metadata::ClusterState& state) const;  // of the drives that take new data
  std::vector<std::pair<DriveId, std::uint64_t>> capacities;
  std::vector<NodeId> members;           // of any group of the metadata, whatever the state says
  std::vector<std::uint32_t> unknown_groups;  // whose members nobody tells
};

struct PlannedChange {
  Plan plan;
  metadata::ClusterState state;  // after it
};

// `fresh` is the drive that add_drive and replace_drive bring. denied when the data would not fit any more.
Result<PlannedChange> plan_change(const metadata::ClusterState& state, const Change& change,
                                  std::optional<metadata::DriveInfo> fresh, const PlanFacts& facts);

}  // namespace gabion::serve
