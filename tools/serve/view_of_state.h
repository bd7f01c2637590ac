// The cluster as an operator sees it, from its state and from what the leader has heard of its nodes. Pure.
#pragma once

#include <vector>

#include "metadata/metadata.h"
#include "tools/serve/cluster_view.h"
#include "tools/serve/node_report.h"

namespace gabion::serve {

// corrupt when a ring of the state cannot be read.
Result<ClusterView> view_of_state(const metadata::Metadata::VersionedClusterState& state, const std::vector<NodeReport>& reports,
                                  const metadata::Statistics& statistics, NodeId leader, WallMicros now);

// The drive of this name, id in hex, or "n3:/full/path". not_found; invalid when a name means two drives.
Result<DriveId> find_drive_named(const metadata::ClusterState& state, const std::string& name);

}  // namespace gabion::serve
