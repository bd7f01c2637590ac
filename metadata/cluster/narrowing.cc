#include "metadata/cluster/narrowing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "common/log.h"
#include "common/text.h"
#include "metadata/cluster/jobs.h"
#include "metadata/cluster/ring_change.h"

namespace gabion::metadata::cluster {
namespace {

constexpr std::size_t kEnoughNodes = 3;  // to go on without one of them

// Blocks of this class cannot stay as they are.
bool too_wide(const std::vector<std::size_t>& nodes, erasure::Profile profile) {
  const auto most = erasure::most_in_one(nodes, profile.total());
  return !most || (nodes.size() >= kEnoughNodes && *most > profile.parity);
}

std::string summary_of(const Plan& plan, const ClusterState& state, const Facts& facts) {
  return fmt::format("storage class becomes {}, {} are coded anew; {}", erasure::to_string(profile_of(state)),
                     format_size(facts.stored_bytes), plan.summary);
}

// `change` has the ring by whose epoch the job is fenced off from what was coded before.
void start_recoding(Change& change, const Facts& facts) {
  const std::uint64_t job = start_job(change.state, JOB_REENCODE, change.plan.summary, facts);
  change.state.mutable_narrowing()->set_job(job);
  if (Job* const moving = find_job(change.state, change.plan.job)) moving->set_next(job);
  else change.plan.job = job;
}

// What is draining in `wanted` and not yet in `before`.
void note_drains(ClusterState& state, const ClusterState& before, const ClusterState& wanted) {
  Narrowing& narrowing = *state.mutable_narrowing();
  for (const NodeInfo& node : wanted.nodes()) {
    const NodeInfo* const was = find_node(before, NodeId{node.id()});
    if (was != nullptr && node.draining() && !was->draining()) narrowing.add_drain_nodes(node.id());
  }
  for (const DriveInfo& drive : wanted.drives()) {
    const auto id = DriveId::from_raw(drive.id());
    const DriveInfo* const was = id ? find_drive(before, *id) : nullptr;
    if (was != nullptr && drive.draining() && !was->draining()) narrowing.add_drain_drives(drive.id());
  }
}

void drain_noted(ClusterState& state, const Narrowing& narrowing) {
  for (NodeInfo& node : *state.mutable_nodes()) {
    const auto& drained = narrowing.drain_nodes();
    if (!node.out() && std::find(drained.begin(), drained.end(), node.id()) != drained.end()) node.set_draining(true);
  }
  for (DriveInfo& drive : *state.mutable_drives()) {
    const auto& drained = narrowing.drain_drives();
    if (!drive.out() && std::find(drained.begin(), drained.end(), drive.id()) != drained.end()) drive.set_draining(true);
  }
}

// The third step.
Result<void> finish_narrowing(ClusterState& state, const Facts& facts) {
  const Narrowing narrowing = state.narrowing();
  const ClusterState before = state;
  const Job* const done = find_job(state, narrowing.job());
  ClusterState wanted = state;
  wanted.clear_narrowing();
  drain_noted(wanted, narrowing);
  TRY(Change change, with_narrow_ring(before, std::move(wanted), done == nullptr ? "rebalance" : done->reason(), facts));
  state = std::move(change.state);
  // People who follow a change go from job to job.
  if (Job* const recoded = find_job(state, narrowing.job())) recoded->set_next(change.plan.job);
  return {};
}

}  // namespace

std::vector<std::size_t> drives_by_node(const ClusterState& state) {
  std::map<std::uint32_t, std::size_t> counts;
  for (const DriveInfo& drive : state.drives()) {
    if (in_use(state, drive)) ++counts[drive.node()];
  }
  std::vector<std::size_t> out;
  for (const auto& [node, count] : counts) out.push_back(count);
  return out;
}

erasure::Profile fitting_class(const ClusterState& state) {
  const erasure::Profile is = profile_of(state);
  if (!state.automatic_class() || state.has_narrowing()) return is;
  const std::vector<std::size_t> nodes = drives_by_node(state);
  const erasure::Profile fits = erasure::default_profile(nodes);
  if (fits.total() > is.total()) return fits;
  // What is stored more than once stays so.
  return fits.total() < is.total() && fits.parity != 0 && too_wide(nodes, is) ? fits : is;
}

Result<Change> begin_narrowing(const ClusterState& before, const ClusterState& wanted, Plan plan, const Facts& facts) {
  if (before.has_narrowing()) {
    return Error(Errc::conflict, fmt::format("the storage class is becoming {}: wait until that is done",
                                             erasure::to_string(profile_of(before))));
  }
  Change change;
  change.state = before;
  change.state.set_data_shards(wanted.data_shards());
  change.state.set_parity_shards(wanted.parity_shards());
  // What the change will move in the end.
  ClusterState then = change.state;
  note_drains(then, before, wanted);
  drain_noted(then, then.narrowing());
  TRY(const Change last, with_narrow_ring(before, std::move(then), plan.summary, facts));
  change.plan = last.plan;
  change.plan.summary = summary_of(plan, change.state, facts);
  change.plan.bytes_to_move += facts.stored_bytes;
  change.plan.job = 0;
  TRY_OK(renew_ring(change.state));
  note_drains(change.state, before, wanted);
  start_recoding(change, facts);
  return change;
}

Result<void> narrow_later(Change& change, const Facts& facts) {
  change.plan.summary = summary_of(change.plan, change.state, facts);
  change.plan.bytes_to_move += facts.stored_bytes;
  if (change.plan.job == 0) TRY_OK(renew_ring(change.state));
  start_recoding(change, facts);
  return {};
}

void forget_drain(ClusterState& state, NodeId node) {
  if (!state.has_narrowing()) return;
  auto& nodes = *state.mutable_narrowing()->mutable_drain_nodes();
  nodes.erase(std::remove(nodes.begin(), nodes.end(), static_cast<std::uint32_t>(node)), nodes.end());
}

void forget_drain(ClusterState& state, const DriveId& drive) {
  if (!state.has_narrowing()) return;
  auto& drives = *state.mutable_narrowing()->mutable_drain_drives();
  for (int i = drives.size(); i-- > 0;) {
    if (drives.Get(i) == drive.raw()) drives.DeleteSubrange(i, 1);
  }
}

ClusterState when_narrow(ClusterState state) {
  drain_noted(state, Narrowing(state.narrowing()));
  return state;
}

Result<bool> carry_on_narrowing(ClusterState& state, const Facts& facts) {
  if (!state.has_narrowing()) return false;
  const Job* const job = find_job(state, state.narrowing().job());
  if (job != nullptr && active(*job)) return false;
  if (job != nullptr && job->state() == JOB_CANCELLED) {
    state.clear_narrowing();  // the ring stays as wide as what is stored
    return true;
  }
  const auto finished = finish_narrowing(state, facts);
  if (!finished && finished.error().code == Errc::denied) {
    // Drives were lost meanwhile. Whoever waited for the third step has to decide anew.
    LOG(error, "cluster", "what was to be drained stays in use: add drives, and then drain it again",
        field("error", finished.error().message));
    state.clear_narrowing();
    return true;
  }
  TRY_OK(finished);
  return true;
}

}  // namespace gabion::metadata::cluster
