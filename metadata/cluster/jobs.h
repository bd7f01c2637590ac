// Jobs in the cluster's state: how they start, change workers and end. Pure.
#pragma once

#include "metadata/cluster/layout.h"

namespace gabion::metadata::cluster {

// Adds a job for all `facts.workers` and gives its number. A rebalance takes the place of those that run towards older rings.
std::uint64_t start_job(ClusterState& state, JobKind kind, const std::string& reason, const Facts& facts);

Result<void> pause_job(ClusterState& state, std::uint64_t job);
Result<void> resume_job(ClusterState& state, std::uint64_t job);
Result<void> cancel_job(ClusterState& state, std::uint64_t job, WallMicros now_us);

// The nodes that work now: those that are left start over. False when they are the job's already.
bool set_workers(Job& job, std::vector<NodeId> workers);
// The worker did its share. False when that is known or it is none.
bool finish_worker(Job& job, NodeId worker, std::uint64_t failed_blocks, std::uint64_t bytes = 0);
bool all_finished(const Job& job);
// All workers did their share: the job is done, and rings older than a rebalance's are not needed any more. Whoever commits
// that has told all groups of the oldest one that is left before.
Result<void> finish_job(ClusterState& state, std::uint64_t job, WallMicros now_us);

// By which a block may still be placed that is where a kept ring says.
std::uint64_t oldest_ring(const ClusterState& state);
// A ring that was kept is not any more.
bool drops_ring(const ClusterState& before, const ClusterState& after);

Job* find_job(ClusterState& state, std::uint64_t job);
inline bool active(const Job& job) { return job.state() == JOB_RUNNING || job.state() == JOB_PAUSED; }

}  // namespace gabion::metadata::cluster
