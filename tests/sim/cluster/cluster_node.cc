#include "tests/sim/cluster/cluster_node.h"

namespace gabion::test {

using namespace gateway::data;  // NOLINT: what a node is made of
using metadata::cluster::Agent;
using metadata::cluster::AgentOptions;
using metadata::cluster::Controller;
using metadata::cluster::ControllerOptions;
using std::chrono::seconds;

ClusterNode::ClusterNode(ClusterShared& shared, NodeId self, MemoryMetadata* local)
    : shared_(shared), self_(self), placement_(ring::Ring(), &epochs_), memory_(shared.world.clock(), 512 * MiB) {
  sim::SimWorld& world = shared_.world;
  metadata::ClusterMetadataOptions way;
  way.self = self_;
  way.local = local;
  way.local_leader = [] { return kMetadataNode; };
  way.peers = &shared_.network.peers(self_);
  way.clock = &world.clock();
  way.rng = &world.rng();
  metadata_ = std::make_unique<metadata::ClusterMetadata>(std::move(way));
  metadata_->set_members({kMetadataNode});
  if (local != nullptr) {
    metadata_service_ = std::make_unique<metadata::MetadataService>(
        [local](metadata::GroupId) { return local; }, [](metadata::GroupId) { return kMetadataNode; });
    router_.add({rpc::Method::metadata_commit, rpc::Method::metadata_read}, *metadata_service_);
    ControllerOptions options;
    options.self = self_;
    options.metadata = local;
    options.leader = [] { return kMetadataNode; };
    options.clock = &world.clock();
    options.rng = &world.rng();
    options.out_after = shared_.out_after;
    options.finish_early = shared_.finish_early;
    controller_ = std::make_unique<Controller>(std::move(options));
    router_.add({rpc::Method::heartbeat}, *controller_);
  }
  router_.add({rpc::Method::shard_put, rpc::Method::shard_read, rpc::Method::shard_stat, rpc::Method::shard_remove,
               rpc::Method::shard_list, rpc::Method::drive_status},
              shards_);
  keys_ = std::make_unique<KeyStore>(shared_.master_key, *metadata_, world.rng());
  Options data;
  data.sabotage = shared_.sabotage;
  data.fetch_bytes = 4 * kSegmentBytes;
  store_ = std::make_unique<BlockStore>(Dependencies{placement_, *metadata_, *keys_, memory_, world.clock(), world.rng()}, data);
  repairer_ = std::make_unique<Repairer>(*store_, Repairer::RepairOptions{.interval = seconds(5), .bytes_per_second = 0});
  repairer_->set_share({0, 0});  // until it is told
  rebalancer_ = std::make_unique<Rebalancer>(
      *store_, *repairer_, Rebalancer::RebalanceOptions{.bytes_per_second = 0, .blocks_at_once = 4, .retry = seconds(2)});
  Reencoder::ReencodeOptions recode;
  recode.bytes_per_second = 0;
  recode.retry = seconds(2);
  reencoder_ = std::make_unique<Reencoder>(*store_, recode);
  scrubber_ = std::make_unique<Scrubber>(*store_, *repairer_, Scrubber::ScrubOptions{.bytes_per_second = 0});
  sweeper_ = std::make_unique<OrphanSweeper>(
      *store_, OrphanSweeper::SweepOptions{.memory_bytes = 600, .entries_per_second = 100});
  Collector::CollectorOptions collect{.interval = seconds(5), .grace = shared_.grace};
  Controller* const controller = controller_.get();
  collect.collects_here = [controller] { return controller != nullptr; };
  collect.pinned_elsewhere = [controller](Context ctx) { return controller->pinned(ctx); };
  collector_ = std::make_unique<Collector>(*store_, std::move(collect));
  AgentOptions agent;
  agent.self = self_;
  agent.metadata = metadata_.get();
  agent.leader = [] { return kMetadataNode; };
  agent.peers = &shared_.network.peers(self_);
  agent.controller = controller_.get();
  agent.clock = &world.clock();
  agent.report = [this] { return report(); };
  agent.state_changed = [this](metadata::Metadata::VersionedClusterState current) { return adopt(std::move(current)); };
  agent.orders = [this](const metadata::cluster::Orders& orders) { obey(orders); };
  agent_ = std::make_unique<Agent>(std::move(agent));
  epochs_.on_newer([this] { agent_->wake(); });
}

ClusterNode::~ClusterNode() { stop(); }

metadata::DriveInfo ClusterNode::add_drive() {
  chunkserver::DriveOptions options;
  options.segment_bytes = 4 * MiB;
  drives_.push_back(std::make_unique<sim::SimDrive>(shared_.world, options));
  sim::SimDrive& drive = *drives_.back();
  GABION_CHECK(drive.open().has_value(), "a fresh drive opens");
  shards_.add(drive.identity.drive, *drive.engine);
  hand_drives_over();
  metadata::DriveInfo info;
  info.set_id(std::string(drive.identity.drive.raw()));
  info.set_path("/disk" + std::to_string(drives_.size()));
  info.set_weight(100);
  return info;
}

void ClusterNode::hand_drives_over() {
  std::vector<Scrubber::LocalDrive> scrubbed;
  std::vector<OrphanSweeper::LocalDrive> swept;
  for (auto& each : drives_) {
    chunkserver::DriveStore* const engine = each->engine.get();
    Scrubber::LocalDrive local;
    local.id = each->identity.drive;
    local.store = engine;
    local.verify = [engine](Context ctx, chunkserver::ShardKey key) { return engine->verify(ctx, key); };
    scrubbed.push_back(std::move(local));
    OrphanSweeper::LocalDrive sweep;
    sweep.id = each->identity.drive;
    sweep.store = engine;
    sweep.position = [engine] { return engine->position(); };
    sweep.list_before = [engine](Context ctx, std::uint64_t position, chunkserver::ShardKey from, std::size_t limit) {
      return engine->list_before(ctx, position, from, limit);
    };
    swept.push_back(std::move(sweep));
  }
  scrubber_->set_drives(std::move(scrubbed));
  sweeper_->set_drives(std::move(swept));
}

metadata::NodeInfo ClusterNode::info() const {
  metadata::NodeInfo info;
  info.set_metadata(self_ == kMetadataNode);
  info.set_gateway(true);
  info.set_chunkserver(!drives_.empty());
  return info;
}

void ClusterNode::start() {
  const Executor executor = shared_.world.executor();
  shared_.network.attach(self_, executor, [](NodeId, metadata::raft::GroupId, std::string) {}, &router_);
  if (controller_) controller_->start(executor);
  repairer_->start(executor);
  rebalancer_->start(executor);
  reencoder_->start(executor);
  scrubber_->start(executor);
  sweeper_->start(executor);
  collector_->start(executor);
  agent_->start(executor);
  running_ = true;
  spawn(executor, gate_, "failed drives", ask_failed_drives());
}

void ClusterNode::stop() {
  if (!std::exchange(running_, false)) return;
  sim::SimWorld& world = shared_.world;
  world.run(agent_->stop());
  world.run(gate_.close());
  world.run(collector_->stop());
  world.run(sweeper_->stop());
  world.run(scrubber_->stop());
  world.run(reencoder_->stop());
  world.run(rebalancer_->stop());
  world.run(repairer_->stop());
  world.run(store_->close());
  world.run(memory_.close());
  if (controller_) world.run(controller_->stop());
  shared_.network.disconnect(self_);
  world.run(shared_.network.drained(self_));
  for (auto& drive : drives_) drive->close();
}

task<void> ClusterNode::ask_failed_drives() {
  while (running_) {
    const bool back = co_await placement_.refresh_failed(Context());
    if (back) repairer_->wake();
    co_await shared_.world.clock().sleep(seconds(1));
  }
}

chunkserver::ShardStore* ClusterNode::store_of(const DriveId& id, NodeId node) {
  for (auto& drive : drives_) {
    if (drive->identity.drive == id) return drive->engine.get();
  }
  auto& remote = remotes_[id];
  if (!remote) {
    remote = std::make_unique<chunkserver::RemoteShardStore>(*shared_.network.peers(self_).find(node), node, id, epochs_,
                                                             shared_.world.clock());
  }
  return remote.get();
}

task<void> ClusterNode::adopt(metadata::Metadata::VersionedClusterState current) {
  const metadata::ClusterState& state = current.state;
  Placement::Layout layout;
  layout.ring = ring::Ring::decode(state.ring()).value();
  for (const std::string& encoded : state.previous_rings()) layout.previous.push_back(ring::Ring::decode(encoded).value());
  layout.profile = erasure::Profile{state.data_shards(), state.parity_shards()};
  for (const metadata::DriveInfo& drive : state.drives()) {
    const auto* const node = metadata::cluster::find_node(state, NodeId{drive.node()});
    if (drive.out() || node == nullptr || node->out()) continue;
    const DriveId id = *DriveId::from_raw(drive.id());
    layout.drives.push_back({id, store_of(id, NodeId{drive.node()})});
  }
  placement_.update(std::move(layout));
  co_return;
}

task<metadata::cluster::Heartbeat> ClusterNode::report() {
  metadata::cluster::Heartbeat heartbeat;
  Core& core = store_->core();
  heartbeat.set_ring_epoch(placement_.view()->epoch());
  heartbeat.set_oldest_write_ring(core.write_rings.oldest().value_or(0));
  heartbeat.set_oldest_move_ring(core.move_rings.oldest().value_or(0));
  for (const metadata::ManifestId id : core.pins.all()) heartbeat.add_pinned(id);
  for (auto& drive : drives_) {
    const auto status = co_await drive->engine->status({});
    metadata::cluster::DriveReport& each = *heartbeat.add_drives();
    each.set_id(std::string(drive->identity.drive.raw()));
    each.set_failed(!status || status->health == chunkserver::DriveHealth::failed);
    if (status) each.set_shard_bytes(status->shard_bytes);
  }
  report_jobs(heartbeat);
  co_return heartbeat;
}

void ClusterNode::report_jobs(metadata::cluster::Heartbeat& heartbeat) const {
  const auto add = [&](const auto& progress, std::uint64_t done, std::uint64_t failed, bool ready) {
    if (progress.job == 0) return;
    metadata::cluster::JobReport& job = *heartbeat.add_jobs();
    job.set_job(progress.job);
    job.set_share_index(progress.share.index);
    job.set_share_count(progress.share.count);
    job.set_blocks_done(done);
    job.set_failed_blocks(failed);
    job.set_ready(ready);
    job.set_finished(progress.finished);
  };
  const Rebalancer::Progress moved = rebalancer_->progress();
  add(moved, moved.blocks_done, moved.failed_blocks, false);
  const Reencoder::Progress recoded = reencoder_->progress();
  if (recoded.job != 0) {
    metadata::cluster::JobReport& job = *heartbeat.add_jobs();
    job.set_job(recoded.job);
    job.set_share_index(recoded.share.index);
    job.set_share_count(recoded.share.count);
    job.set_blocks_done(recoded.blocks_done);
    job.set_failed_blocks(recoded.failed_blocks);
    job.set_finished(recoded.finished);
  }
  const Scrubber::Progress scrubbed = scrubber_->progress();
  add(scrubbed, scrubbed.shards_done, scrubbed.bad_shards, false);
  const OrphanSweeper::Progress swept = sweeper_->progress();
  add(swept, swept.shards_done, swept.drives_left_out, swept.ready);
}

void ClusterNode::obey(const metadata::cluster::Orders& orders) {
  repairer_->set_share({orders.repair_index, orders.repair_count});
  std::optional<Rebalancer::Assignment> move;
  if (const auto& work = orders.rebalance) {
    move.emplace();
    move->job = work->job;
    move->epoch = work->epoch;
    move->share = {work->index, work->count};
    move->paused = work->paused;
    move->movers_settled = work->movers_settled;
    move->writers_settled = work->writers_settled;
  }
  rebalancer_->assign(move);
  std::optional<Reencoder::Assignment> recode;
  if (const auto& work = orders.reencode; work && (work->fence_stands || shared_.recode_unfenced)) {
    recode = Reencoder::Assignment{work->job, work->epoch, {work->index, work->count}, work->paused};
  }
  reencoder_->assign(recode);
  std::optional<Scrubber::Assignment> scrub;
  if (const auto& work = orders.scrub) scrub = Scrubber::Assignment{work->job, work->paused, {work->index, work->count}};
  scrubber_->assign(scrub);
  std::optional<OrphanSweeper::Assignment> sweep;
  if (const auto& work = orders.orphans) {
    sweep = OrphanSweeper::Assignment{work->job, work->epoch, work->fence_stands, work->paused, {work->index, work->count}};
  }
  sweeper_->assign(sweep);
}

}  // namespace gabion::test
