// Bringing the storage class and the ring in line with a cluster's nodes and drives: what every change of the layout ends with.
// Pure; internal to metadata/cluster.
#pragma once

#include "metadata/cluster/layout.h"

namespace gabion::metadata::cluster {

// STANDARD follows the cluster: wider where the drives allow it, and narrower where it must, see narrowing.h. What has been
// lost makes it no narrower: there may be no room for that, and nobody has been asked.
enum class FollowClass { both_ways, wider_only };
// Where places move, the old ring is kept and a job carries them over. `before` is the state without the change that `state` has.
Result<Change> with_ring(const ClusterState& before, ClusterState state, std::string summary, const Facts& facts,
                         FollowClass follow = FollowClass::wider_only);
// The same, with a ring that is no wider than the class: nothing is stored any more that is.
Result<Change> with_narrow_ring(const ClusterState& before, ClusterState state, std::string summary, const Facts& facts);

erasure::Profile profile_of(const ClusterState& state);
Result<ring::Ring> current_ring(const ClusterState& state);
// The drives as the ring is to have them. The node is the last level of their domain.
Result<std::vector<ring::Drive>> ring_drives(const ClusterState& state);
// Newest first. conflict when too many are kept.
Result<void> keep_ring(ClusterState& state, const std::string& ring);
// The same places under a new epoch: whoever writes by an older one is told apart. The old ring is kept.
Result<void> renew_ring(ClusterState& state);
std::uint64_t share_of(std::uint64_t bytes, std::uint64_t part, std::uint64_t whole);

}  // namespace gabion::metadata::cluster
