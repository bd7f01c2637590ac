#include "tests/sim/cluster/cluster_simulation.h"

#include <fmt/format.h>

#include "metadata/cluster/jobs.h"
#include "tests/sim/cluster/cluster_ledger.h"
#include "tests/sim/cluster/cluster_node.h"
#include "tests/support/data_tasks.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here
using chunkserver::ShardKey;
using metadata::Command;
using metadata::CommandResult;
using metadata::Metadata;
namespace cluster = metadata::cluster;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t kKeysOfWorker = 4;
constexpr std::size_t kNodesMax = 7;
constexpr int kStepsOfWorker = 25;

class Simulation {
 public:
  explicit Simulation(const ClusterSimulation& simulation)
      : world_(simulation.seed), network_(world_), shared_(world_, network_) {
    shared_.sabotage = simulation.sabotage;
    shared_.finish_early = simulation.finish_early;
    shared_.recode_unfenced = simulation.recode_unfenced;
    found();
  }
  ~Simulation() {
    network_.heal();
    network_.set_faults({});
    for (auto& node : nodes_) node->stop();
  }

  std::optional<std::string> run() {
    world_.run(chaos());
    settle("after chaos");
    if (!violation_) world_.run(calm());
    if (!violation_) settle("after the calm");
    if (!violation_) leave();
    if (!violation_) clear();
    return violation_;
  }

 private:
  Rng& rng() { return world_.rng(); }
  Duration random_time(Duration most) { return Duration(rng().below(static_cast<std::uint64_t>(most.count()) + 1)); }
  template <class... Args>
  void violate(fmt::format_string<Args...> format, Args&&... args) {
    if (!violation_) violation_ = fmt::format(format, std::forward<Args>(args)...);
  }
  task<void> pause(Duration most) { return world_.clock().sleep(random_time(most)); }

  // --- The cluster and its operator ---

  void found() {
    Command bucket;
    bucket.mutable_create_bucket()->set_name("b");
    bucket.mutable_create_bucket()->set_owner("tenant");
    bucket_ = metadata_.apply(std::move(bucket)).bucket().id();
    metadata::ClusterState state;
    state.set_automatic_class(true);
    const std::uint64_t each = 1 + rng().below(3);
    for (int n = 1; n <= 5; ++n) {
      auto node = make_node();
      std::vector<metadata::DriveInfo> drives;
      for (std::uint64_t d = 0; d < each; ++d) drives.push_back(node->add_drive());
      auto change = n == 1 ? cluster::found(std::move(state), node->info(), std::move(drives), {})
                           : cluster::add_node(std::move(state), node->info(), std::move(drives), {});
      state = std::move(change->state);
      nodes_.push_back(std::move(node));
    }
    Command command;
    *command.mutable_set_cluster_state()->mutable_state() = std::move(state);
    metadata_.apply(std::move(command));
    for (auto& node : nodes_) node->start();
    world_.run_for(seconds(3));
  }

  std::unique_ptr<ClusterNode> make_node() {
    const NodeId id{static_cast<std::uint32_t>(nodes_.size() + 1)};
    return std::make_unique<ClusterNode>(shared_, id, id == kMetadataNode ? &metadata_ : nullptr);
  }

  // Changes the layout if it is not refused, at once.
  template <class Plan>
  task<bool> change(Plan plan) {
    auto current = *co_await metadata_.cluster_state({});
    Result<cluster::Change> change = plan(current.state);
    if (!change) co_return false;
    Command command;
    *command.mutable_set_cluster_state()->mutable_state() = std::move(change->state);
    command.mutable_set_cluster_state()->set_expected_version(current.version);
    GABION_CHECK(metadata_.apply(std::move(command)).outcome() == metadata::APPLIED, "nobody came in between");
    co_return true;
  }
  task<metadata::ClusterState> state() { co_return (*co_await metadata_.cluster_state({})).state; }

  enum class Lost { without, with };  // drives that fail, or are about to
  // The drives whose shards count: of the state, and not given up.
  task<std::map<DriveId, sim::SimDrive*>> drives_in_service(Lost lost = Lost::without) {
    const metadata::ClusterState now = co_await state();
    std::map<DriveId, sim::SimDrive*> out;
    for (auto& node : nodes_) {
      for (auto& drive : node->drives()) {
        const auto* const info = cluster::find_drive(now, drive->identity.drive);
        if (info == nullptr || info->out()) continue;
        if (lost == Lost::without && lost_.contains(drive->identity.drive)) continue;
        const auto* const owner = cluster::find_node(now, NodeId{info->node()});
        if (owner != nullptr && !owner->out()) out[drive->identity.drive] = drive.get();
      }
    }
    co_return out;
  }

  NodeId random_node() { return NodeId{static_cast<std::uint32_t>(2 + rng().below(nodes_.size() - 1))}; }
  ClusterNode& node(NodeId id) { return *nodes_[static_cast<std::uint32_t>(id) - 1]; }
  DriveId random_drive(const metadata::ClusterState& now) {
    return *DriveId::from_raw(now.drives(static_cast<int>(rng().below(static_cast<std::uint64_t>(now.drives_size())))).id());
  }

  task<void> operate() {
    while (working_ > 0 && !violation_) {
      co_await pause(seconds(8));
      switch (rng().below(10)) {
        case 0:
        case 1: co_await cut_off(random_node(), random_time(seconds(12))); break;
        case 2: co_await one_disaster(); break;
        case 3: network_.set_faults({.lost = static_cast<std::uint32_t>(rng().below(15)), .late = 30}); break;
        case 4: network_.set_faults({}); break;
        case 5: co_await start_job(metadata::JOB_ORPHANS); break;
        default: co_await change_layout();
      }
    }
    network_.set_faults({});
    network_.heal();
  }

  task<void> cut_off(NodeId victim, Duration duration) {
    network_.isolate(victim);
    co_await world_.clock().sleep(duration);
    network_.mend(victim);
  }

  // More than one in a run could destroy data by right.
  task<void> one_disaster() {
    if (std::exchange(disaster_done_, true)) co_return;
    if (rng().below(2) == 0) {
      co_await cut_off(random_node(), shared_.out_after + seconds(30));
      co_return;
    }
    ClusterNode& victim = *nodes_[rng().below(nodes_.size())];
    auto& drive = victim.drives()[rng().below(victim.drives().size())];
    drive->disk.fail_sync_after(rng().below(20));
    lost_.insert(drive->identity.drive);
  }

  task<void> change_layout() {
    const metadata::ClusterState now = co_await state();
    const NodeId some = random_node();
    const DriveId drive = random_drive(now);
    const cluster::Facts facts = nodes_[0]->controller().facts();
    switch (rng().below(7)) {
      case 0: co_await grow(facts); break;
      case 1: co_await change([&](auto state) { return cluster::drain_node(std::move(state), some, facts); }); break;
      case 2: co_await change([&](auto state) { return cluster::drain_drive(std::move(state), drive, facts); }); break;
      case 3:
        if (const auto* const info = cluster::find_node(now, some); info != nullptr && !info->out()) {
          co_await change([&](auto state) { return cluster::undrain_node(std::move(state), some, facts); });
        }
        break;
      case 4:
        if (!cluster::find_drive(now, drive)->out()) {
          co_await change([&](auto state) { return cluster::undrain_drive(std::move(state), drive, facts); });
        }
        break;
      case 5: co_await change([&](auto state) { return cluster::remove_drive(std::move(state), drive, facts); }); break;
      default: co_await change([&](auto state) { return cluster::rebalance(std::move(state), facts); });
    }
  }

  task<void> grow(cluster::Facts facts) {
    if (nodes_.size() < kNodesMax && rng().below(2) == 0) {
      auto fresh = make_node();
      std::vector<metadata::DriveInfo> drives;
      for (std::uint64_t d = 0; d <= rng().below(2); ++d) drives.push_back(fresh->add_drive());
      const metadata::NodeInfo info = fresh->info();
      nodes_.push_back(std::move(fresh));
      co_await change([&](auto state) { return cluster::add_node(std::move(state), info, drives, facts); });
      nodes_.back()->start();
      co_return;
    }
    const NodeId where = random_node();
    if (node(where).drives().size() >= 4) co_return;
    std::vector<metadata::DriveInfo> drives;
    drives.push_back(node(where).add_drive());
    co_await change([&](auto state) { return cluster::add_drives(std::move(state), where, drives, facts); });
  }

  // --- Clients ---

  std::size_t random_size() {
    switch (rng().below(8)) {
      case 0: return rng().below(kInlineMax + 2);
      case 1:
      case 2: return kInlineMax + rng().below(kCopiesMax);
      case 3: return kCopiesMax + rng().below(2'000'000);
      default: return kCopiesMax + rng().below(400'000);
    }
  }

  task<void> put_once(ClusterNode& at, std::string key) {
    const std::string content = random_text(rng(), random_size());
    auto writer = co_await at.store().write(Context(), content.size());
    if (!writer) co_return;
    for (std::size_t from = 0; from < content.size();) {
      const std::size_t n = 1 + rng().below(200'000);
      if (!co_await (*writer)->append(as_bytes(std::string_view(content).substr(from, n)))) co_return;
      from += n;
      if (rng().below(30) == 0) co_return;  // the client went away
      if (rng().below(30) == 0) co_return (*writer)->release();  // the gateway died
      co_await pause(rng().below(6) == 0 ? seconds(5) : milliseconds(200));
    }
    auto written = co_await (*writer)->finish();
    if (!written) co_return;
    if (rng().below(6) == 0) co_await pause(seconds(30));
    const std::string etag = random_text(rng(), 16);
    Command command;
    auto& put = *command.mutable_put_object();
    put.set_bucket(bucket_);
    put.set_key(key);
    put.mutable_version()->set_size(content.size());
    put.mutable_version()->set_etag(etag);
    if (!content.empty()) *put.mutable_manifest() = written->manifest;
    for (const auto& intent : written->intents) *put.add_intents() = intent;
    ledger_.remember(etag, content);
    ledger_.attempt(key, etag);
    const auto result = co_await at.metadata().commit(Context(), std::move(command));
    if (!result && result.error().code != Errc::unknown_outcome) {
      ledger_.refused(key, etag);
      co_return;
    }
    (*writer)->release();  // also where it was refused: as if the gateway had died before it could clean up
    if (!result) co_return;
    if (result->outcome() == metadata::APPLIED) ledger_.acknowledged(key, etag);
    else ledger_.refused(key, etag);
  }

  task<void> delete_once(ClusterNode& at, std::string key) {
    Command command;
    command.mutable_delete_object()->set_bucket(bucket_);
    command.mutable_delete_object()->set_key(key);
    ledger_.attempt(key, ClusterLedger::kAbsent);
    if (co_await at.metadata().commit(Context(), std::move(command))) ledger_.acknowledged(key, ClusterLedger::kAbsent);
  }

  // Reads as slowly as the client is. The etag that was read; nothing when it could not be.
  task<std::optional<std::string>> get_once(ClusterNode& at, std::string key, Duration slowness, bool must_succeed) {
    const auto object = co_await at.metadata().object(Context(), bucket_, key, Metadata::With::manifest);
    if (!object) {
      if (object.error().code == Errc::not_found) co_return ClusterLedger::kAbsent;
      if (must_succeed) violate("metadata could not be read without a fault: {}", object.error().message);
      co_return std::nullopt;
    }
    const std::string etag = object->version.etag();
    const std::string* const content = ledger_.content(etag);
    if (content == nullptr) violate("an object has contents that nobody wrote");
    if (content == nullptr || content->empty()) co_return etag;
    auto reader = co_await at.store().read(Context(), object->group, object->version.manifest(), object->manifest, 0,
                                           content->size());
    if (!reader) {
      if (must_succeed) violate("a read was refused without a fault: {}", reader.error().message);
      co_return std::nullopt;
    }
    std::string got;
    for (;;) {
      auto piece = co_await (*reader)->next();
      if (!piece) {
        if (must_succeed) violate("a read at {} failed without a fault: {}", to_string(at.self()), piece.error().message);
        co_return std::nullopt;
      }
      if (piece->empty()) break;
      got += piece->text();
      if (slowness.count() > 0) co_await pause(slowness);
    }
    if (got != *content) violate("a read gave wrong bytes");
    co_return etag;
  }

  task<void> work(std::size_t worker, bool calm) {
    ClusterNode& at = *nodes_[worker % nodes_.size()];
    for (int step = 0; step < (calm ? 10 : kStepsOfWorker) && !violation_; ++step) {
      const std::string own = fmt::format("{}/{}", worker, rng().below(kKeysOfWorker));
      const std::string any = fmt::format("{}/{}", rng().below(workers_), rng().below(kKeysOfWorker));
      switch (rng().below(6)) {
        case 0:
        case 1:
        case 2: co_await put_once(at, own); break;
        case 3: co_await delete_once(at, own); break;
        default: co_await get_once(at, any, calm ? seconds(20) : milliseconds(200), calm);
      }
      co_await pause(seconds(1));
    }
    --working_;
  }

  // --- What holds all along ---

  task<std::vector<BlockRef>> live_blocks() {
    std::vector<BlockRef> out;
    metadata::ManifestId after = 0;
    for (;;) {
      const auto page = *co_await metadata_.manifests({}, metadata::kRootGroup, after, 1000);
      if (page.empty()) co_return out;
      after = page.back().id;
      for (const auto& entry : page) {
        for (int i = 0; i < entry.manifest.blocks_size(); ++i) out.push_back(*block_ref(entry.manifest, entry.id, i));
      }
    }
  }
  static bool has(sim::SimDrive& drive, const BlockRef& block, unsigned shard) {
    const auto found = drive.index.find({block.id, static_cast<std::uint8_t>(shard)}, ReadMode::wait);
    return found && found->has_value();
  }

  task<void> watch() {
    while (!stop_watching_ && !violation_) {
      const auto blocks = co_await live_blocks();
      const auto drives = co_await drives_in_service();
      const auto with_lost = co_await drives_in_service(Lost::with);
      std::map<std::pair<BlockId, unsigned>, std::set<DriveId>> now;
      for (const BlockRef& block : blocks) {
        for (unsigned shard = 0; shard < BlockLayout(block).shards(); ++shard) {
          auto& places = now[{block.id, shard}];
          for (const auto& [id, drive] : with_lost) {
            if (has(*drive, block, shard)) places.insert(id);
          }
          if (!places.empty()) continue;
          for (const DriveId& before : seen_[{block.id, shard}]) {
            if (!drives.contains(before)) continue;
            violate("shard {} of the live block {} was removed from {}: the only one there was, at {} ms", shard,
                    block.id.to_hex(), before.to_hex(), world_.now_ns() / 1'000'000);
          }
        }
      }
      seen_ = std::move(now);
      co_await world_.clock().sleep(milliseconds(250));
    }
  }

  // --- Phases ---

  task<void> chaos() {
    Gate gate;
    workers_ = working_ = 2 * nodes_.size();
    spawn(world_.executor(), gate, "operator", operate());
    spawn(world_.executor(), watching_, "watch", watch());
    for (std::size_t i = 0; i < workers_; ++i) spawn(world_.executor(), gate, "worker", work(i, false));
    co_await gate.close();
    co_await call_off_faults();
  }

  // A drive that was to fail and has not yet will not any more.
  task<void> call_off_faults() {
    for (auto& node : nodes_) {
      for (auto& drive : node->drives()) {
        const auto status = co_await drive->engine->status({});
        if (status->health == chunkserver::DriveHealth::failed) continue;
        drive->disk.fail_sync_after(UINT64_MAX);
        lost_.erase(drive->identity.drive);
      }
    }
  }

  task<void> calm() {
    Gate gate;
    working_ = workers_;
    for (std::size_t i = 0; i < workers_; ++i) spawn(world_.executor(), gate, "worker", work(i, true));
    co_await world_.clock().sleep(seconds(20));
    co_await grow(nodes_[0]->controller().facts());
    co_await world_.clock().sleep(seconds(20));
    co_await drain_until_the_class_is_narrower();
    co_await gate.close();
  }

  task<void> drain_until_the_class_is_narrower() {
    for (std::uint32_t n = 2; n <= nodes_.size(); ++n) {
      const cluster::Facts facts = nodes_[0]->controller().facts();
      co_await change([&](auto state) { return cluster::drain_node(std::move(state), NodeId{n}, facts); });
      const metadata::ClusterState now = co_await state();
      if (now.has_narrowing()) co_return;
    }
  }

  task<bool> settled() {
    const metadata::ClusterState now = co_await state();
    for (const metadata::Job& job : now.jobs()) {
      if (cluster::active(job)) co_return false;
    }
    if (now.has_narrowing()) co_return false;
    for (const DriveId& drive : lost_) {
      const auto* const info = cluster::find_drive(now, drive);
      if (info != nullptr && !info->out() && !cluster::find_node(now, NodeId{info->node()})->out()) co_return false;
    }
    for (auto& node : nodes_) {
      if (node->store().core().discards.size() != 0) co_return false;
    }
    const auto statistics = co_await metadata_.statistics({});
    co_return statistics->repairs_pending == 0 && statistics->doomed_pending == 0;
  }

  void settle(const std::string& when) {
    world_.run_for(seconds(15));
    wait_until_settled(when);
    if (!violation_) world_.run(check_places(when, Strays::allowed));
    // Writes whose answers were lost may have left shards where nobody looks for them: scrub does. Those that did not happen
    // have left orphans.
    for (const auto kind : {metadata::JOB_SCRUB, metadata::JOB_ORPHANS}) {
      if (!violation_) world_.run(start_job(kind));
      wait_until_settled(when);
    }
    if (violation_) return;
    world_.run(check_places(when, Strays::forbidden));
    world_.run(check_contents(when));
    if (std::exchange(stop_watching_, true)) return;
    world_.run(watching_.close());
  }
  task<void> start_job(metadata::JobKind kind) {
    co_await change([&](auto now) -> Result<cluster::Change> {
      for (const metadata::Job& job : now.jobs()) {
        if (job.kind() == kind && cluster::active(job)) return Error(Errc::conflict, "there is one");
      }
      cluster::Change change;
      cluster::start_job(now, kind, "to be sure", nodes_[0]->controller().facts());
      change.state = std::move(now);
      return change;
    });
  }
  void wait_until_settled(const std::string& when) {
    bool done = false;
    for (int round = 0; round < 240 && !done && !violation_; ++round) {
      world_.run_for(seconds(10));
      done = world_.run(settled());
      // What was lost may be impossible to give up for want of drives: an operator adds one.
      if (!done && round == 30) world_.run(add_a_drive());
    }
    if (!done) violate("{}: the cluster does not settle: {}", when, world_.run(unsettled()));
  }
  task<void> add_a_drive() {
    std::vector<metadata::DriveInfo> drives;
    drives.push_back(nodes_[0]->add_drive());
    const cluster::Facts facts = nodes_[0]->controller().facts();
    co_await change([&](auto state) { return cluster::add_drives(std::move(state), kMetadataNode, drives, facts); });
  }
  task<std::string> unsettled() {
    const metadata::ClusterState now = co_await state();
    std::string out;
    for (const metadata::Job& job : now.jobs()) {
      if (!cluster::active(job)) continue;
      out += fmt::format("job {} ({}) {}/{}; ", job.id(), job.reason(), job.finished_workers_size(), job.workers_size());
    }
    const auto statistics = co_await metadata_.statistics({});
    out += fmt::format("repairs {}, doomed {}", statistics->repairs_pending, statistics->doomed_pending);
    for (auto& node : nodes_) {
      out += fmt::format(", discards at {}: {}", to_string(node->self()), node->store().core().discards.size());
    }
    co_return out;
  }

  // Every live shard is at home and good, and, after a scrub and a search for orphans, nothing else is on any drive.
  enum class Strays { allowed, forbidden };
  task<void> check_places(std::string when, Strays strays) {
    const auto ring = ring::Ring::decode((co_await state()).ring()).value();
    const auto drives = co_await drives_in_service();
    std::map<DriveId, std::set<ShardKey>> expected;
    for (const BlockRef& block : co_await live_blocks()) {
      const auto row = ring.row(ring.partition_of(block.id));
      if (BlockLayout(block).shards() > row.size()) {
        co_return violate("{}: a block of {} has more shards than a row of the ring has drives", when,
                          erasure::to_string(block.profile));
      }
      for (unsigned shard = 0; shard < BlockLayout(block).shards(); ++shard) {
        const DriveId home = ring.drives()[row[shard]].id;
        const ShardKey key{block.id, static_cast<std::uint8_t>(shard)};
        expected[home].insert(key);
        const auto at = drives.find(home);
        if (at == drives.end()) co_return violate("{}: the home of a shard is a drive that is lost", when);
        const auto good = co_await at->second->engine->verify({}, key);
        if (!good) co_return violate("{}: a shard is not at home: {}", when, good.error().message);
      }
    }
    for (const auto& [id, drive] : drives) {
      if (strays == Strays::allowed) break;
      const auto page = *co_await drive->engine->list({}, {}, 100'000);
      for (const auto& shard : page.shards) {
        if (expected[id].contains(shard.key)) continue;
        co_return violate("{}: shard {} of block {} is a stray or an orphan on {}", when, shard.key.index,
                          shard.key.block.to_hex(), id.to_hex());
      }
    }
  }

  task<void> check_contents(std::string when) {
    for (const auto& [key, possible] : ledger_.keys()) {
      ClusterNode& at = *nodes_[rng().below(nodes_.size())];
      if (left_.contains(at.self())) continue;
      const auto etag = co_await get_once(at, key, Duration(0), true);
      if (etag && !ledger_.may_be(key, *etag)) violate("{}: an acknowledged change of {} is not what is read", when, key);
    }
  }

  void leave() {
    for (std::uint32_t n = 2; n <= nodes_.size(); ++n) {
      const NodeId leaver{n};
      const cluster::Facts facts = nodes_[0]->controller().facts();
      const bool draining =
          world_.run(change([&](auto state) { return cluster::drain_node(std::move(state), leaver, facts); }));
      if (!draining) continue;
      bool removed = false;
      for (int round = 0; round < 120 && !removed; ++round) {
        world_.run_for(seconds(10));
        removed = world_.run(change([&](auto state) { return cluster::remove_node(std::move(state), leaver, facts); }));
      }
      if (!removed) return violate("a node that drains cannot be removed");
      network_.isolate(leaver);
      left_.insert(leaver);
      for (const auto& [key, possible] : ledger_.keys()) world_.run(get_once(*nodes_[0], key, Duration(0), true));
      settle("after a node left");
      if (violation_) return;
    }
  }

  void clear() {
    for (const auto& [key, possible] : std::map(ledger_.keys())) world_.run(delete_once(*nodes_[0], key));
    settle("after everything was deleted");
  }

  sim::SimWorld world_;
  sim::SimNetwork network_;
  ClusterShared shared_;
  MemoryMetadata metadata_{world_.clock()};
  metadata::BucketId bucket_ = 0;
  std::vector<std::unique_ptr<ClusterNode>> nodes_;
  ClusterLedger ledger_;
  std::map<std::pair<BlockId, unsigned>, std::set<DriveId>> seen_;
  std::set<DriveId> lost_;
  Gate watching_;
  std::optional<std::string> violation_;
  std::size_t workers_ = 0, working_ = 0;
  std::set<NodeId> left_;  // nodes that were removed at last
  bool disaster_done_ = false;
  bool stop_watching_ = false;
};

}  // namespace

std::optional<std::string> run_cluster_simulation(const ClusterSimulation& simulation) {
  Simulation run(simulation);
  return run.run();
}

}  // namespace gabion::test
