// The storage class that follows the cluster, and how it becomes narrower when drives or nodes go. Pure.
//
// A block of class k+m has k+m shards on as many drives, so fewer drives than that cannot take what is stored, however much
// room they have; and where one node has more than m of a block's shards, its loss is the block's. In both cases STANDARD
// becomes narrower, in three steps:
//   1. New blocks are written in the narrower class, and the ring gets a new epoch. That is the fence (fence.h) of JOB_REENCODE:
//      once no older ring is kept, nobody may commit a block any more that was coded before.
//   2. Behind it the job codes anew what is stored and wider than the class.
//   3. The ring becomes as narrow as the class, and drives and nodes that had to wait for it give everything away.
// ClusterState.narrowing says what is still to be done, so it goes on under whoever leads.
#pragma once

#include "metadata/cluster/layout.h"

namespace gabion::metadata::cluster {

// For each node how many of its drives take data; those without any are left out.
std::vector<std::size_t> drives_by_node(const ClusterState& state);
// STANDARD as it is to be for the drives that take data: it becomes wider where they allow that, and narrower where it must.
erasure::Profile fitting_class(const ClusterState& state);

// The first step where `wanted` has fewer drives than a row of the ring, so that the change itself has to wait for the third.
// conflict while the class is becoming narrower already.
Result<Change> begin_narrowing(const ClusterState& before, const ClusterState& wanted, Plan plan, const Facts& facts);
// The same after a change that need not wait.
Result<void> narrow_later(Change& change, const Facts& facts);
// It is not to be drained in the third step after all.
void forget_drain(ClusterState& state, NodeId node);
void forget_drain(ClusterState& state, const DriveId& drive);
// The state as it will be after the third step.
ClusterState when_narrow(ClusterState state);
// The third step, when the second is done. False: it is not, or nothing is to be done.
Result<bool> carry_on_narrowing(ClusterState& state, const Facts& facts);

}  // namespace gabion::metadata::cluster
