// The fence of a job that looks for orphans: a ring with the places of the one before, under a newer epoch. Once no ring older
// than the fence is kept, every group of the metadata refuses blocks that were placed by one (Controller), so of what drives held
// before the fence was made nothing can be committed any more that has not been by then. Pure.
//
//   noting   job.epoch is 0. Each worker notes a position in the log of each of its drives, and says so (JobReport.ready).
//   raised   all have, and no older ring is kept, as for a rebalance: the fence is made, job.epoch is its epoch, and the ring
//            before it is kept, so that those who write by it may still commit.
//   stands   nobody writes by the ring before it any more: that is dropped. The workers see it by the state's oldest ring.
//
// A change of the layout meanwhile does no harm: its own rebalance drops the rings before it, and the fence stands.
#pragma once

#include "metadata/cluster/jobs.h"

namespace gabion::metadata::cluster {

// Makes the fence of the job. False when it has one, or an older ring is still kept.
Result<bool> raise_fence(ClusterState& state, std::uint64_t job);

// It was made, and no older ring is kept. False when that cannot be told.
bool fence_stands(const ClusterState& state, const Job& job);

// Drops the rings that a newer one has taken the place of with the same places, where blocks placed by them are not committed any
// more: `settled` is the oldest epoch by which somebody may still commit. False: there is none.
Result<bool> drop_fenced(ClusterState& state, std::uint64_t settled);

}  // namespace gabion::metadata::cluster
