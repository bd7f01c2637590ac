#include "tools/serve/cluster_duties.h"

#include "common/check.h"
#include "common/log.h"

namespace gabion::serve {
namespace {

constexpr std::size_t kPinnedMax = 10'000;  // that are listed in a heartbeat

using metadata::cluster::GroupReport;
using metadata::cluster::Heartbeat;
using metadata::cluster::Orders;

GroupReport::Role role_in_report(metadata::raft::MemberRole role) {
  switch (role) {
    case metadata::raft::MemberRole::standby: return GroupReport::STANDBY;
    case metadata::raft::MemberRole::spare: return GroupReport::SPARE;
    default: return GroupReport::VOTER;
  }
}

}  // namespace

ClusterDuties::ClusterDuties(Options options) : options_(options) {
  if (options_.metadata.member() == nullptr) return;
  metadata::cluster::ControllerOptions controller;
  controller.self = options_.self;
  controller.metadata = &options_.metadata.metadata();
  controller.leader = [metadata = &options_.metadata] { return metadata->leader(); };
  controller.term = [member = options_.metadata.member()] { return member->root().raft().status().term; };
  controller.clock = &options_.clock;
  controller.rng = &options_.rng;
  controller.out_after = std::chrono::seconds(options_.config.cluster_out_after_seconds);
  controller.orphans_every = std::chrono::seconds(options_.config.orphans_interval_seconds);
  controller_ = std::make_unique<metadata::cluster::Controller>(std::move(controller));
  options_.port.router().add({rpc::Method::heartbeat}, *controller_);
  metadata::cluster::SplitterOptions splitter;
  splitter.metadata = &options_.metadata.metadata();
  splitter.leads = [controller = controller_.get()] { return controller->leads(); };
  splitter.clock = &options_.clock;
  splitter_ = std::make_unique<metadata::cluster::Splitter>(std::move(splitter));
  LeaderSpreadOptions spread;
  spread.self = options_.self;
  spread.groups = [this] { return groups(); };
  spread.hand_over = [this](Context ctx, Handover step) { return hand_over(ctx, step); };
  spread.clock = &options_.clock;
  spread_ = std::make_unique<LeaderSpread>(std::move(spread));
  members_ = std::make_unique<MetadataMembers>(options_.self, [this] { return options_.metadata.groups(); }, options_.clock);
}

void ClusterDuties::start(const Executor& executor, Workers workers, Keep keep) {
  workers_ = std::make_unique<Workers>(workers);
  keep_ = std::move(keep);
  metadata::cluster::AgentOptions agent;
  agent.self = options_.self;
  agent.metadata = &options_.metadata.metadata();
  agent.leader = [metadata = &options_.metadata] { return metadata->leader(); };
  agent.peers = &options_.port;
  agent.controller = controller_.get();
  agent.clock = &options_.clock;
  agent.report = [this] { return report(); };
  agent.state_changed = [this](metadata::Metadata::VersionedClusterState current) { return follow(std::move(current)); };
  agent.orders = [this](const Orders& orders) { order(orders); };
  agent_ = std::make_unique<metadata::cluster::Agent>(std::move(agent));
  options_.layout.epochs().on_newer([agent = agent_.get()] { agent->wake(); });
  hand_drives_over();
  agent_->start(executor);
  if (!controller_) return;
  controller_->start(executor);
  splitter_->start(executor);
  spread_->start(executor);
  members_->start(executor);
}

task<void> ClusterDuties::stop() {
  options_.layout.epochs().on_newer(nullptr);
  if (members_) co_await members_->stop();
  if (spread_) co_await spread_->stop();
  if (splitter_) co_await splitter_->stop();
  if (controller_) co_await controller_->stop();
  if (agent_) co_await agent_->stop();
}

std::vector<metadata::GroupId> ClusterDuties::trimming(const metadata::ClusterState& state) const {
  return splitter_ ? splitter_->trimming(state) : std::vector<metadata::GroupId>();
}

task<Result<std::vector<metadata::ManifestId>>> ClusterDuties::pinned_elsewhere(Context ctx) {
  GABION_CHECK(controller_ != nullptr, "only a member of the metadata collects");
  return controller_->pinned(ctx);
}

task<Heartbeat> ClusterDuties::report() {
  Heartbeat heartbeat;
  heartbeat.set_ring_epoch(options_.layout.placement().view()->epoch());
  heartbeat.set_oldest_write_ring(workers_->core.write_rings.oldest().value_or(0));
  heartbeat.set_oldest_move_ring(workers_->core.move_rings.oldest().value_or(0));
  report_drives(heartbeat);
  report_jobs(heartbeat);
  report_groups(heartbeat);
  const auto pinned = workers_->core.pins.all();
  heartbeat.set_more_pinned(pinned.size() > kPinnedMax);
  for (std::size_t i = 0; i < pinned.size() && i < kPinnedMax; ++i) heartbeat.add_pinned(pinned[i]);
  co_return heartbeat;
}

void ClusterDuties::report_drives(Heartbeat& heartbeat) const {
  for (const auto& drive : options_.drives.all()) {
    auto* const report = heartbeat.add_drives();
    report->set_id(std::string(drive->id().raw()));
    report->set_failed(!drive->up);
    report->set_total_bytes(drive->total_bytes);
    report->set_available_bytes(drive->available_bytes);
    report->set_shards(drive->shards);
    report->set_shard_bytes(drive->shard_bytes);
  }
}

void ClusterDuties::report_jobs(Heartbeat& heartbeat) const {
  const auto add = [&](const auto& progress, std::uint64_t done, std::uint64_t total, std::uint64_t bytes, std::uint64_t failed) {
    if (progress.job == 0) return;
    auto* const report = heartbeat.add_jobs();
    report->set_job(progress.job);
    report->set_share_index(progress.share.index);
    report->set_share_count(progress.share.count);
    report->set_blocks_done(done);
    report->set_blocks_total(total);
    report->set_bytes_moved(bytes);
    report->set_failed_blocks(failed);
    report->set_finished(progress.finished);
  };
  const auto moved = workers_->rebalancer.progress();
  add(moved, moved.blocks_done, moved.blocks_total, moved.bytes_moved, moved.failed_blocks);
  const auto recoded = workers_->reencoder.progress();
  add(recoded, recoded.blocks_done, recoded.blocks_total, recoded.bytes_moved, recoded.failed_blocks);
  const auto scrubbed = workers_->scrubber.progress();
  add(scrubbed, scrubbed.shards_done, scrubbed.shards_total, scrubbed.bytes_verified, scrubbed.bad_shards);
  const auto swept = workers_->sweeper.progress();
  add(swept, swept.shards_done, swept.shards_total, swept.removed_bytes, swept.drives_left_out);
  if (swept.ready) heartbeat.mutable_jobs(heartbeat.jobs_size() - 1)->set_ready(true);
}

std::vector<metadata::raft::GroupStatus> ClusterDuties::groups() const {
  std::vector<metadata::raft::GroupStatus> out;
  for (const metadata::raft::RaftGroup* const group : options_.metadata.groups()) out.push_back(group->status());
  return out;
}

task<Result<void>> ClusterDuties::hand_over(Context ctx, Handover step) {
  for (metadata::raft::RaftGroup* const group : options_.metadata.groups()) {
    if (group->status().group == step.group) co_return co_await group->transfer(ctx, step.to);
  }
  co_return Error(Errc::not_found, "this node has no part in the group any more");
}

void ClusterDuties::report_groups(Heartbeat& heartbeat) const {
  for (const auto& status : groups()) {
    if (!status.leads) continue;
    GroupReport& report = *heartbeat.add_groups();
    report.set_group(status.group);
    report.set_term(status.term);
    report.set_last_index(status.last_index);
    report.set_committed(status.committed);
    report.set_applied(status.applied);
    for (std::size_t i = 0; i < status.members.size(); ++i) {
      auto& member = *report.add_members();
      member.set_node(static_cast<std::uint32_t>(status.members[i].node));
      member.set_role(role_in_report(status.members[i].role));
      if (i < status.matched.size()) member.set_matched(status.matched[i]);
    }
  }
}

task<void> ClusterDuties::follow(metadata::Metadata::VersionedClusterState current) {
  const auto before = options_.layout.placement().view()->epoch();
  if (auto applied = options_.layout.apply(current.state); !applied) {
    LOG(error, "cluster", "the cluster's state cannot be used; staying with the one before",
        field("error", applied.error().message));
    co_return;
  }
  options_.metadata.follow(current);
  if (members_) members_->follow(current.state);
  if (spread_) spread_->follow(current.state);
  const auto epoch = options_.layout.placement().view()->epoch();
  if (epoch != before) LOG(info, "cluster", "follows a new ring", field("epoch", epoch), field("before", before));
  hand_drives_over();
  co_await keep_(current);
}

void ClusterDuties::order(const Orders& orders) {
  std::optional<gateway::data::Rebalancer::Assignment> move;
  if (const auto& work = orders.rebalance) {
    gateway::data::Rebalancer::Assignment assignment;
    assignment.job = work->job;
    assignment.epoch = work->epoch;
    assignment.share = {work->index, work->count};
    assignment.paused = work->paused;
    assignment.movers_settled = work->movers_settled;
    assignment.writers_settled = work->writers_settled;
    move = assignment;
  }
  workers_->rebalancer.assign(move);
  std::optional<gateway::data::Reencoder::Assignment> recode;
  if (const auto& work = orders.reencode; work && work->fence_stands) {
    gateway::data::Reencoder::Assignment assignment;
    assignment.job = work->job;
    assignment.epoch = work->epoch;
    assignment.paused = work->paused;
    assignment.share = {work->index, work->count};
    recode = assignment;
  }
  workers_->reencoder.assign(recode);
  std::optional<gateway::data::Scrubber::Assignment> verify;
  if (const auto& work = orders.scrub) {
    gateway::data::Scrubber::Assignment assignment;
    assignment.job = work->job;
    assignment.paused = work->paused;
    assignment.share = {work->index, work->count};
    verify = assignment;
  }
  workers_->scrubber.assign(verify);
  std::optional<gateway::data::OrphanSweeper::Assignment> sweep;
  if (const auto& work = orders.orphans) {
    gateway::data::OrphanSweeper::Assignment assignment;
    assignment.job = work->job;
    assignment.fence = work->epoch;
    assignment.stands = work->fence_stands;
    assignment.paused = work->paused;
    assignment.share = {work->index, work->count};
    sweep = assignment;
  }
  workers_->sweeper.assign(sweep);
  workers_->repairer.set_share({orders.repair_index, orders.repair_count});
  if (spread_) spread_->hear(orders.leading);
  if (members_) members_->hear(orders.up);
}

// To those who go through all that is on this node's drives.
void ClusterDuties::hand_drives_over() {
  std::vector<gateway::data::Scrubber::LocalDrive> to_verify;
  std::vector<gateway::data::OrphanSweeper::LocalDrive> to_sweep;
  for (const auto& drive : options_.drives.all()) {
    if (!drive->up) continue;
    chunkserver::DriveStore* const store = drive->store.get();
    gateway::data::Scrubber::LocalDrive verified;
    verified.id = drive->id();
    verified.store = store;
    verified.verify = [store](Context ctx, chunkserver::ShardKey key) { return store->verify(ctx, key); };
    to_verify.push_back(std::move(verified));
    gateway::data::OrphanSweeper::LocalDrive swept;
    swept.id = drive->id();
    swept.store = store;
    swept.position = [store] { return store->position(); };
    swept.list_before = [store](Context ctx, std::uint64_t position, chunkserver::ShardKey from, std::size_t limit) {
      return store->list_before(ctx, position, from, limit);
    };
    to_sweep.push_back(std::move(swept));
  }
  workers_->scrubber.set_drives(std::move(to_verify));
  workers_->sweeper.set_drives(std::move(to_sweep));
}

}  // namespace gabion::serve
