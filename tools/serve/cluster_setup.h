// What a node does to the cluster's state on its own behalf when it starts: makes the cluster, makes its drives known, puts a new
// drive in the place of a lost one, opens the cluster to others. Each may be repeated after an interruption.
#pragma once

#include <string>
#include <vector>

#include "erasure/codec.h"
#include "metadata/cluster/edit_state.h"
#include "tools/serve/config.h"
#include "tools/serve/joining.h"
#include "tools/serve/local_drives.h"
#include "tools/serve/membership.h"

namespace gabion::serve {

metadata::DriveInfo describe_drive(const OpenDrive& drive, NodeId node);

// The state of a new cluster with this node and its drives; nothing when there is one already. The class is fixed when the
// configuration names it, else it follows the number of drives.
task<Result<void>> found_cluster(metadata::Metadata& metadata, const Config& config, ClusterId cluster, erasure::Profile profile,
                                 std::vector<metadata::DriveInfo> drives, Clock& clock);

// Those that the cluster does not know yet. They take data at once, and get their share of what there is.
task<Result<void>> announce_drives(metadata::Metadata& metadata, NodeId node, std::vector<metadata::DriveInfo> drives,
                                   Clock& clock);

// `fresh` takes the places of the drive `lost`.
task<Result<void>> replace_drive(metadata::Metadata& metadata, DriveId lost, metadata::DriveInfo fresh, Clock& clock);

// Where the node is now: its address and the endpoints of what it serves.
task<Result<void>> move_node(metadata::Metadata& metadata, NodeId node, metadata::NodeInfo now);

// The cluster gets an authority unless it has one, and this node its address and a certificate of it, which are noted in
// `membership`; the caller keeps that.
task<Result<void>> open_to_others(metadata::Metadata& metadata, const Secrets& secrets, NodeId node, std::string address,
                                  Membership& membership, Clock& clock, Rng& rng);
// A new certificate for the node's key, when the old one is due.
Result<bool> renew_certificate(const metadata::ClusterState& state, const Secrets& secrets, Membership& membership, Clock& clock,
                               Rng& rng);

}  // namespace gabion::serve
