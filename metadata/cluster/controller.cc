#include "metadata/cluster/controller.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "metadata/cluster/fence.h"
#include "metadata/cluster/jobs.h"
#include "metadata/cluster/narrowing.h"

namespace gabion::metadata::cluster {
namespace {

constexpr Duration kPatience = std::chrono::seconds(5);
constexpr Duration kPinsPatience = std::chrono::seconds(10);
constexpr Duration kPinsPoll = std::chrono::milliseconds(100);

bool is_worker(const Job& job, NodeId node) {
  return std::find(job.workers().begin(), job.workers().end(), static_cast<std::uint32_t>(node)) != job.workers().end();
}

std::uint32_t place_of(const Job& job, NodeId node) {
  const auto at = std::find(job.workers().begin(), job.workers().end(), static_cast<std::uint32_t>(node));
  return static_cast<std::uint32_t>(at - job.workers().begin());
}

}  // namespace

Controller::Controller(ControllerOptions options)
    : options_(std::move(options)), registry_(*options_.clock, *options_.rng, options_.down_after) {
  GABION_CHECK(options_.metadata != nullptr && options_.leader, "an option is missing");
}

void Controller::start(const Executor& executor) { spawn(executor, gate_, "cluster controller", run()); }

task<void> Controller::stop() {
  stopping_.store(true);
  co_await gate_.close();
}

task<void> Controller::run() {
  while (!stopping_.load()) {
    if (follow_leadership()) {
      const auto looked = co_await look();
      if (!looked) log_once("look", looked.error());
      else logged_.erase("look");
    }
    co_await options_.clock->sleep(options_.round);
  }
}

bool Controller::follow_leadership() {
  const std::lock_guard lock(mutex_);
  const bool now = leads();
  const std::uint64_t term = options_.term ? options_.term() : 0;
  if (now != led_ || term != term_) registry_.clear();
  led_ = now;
  term_ = term;
  return now;
}

void Controller::log_once(const std::string& what, const Error& error) {
  if (!logged_.insert(what).second) return;
  LOG(warn, "cluster", "the cluster cannot be looked after as it should", field("what", what), field("error", error.message));
}

task<Result<rpc::Reply>> Controller::handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) {
  if (peer.node == NodeId{}) co_return Error(Errc::denied, "only nodes of the cluster report to it");
  Heartbeat heartbeat;
  if (method != rpc::Method::heartbeat || !heartbeat.ParseFromString(header)) {
    co_return Error(Errc::invalid, "a heartbeat cannot be decoded");
  }
  co_return rpc::Reply{receive(peer.node, std::move(heartbeat)).SerializeAsString(), Bytes()};
}

HeartbeatReply Controller::receive(NodeId node, Heartbeat heartbeat) {
  if (follow_leadership()) {
    HeartbeatReply reply = registry_.receive(node, std::move(heartbeat));
    reply.set_leader(static_cast<std::uint32_t>(options_.self));
    return reply;
  }
  HeartbeatReply elsewhere;
  elsewhere.set_leader(static_cast<std::uint32_t>(options_.leader()));
  return elsewhere;
}

Facts Controller::facts() const {
  Facts facts;
  facts.now_us = options_.clock->wall();
  facts.stored_bytes = registry_.stored_bytes();
  for (const NodeStatus& node : registry_.nodes()) {
    if (node.up && node.last.drives_size() != 0) facts.workers.push_back(node.node);
  }
  return facts;
}

task<Result<void>> Controller::look() {
  Context ctx;
  ctx.deadline = options_.clock->now() + kPatience;
  CO_TRY(auto current, co_await options_.metadata->cluster_state(ctx));
  registry_.set_state(current.state, current.version);
  const std::uint64_t epoch = current.state.ring_epoch();
  CO_CHECK(co_await change(std::move(current)));
  if (registry_.known_ring() == epoch) co_return Result<void>();
  CO_CHECK(co_await tell_rings(epoch, 0));
  registry_.set_known_ring(epoch);
  co_return Result<void>();
}

task<Result<void>> Controller::change(Metadata::VersionedClusterState current) {
  ClusterState next = current.state;
  CO_TRY(bool changed, give_up_lost(next));
  // In another round: what is told to the groups must not depend on a change that may not be committed.
  if (!changed) changed = care_for_jobs(next);
  if (drops_ring(current.state, next)) {
    // Of a ring that comes with this nothing is told yet: it may not be committed.
    const std::uint64_t epoch = current.state.ring_epoch();
    const auto told = co_await tell_rings(epoch, std::min(epoch, oldest_ring(next)));
    if (!told) log_once("the groups are told which rings are dropped", told.error());
    changed = told.has_value();
  }
  if (!changed) co_return Result<void>();
  Command command;
  *command.mutable_set_cluster_state()->mutable_state() = std::move(next);
  command.mutable_set_cluster_state()->set_expected_version(current.version);
  Context ctx;
  ctx.deadline = options_.clock->now() + kPatience;
  // Somebody else was faster: the next round sees what is left to do.
  CO_CHECK(co_await options_.metadata->commit(ctx, std::move(command)));
  co_return Result<void>();
}

task<Result<void>> Controller::tell_rings(std::uint64_t epoch, std::uint64_t oldest) {
  Context ctx;
  ctx.deadline = options_.clock->now() + kPatience;
  std::set<GroupId> told = {kRootGroup};
  for (bool all = false; !all;) {
    CO_TRY(const std::vector<GroupId> groups, co_await options_.metadata->groups(ctx));
    all = true;
    for (const GroupId group : groups) {
      if (!told.insert(group).second) continue;
      all = false;
      Command command;
      command.set_group(group);
      command.mutable_set_rings()->set_epoch(epoch);
      command.mutable_set_rings()->set_oldest(oldest);
      CO_TRY(const CommandResult result, co_await options_.metadata->commit(ctx, std::move(command)));
      if (result.outcome() != APPLIED) co_return Error(Errc::internal, fmt::format("group {} refuses to know the rings", group));
    }
  }
  co_return Result<void>();
}

// One at a time: each may change what is possible for the next.
Result<bool> Controller::give_up_lost(ClusterState& state) {
  if (options_.out_after == Duration(0)) return false;
  const Facts facts = this->facts();
  const auto give_up = [&](const std::string& what, Result<Change> change) {
    if (!change) {
      log_once(what + " cannot be given up", change.error());
      return false;
    }
    LOG(warn, "cluster", "given up: what it had is made anew on others", field("what", what), field("job", change->plan.job));
    state = std::move(change->state);
    return true;
  };
  for (const NodeStatus& node : registry_.nodes()) {
    if (node.up || node.down_for < options_.out_after) continue;
    if (give_up("node " + to_string(node.node), mark_node_out(state, node.node, facts))) return true;
  }
  for (const auto& [drive, failed_for] : registry_.failed_drives()) {
    if (failed_for < options_.out_after) continue;
    if (give_up("drive " + drive.to_hex(), mark_drive_out(state, drive, facts))) return true;
  }
  return false;
}

bool Controller::care_for_jobs(ClusterState& state) {
  const std::vector<NodeStatus> nodes = registry_.nodes();
  bool changed = false;
  for (int i = 0; i < state.jobs_size(); ++i) {
    Job& job = *state.mutable_jobs(i);
    if (job.state() == JOB_RUNNING) changed |= care_for_job(state, job, nodes);
  }
  changed |= drop_rings_behind_fence(state);
  changed |= narrow_further(state);
  changed |= start_due_search(state);
  return changed;
}

bool Controller::care_for_fence(ClusterState& state, Job& job, const std::vector<NodeStatus>& nodes) {
  const auto ready = [&](const NodeStatus& node) {
    return std::any_of(node.last.jobs().begin(), node.last.jobs().end(),
                       [&](const JobReport& report) { return report.job() == job.id() && report.ready(); });
  };
  const bool all = std::all_of(nodes.begin(), nodes.end(),
                               [&](const NodeStatus& node) { return !is_worker(job, node.node) || ready(node); });
  if (!all) return false;
  const auto raised = raise_fence(state, job.id());
  if (!raised) log_once("a fence is made", raised.error());
  if (raised && *raised) LOG(info, "cluster", "a fence is made", field("job", job.id()), field("epoch", job.epoch()));
  const bool moving = std::any_of(state.jobs().begin(), state.jobs().end(),
                                  [](const Job& other) { return other.kind() == JOB_REBALANCE && active(other); });
  if (raised && !*raised && !moving && state.previous_rings_size() != 0) {
    log_once(fmt::format("the fence of job {} waits", job.id()),
             {Errc::conflict, "older rings are kept, as the last rebalance left blocks beyond repair where those say: restore or "
                              "delete what is lost, then rebalance again"});
  }
  return raised && *raised;
}

bool Controller::drop_rings_behind_fence(ClusterState& state) {
  if (state.previous_rings_size() == 0) return false;
  const auto dropped = drop_fenced(state, registry_.writers_ring());
  if (!dropped) log_once("rings behind a fence are dropped", dropped.error());
  return dropped && *dropped;
}

bool Controller::narrow_further(ClusterState& state) {
  const auto carried_on = carry_on_narrowing(state, facts());
  if (!carried_on) log_once("the storage class becomes narrower", carried_on.error());
  return carried_on && *carried_on;
}

bool Controller::start_due_search(ClusterState& state) {
  if (options_.orphans_every == Duration(0)) return false;
  const Facts facts = this->facts();
  const auto every = static_cast<std::uint64_t>(options_.orphans_every / std::chrono::microseconds(1));
  const bool open = std::any_of(state.jobs().begin(), state.jobs().end(),
                                [](const Job& job) { return job.kind() == JOB_ORPHANS && active(job); });
  if (open || facts.workers.empty() || facts.now_us < state.orphans_us() + every) return false;
  const std::uint64_t job = start_job(state, JOB_ORPHANS, "by schedule", facts);
  LOG(info, "cluster", "orphans are looked for", field("job", job));
  return true;
}

bool Controller::care_for_job(ClusterState& state, Job& job, const std::vector<NodeStatus>& nodes) {
  // Workers that are down, not those that were not heard yet, have no share any more.
  std::vector<NodeId> left;
  for (const NodeStatus& node : nodes) {
    const bool silent = !node.up && node.down_for >= options_.down_after;
    if (is_worker(job, node.node) && !silent) left.push_back(node.node);
  }
  if (left.empty()) {
    for (const NodeStatus& node : nodes) {
      if (node.up && node.last.drives_size() != 0) left.push_back(node.node);
    }
  }
  if (left.empty()) return false;
  bool changed = set_workers(job, left);
  if (changed) LOG(info, "cluster", "a job goes on with other workers", field("job", job.id()), field("workers", left.size()));
  for (const NodeStatus& node : nodes) {
    for (const JobReport& report : node.last.jobs()) {
      // Of this share, not one that it had before.
      const bool same = report.job() == job.id() && is_worker(job, node.node) &&
                        report.share_count() == static_cast<std::uint32_t>(job.workers_size()) &&
                        report.share_index() == place_of(job, node.node);
      if (!same || !report.finished()) continue;
      changed |= finish_worker(job, node.node, report.failed_blocks(), report.bytes_moved());
    }
  }
  if (job.kind() == JOB_ORPHANS && job.epoch() == 0) changed |= care_for_fence(state, job, nodes);
  if (options_.finish_early && job.finished_workers_size() > 0) {
    for (const std::uint32_t worker : std::vector<std::uint32_t>(job.workers().begin(), job.workers().end())) {
      finish_worker(job, NodeId{worker}, 0);
    }
  }
  if (!all_finished(job)) return changed;
  const std::uint64_t id = job.id();
  LOG(info, "cluster", "a job is done", field("job", id), field("failed_blocks", job.failed_blocks()));
  return finish_job(state, id, options_.clock->wall()).has_value() || changed;
}

task<Result<std::vector<ManifestId>>> Controller::pinned(Context ctx) {
  const std::uint64_t beat = registry_.next_beat();
  const TimePoint give_up = std::min(ctx.deadline, options_.clock->now() + kPinsPatience);
  while (!stopping_.load() && leads() && options_.clock->now() < give_up) {
    auto told = registry_.pinned_since(beat);
    if (told) co_return *std::move(told);
    co_await options_.clock->sleep(kPinsPoll);
  }
  co_return Error(Errc::unavailable, "not all gateways tell what their readers use");
}

}  // namespace gabion::metadata::cluster
