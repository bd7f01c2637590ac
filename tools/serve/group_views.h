// The groups of the metadata as an operator sees them: from what this node knows of its own members of them, and from what the
// leader of group 0 has heard of those who lead the others. Pure.
#pragma once

#include <vector>

#include "metadata/raft/raft.h"
#include "metadata/records.pb.h"
#include "tools/serve/node_report.h"

namespace gabion::serve {

// All groups of the state, ascending. Who leads a group knows most of it: this node, else one that reported; a member that does
// not lead still knows who the others are.
std::vector<RaftGroupView> group_views(const metadata::ClusterState& state, const std::vector<NodeReport>& reports,
                                       const std::vector<metadata::raft::GroupStatus>& own, NodeId self);

}  // namespace gabion::serve
