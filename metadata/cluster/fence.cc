#include "metadata/cluster/fence.h"

#include "metadata/cluster/ring_change.h"

namespace gabion::metadata::cluster {
namespace {

// Of every shard, whatever other drives the rings know, and by which weights.
bool same_places(const ring::Ring& a, const ring::Ring& b) {
  if (a.partitions() != b.partitions() || a.width() != b.width()) return false;
  for (std::uint32_t partition = 0; partition < a.partitions(); ++partition) {
    const auto row = a.row(partition), other = b.row(partition);
    for (std::size_t place = 0; place < row.size(); ++place) {
      if (a.drives()[row[place]].id != b.drives()[other[place]].id) return false;
    }
  }
  return true;
}

}  // namespace

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
    if (settled >= newer.epoch() && same_places(older, newer)) {
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
