#include "metadata/cluster/fence.h"

#include "metadata/cluster/ring_change.h"

namespace gabion::metadata::cluster {

Result<bool> raise_fence(ClusterState& state, std::uint64_t id) {
  Job* const job = find_job(state, id);
  if (job == nullptr || job->state() != JOB_RUNNING || job->kind() != JOB_ORPHANS) {
    return Error(Errc::conflict, "only a job that runs, and looks for orphans, has a fence");
  }
  if (job->epoch() != 0 || state.previous_rings_size() != 0) return false;
  TRY_OK(renew_ring(state));
  job->set_epoch(state.ring_epoch());
  return true;
}

bool fence_stands(const ClusterState& state, const Job& job) {
  if (job.epoch() == 0 || state.ring_epoch() < job.epoch()) return false;
  for (const std::string& encoded : state.previous_rings()) {
    const auto ring = ring::Ring::decode(encoded);
    if (!ring || ring->epoch() < job.epoch()) return false;
  }
  return true;
}

Result<bool> drop_fenced(ClusterState& state, std::uint64_t settled) {
  TRY(ring::Ring newer, ring::Ring::decode(state.ring()));
  bool dropped = false;
  auto& rings = *state.mutable_previous_rings();
  for (int i = 0; i < rings.size();) {  // newest first
    TRY(ring::Ring older, ring::Ring::decode(rings.Get(i)));
    const bool redundant = older.at_epoch(newer.epoch()) == newer;
    if (redundant && settled >= newer.epoch()) {
      rings.DeleteSubrange(i, 1);
      dropped = true;
      continue;
    }
    newer = std::move(older);
    ++i;
  }
  return dropped;
}

}  // namespace gabion::metadata::cluster
