#include "metadata/cluster/jobs.h"

#include <fmt/format.h>

#include <algorithm>

namespace gabion::metadata::cluster {
namespace {

void end(Job& job, JobState how, WallMicros now_us) {
  job.set_state(how);
  job.set_finished_us(now_us);
}

// The last few that are over are kept for people.
void forget_oldest(ClusterState& state) {
  auto& jobs = *state.mutable_jobs();
  auto over = std::count_if(jobs.begin(), jobs.end(), [](const Job& job) { return !active(job); });
  for (int i = 0; i < jobs.size() && over > kFinishedJobsMax;) {
    if (active(jobs.Get(i))) {
      ++i;
      continue;
    }
    jobs.DeleteSubrange(i, 1);
    --over;
  }
}

std::vector<NodeId> default_workers(const ClusterState& state) {
  std::vector<NodeId> out;
  for (const NodeInfo& node : state.nodes()) {
    if (node.chunkserver() && !node.out()) out.push_back(NodeId{node.id()});
  }
  return out;
}

Result<Job*> find_active(ClusterState& state, std::uint64_t id) {
  Job* const job = find_job(state, id);
  if (job == nullptr) return Error(Errc::not_found, fmt::format("there is no job {}", id));
  if (!active(*job)) return Error(Errc::conflict, fmt::format("job {} is over", id));
  return job;
}

}  // namespace

std::uint64_t oldest_ring(const ClusterState& state) {
  std::uint64_t oldest = state.ring_epoch();
  for (const std::string& encoded : state.previous_rings()) {
    const auto ring = ring::Ring::decode(encoded);
    if (ring) oldest = std::min(oldest, ring->epoch());
  }
  return oldest;
}

bool drops_ring(const ClusterState& before, const ClusterState& after) {
  const auto& kept = after.previous_rings();
  return std::any_of(before.previous_rings().begin(), before.previous_rings().end(), [&](const std::string& ring) {
    return std::find(kept.begin(), kept.end(), ring) == kept.end();
  });
}

Job* find_job(ClusterState& state, std::uint64_t id) {
  for (Job& job : *state.mutable_jobs()) {
    if (job.id() == id) return &job;
  }
  return nullptr;
}

std::uint64_t start_job(ClusterState& state, JobKind kind, const std::string& reason, const Facts& facts) {
  for (Job& job : *state.mutable_jobs()) {
    if (kind == JOB_REBALANCE && job.kind() == kind && active(job)) end(job, JOB_CANCELLED, facts.now_us);
  }
  forget_oldest(state);
  Job& job = *state.add_jobs();
  state.set_last_job(state.last_job() + 1);
  job.set_id(state.last_job());
  job.set_kind(kind);
  job.set_state(JOB_RUNNING);
  job.set_reason(reason);
  job.set_started_us(facts.now_us);
  if (kind == JOB_ORPHANS) state.set_orphans_us(facts.now_us);
  else job.set_epoch(state.ring_epoch());
  set_workers(job, facts.workers.empty() ? default_workers(state) : facts.workers);
  return job.id();
}

Result<void> pause_job(ClusterState& state, std::uint64_t id) {
  TRY(Job* const job, find_active(state, id));
  job->set_state(JOB_PAUSED);
  return {};
}

Result<void> resume_job(ClusterState& state, std::uint64_t id) {
  TRY(Job* const job, find_active(state, id));
  job->set_state(JOB_RUNNING);
  return {};
}

Result<void> cancel_job(ClusterState& state, std::uint64_t id, WallMicros now_us) {
  TRY(Job* const job, find_active(state, id));
  end(*job, JOB_CANCELLED, now_us);
  return {};
}

bool set_workers(Job& job, std::vector<NodeId> workers) {
  std::sort(workers.begin(), workers.end());
  const bool same = static_cast<std::size_t>(job.workers_size()) == workers.size() &&
                    std::equal(workers.begin(), workers.end(), job.workers().begin(),
                               [](NodeId a, std::uint32_t b) { return static_cast<std::uint32_t>(a) == b; });
  if (same) return false;
  job.clear_workers();
  job.clear_finished_workers();
  job.set_failed_blocks(0);
  job.set_bytes(0);
  for (const NodeId worker : workers) job.add_workers(static_cast<std::uint32_t>(worker));
  return true;
}

bool finish_worker(Job& job, NodeId worker, std::uint64_t failed_blocks, std::uint64_t bytes) {
  const auto number = static_cast<std::uint32_t>(worker);
  const auto has = [number](const auto& list) { return std::find(list.begin(), list.end(), number) != list.end(); };
  if (!has(job.workers()) || has(job.finished_workers())) return false;
  job.add_finished_workers(number);
  job.set_failed_blocks(job.failed_blocks() + failed_blocks);
  job.set_bytes(job.bytes() + bytes);
  return true;
}

bool all_finished(const Job& job) {
  return job.workers_size() != 0 && job.finished_workers_size() == job.workers_size();
}

Result<void> finish_job(ClusterState& state, std::uint64_t id, WallMicros now_us) {
  TRY(Job* const job, find_active(state, id));
  if (!all_finished(*job)) return Error(Errc::conflict, fmt::format("job {} has workers that are not finished", id));
  end(*job, JOB_DONE, now_us);
  // Blocks that failed may lie where an older ring says: the next rebalance without any drops those rings as well.
  if (job->kind() != JOB_REBALANCE || job->failed_blocks() != 0) return {};
  auto& rings = *state.mutable_previous_rings();
  for (int i = rings.size(); i-- > 0;) {
    const auto ring = ring::Ring::decode(rings.Get(i));
    if (!ring || ring->epoch() < job->epoch()) rings.DeleteSubrange(i, 1);
  }
  return {};
}

}  // namespace gabion::metadata::cluster
