#include "tests/sim/orphans/orphan_simulation.h"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/data/orphans.h"
#include "metadata/cluster/fence.h"
#include "tests/sim/orphans/model_metadata.h"
#include "tests/support/data_tasks.h"
#include "tests/support/sim_drive.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here
using chunkserver::ShardKey;
using metadata::GroupId;
using metadata::ManifestId;
namespace cluster = metadata::cluster;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr unsigned kShards = 3;  // of a block
constexpr std::size_t kDrives = 4, kSweepers = 2, kGateways = 4, kGroupsMax = 5;
constexpr Duration kChaos = minutes(4);

std::vector<ring::Drive> ring_drives(const std::vector<std::unique_ptr<sim::SimDrive>>& drives) {
  std::vector<ring::Drive> out;
  for (const auto& drive : drives) out.push_back({drive->identity.drive, 1, {"node"}});
  return out;
}

// Which keys a group has: those of the first group are divided by their number, again and again.
struct Key {
  std::string name;
  GroupId group = metadata::kRootGroup;
  ManifestId manifest = 0;
};

class Simulation {
 public:
  explicit Simulation(const OrphanSimulation& simulation)
      : given_(simulation), world_(simulation.seed), metadata_(world_), drives_(make_drives()),
        placement_(*ring::build(ring::Ring(), ring_drives(drives_), kShards, 4)),
        keys_(SecretKey::random(world_.rng()), metadata_, world_.rng()), memory_(world_.clock(), 64 * MiB),
        store_({placement_, metadata_, keys_, memory_, world_.clock(), world_.rng()}, options()) {
    auto& state = metadata_.state();
    state.version = 1;
    state.state.set_ring(placement_.view()->ring->encode());
    state.state.set_ring_epoch(placement_.view()->epoch());
    for (Gateway& gateway : gateways_) gateway.epoch = state.state.ring_epoch();
    for (std::size_t i = 0; i < kSweepers; ++i) sweepers_.push_back(make_sweeper(i));
  }
  ~Simulation() {
    for (auto& sweeper : sweepers_) world_.run(sweeper->stop());
    world_.run(store_.close());
    world_.run(memory_.close());
    for (auto& drive : drives_) drive->close();
  }

  OrphanOutcome run() {
    Gate gate;
    begin(gate, "controller", control());
    begin(gate, "orders", give_orders());
    begin(gate, "rings", follow_rings());
    begin(gate, "watch", watch());
    begin(gate, "collector", collect());
    begin(gate, "compaction", compact());
    for (std::size_t i = 0; i < 3 * kGateways; ++i) begin(gate, "writer", write(gateways_[i % kGateways]));
    for (int i = 0; i < 3; ++i) begin(gate, "client", change_keys());
    begin(gate, "trouble", trouble());
    world_.run_for(kChaos);
    calm_ = true;
    for (int round = 0; round < 200 && !quiet() && !violation_; ++round) world_.run_for(seconds(5));
    if (!quiet()) violate("what was deleted is not erased in the end");
    sweep_at_rest_ = true;
    const std::uint64_t last = outcome_.jobs;
    for (int round = 0; round < 200 && outcome_.jobs < last + 2 && !violation_; ++round) world_.run_for(seconds(5));
    if (outcome_.jobs < last + 2) violate("the last job does not end");
    if (!violation_) world_.run(check_empty());
    over_ = true;
    world_.run(gate.close());
    outcome_.violation = violation_;
    return outcome_;
  }

 private:
  struct Gateway {
    std::uint64_t epoch = 0;
    bool given_up = false;  // the cluster does not wait for it, and it hears nothing
    std::multiset<std::uint64_t> writes_by;
  };

  Rng& rng() { return world_.rng(); }
  bool chance(unsigned percent) { return rng().below(100) < percent; }
  task<void> pause(Duration most) {
    return world_.clock().sleep(Duration(rng().below(static_cast<std::uint64_t>(most.count()) + 1)));
  }
  void begin(Gate& gate, const char* what, task<void> work) { spawn(world_.executor(), gate, what, std::move(work)); }
  template <class... Args>
  void violate(fmt::format_string<Args...> format, Args&&... args) {
    if (!violation_) violation_ = fmt::format(format, std::forward<Args>(args)...);
  }
  bool on() const { return !calm_ && !violation_ && !over_; }

  std::vector<std::unique_ptr<sim::SimDrive>> make_drives() {
    chunkserver::DriveOptions small;
    small.segment_bytes = 64 * KiB;
    small.batch_bytes = 32 * KiB;
    small.compact_garbage = 0.1;
    std::vector<std::unique_ptr<sim::SimDrive>> out;
    for (std::size_t i = 0; i < kDrives; ++i) {
      out.push_back(std::make_unique<sim::SimDrive>(world_, small));
      GABION_CHECK(out.back()->open().has_value(), "a fresh drive opens");
    }
    return out;
  }
  Options options() const {
    Options out;
    out.sabotage = given_.sabotage;
    return out;
  }
  std::unique_ptr<OrphanSweeper> make_sweeper(std::size_t number) {
    OrphanSweeper::SweepOptions sweep;
    sweep.memory_bytes = chance(50) ? 1 * MiB : 400;
    sweep.entries_per_second = 200;
    sweep.retry = seconds(1);
    auto sweeper = std::make_unique<OrphanSweeper>(store_, sweep);
    std::vector<OrphanSweeper::LocalDrive> mine;
    for (std::size_t i = number; i < kDrives; i += kSweepers) {
      chunkserver::DriveStore* const engine = drives_[i]->engine.get();
      OrphanSweeper::LocalDrive drive;
      drive.id = drives_[i]->identity.drive;
      drive.store = engine;
      drive.position = [engine] { return engine->position(); };
      drive.list_before = [engine](Context ctx, std::uint64_t position, ShardKey from, std::size_t limit) {
        return engine->list_before(ctx, position, from, std::min<std::size_t>(limit, 10));
      };
      mine.push_back(std::move(drive));
    }
    sweeper->set_drives(std::move(mine));
    sweeper->start(world_.executor());
    return sweeper;
  }

  // --- The cluster ---

  metadata::Job* open_job(metadata::ClusterState& state) {
    for (metadata::Job& job : *state.mutable_jobs()) {
      if (cluster::active(job)) return &job;
    }
    return nullptr;
  }
  bool job_is_open() { return open_job(metadata_.state().state) != nullptr; }

  task<void> control() {
    while (!over_ && !violation_) {
      co_await pause(milliseconds(400));
      auto& current = metadata_.state();
      metadata::Job* const job = open_job(current.state);
      if (job == nullptr && (!calm_ || sweep_at_rest_)) start_job();
      if (job != nullptr) look_after(*job);
      co_await drop_rings();
    }
  }
  void start_job() {
    auto& state = metadata_.state().state;
    state.clear_jobs();
    metadata::Job& job = *state.add_jobs();
    state.set_last_job(state.last_job() + 1);
    job.set_id(state.last_job());
    job.set_kind(metadata::JOB_ORPHANS);
    ++metadata_.state().version;
  }
  void look_after(metadata::Job& job) {
    auto& state = metadata_.state().state;
    ++metadata_.state().version;
    if (job.state() == metadata::JOB_PAUSED || (on() && chance(3))) {
      job.set_state(job.state() == metadata::JOB_PAUSED ? metadata::JOB_RUNNING : metadata::JOB_PAUSED);
      return;
    }
    const auto all = [&](auto what) {
      return std::all_of(sweepers_.begin(), sweepers_.end(), [&](const auto& sweeper) {
        const auto progress = sweeper->progress();
        return progress.job == job.id() && what(progress);
      });
    };
    if (job.epoch() == 0 && all([](const auto& progress) { return progress.ready; })) {
      GABION_CHECK(cluster::raise_fence(state, job.id()).has_value(), "a fence can be raised");
    }
    if (!all([](const auto& progress) { return progress.finished; })) return;
    for (const auto& sweeper : sweepers_) outcome_.removed += sweeper->progress().removed_shards;
    job.set_state(metadata::JOB_DONE);
    ++outcome_.jobs;
  }
  // Every group refuses what is placed by older rings before they are dropped.
  task<void> drop_rings() {
    const auto before = metadata_.state();
    metadata::ClusterState next = before.state;
    const auto dropped = cluster::drop_fenced(next, settled());
    if (!dropped || !*dropped) co_return;
    std::set<GroupId> told;
    for (bool everybody = false; !everybody;) {
      everybody = true;
      for (auto& [id, group] : metadata_.all()) {
        if (!told.insert(id).second) continue;
        co_await metadata_.pass_time();
        metadata_.all().at(id).oldest_ring = cluster::oldest_ring(next);
        everybody = false;
        break;
      }
    }
    if (metadata_.state().version != before.version) co_return;
    metadata_.state() = {next, before.version + 1};
  }
  std::uint64_t settled() const {
    std::uint64_t oldest = metadata_.state_epoch();
    for (const Gateway& gateway : gateways_) {
      if (gateway.given_up) continue;
      oldest = std::min(oldest, gateway.epoch);
      if (!gateway.writes_by.empty()) oldest = std::min(oldest, *gateway.writes_by.begin());
    }
    return oldest;
  }
  // What members hear may be old.
  task<void> give_orders() {
    while (!over_ && !violation_) {
      const auto heard = metadata_.state();
      co_await pause(milliseconds(400));
      auto& sweeper = sweepers_[rng().below(kSweepers)];
      std::optional<SweepWork> work;
      for (const metadata::Job& job : heard.state.jobs()) {
        if (!cluster::active(job)) continue;
        work.emplace();
        work->job = job.id();
        work->fence = job.epoch();
        work->stands = cluster::fence_stands(heard.state, job);
        work->paused = job.state() == metadata::JOB_PAUSED;
      }
      // The job may be over by now; a sweeper that hears of another one does not hear of the one before again.
      if (work && work->job < sweeper->progress().job) continue;
      sweeper->assign(work);
    }
  }
  task<void> follow_rings() {
    while (!over_ && !violation_) {
      co_await pause(milliseconds(300));
      Gateway& gateway = gateways_[rng().below(kGateways)];
      if (!gateway.given_up) gateway.epoch = std::max(gateway.epoch, metadata_.state_epoch());
    }
  }

  // --- Writers and clients ---

  task<void> put_shard(ShardKey key, std::size_t drive, std::string content) {
    const auto put = co_await drives_[drive]->engine->put({}, key, std::vector<Bytes>(1, Bytes::copy_of(content)));
    if (put) stored_[key].insert(drive);
  }

  task<void> write(Gateway& gateway) {
    while (on()) {
      co_await pause(seconds(2));
      metadata::Manifest manifest;
      const std::uint64_t begun_by = gateway.epoch;
      manifest.set_ring_epoch(begun_by);
      const auto mark = gateway.writes_by.insert(begun_by);
      for (std::uint64_t blocks = 1 + rng().below(2); blocks > 0; --blocks) {
        const BlockId block = BlockId::random(rng());
        manifest.add_blocks()->set_id(std::string(block.raw()));
        for (unsigned shard = 0; shard < kShards; ++shard) {
          co_await pause(chance(5) ? seconds(15) : milliseconds(300));
          const std::size_t drive = chance(90) ? (OrphanCandidates::prefix_of(block) + shard) % kDrives : rng().below(kDrives);
          co_await put_shard({block, static_cast<std::uint8_t>(shard)}, drive, random_text(rng(), 1 + rng().below(3000)));
        }
      }
      if (chance(20)) {  // the gateway died
        gateway.writes_by.erase(mark);
        continue;
      }
      const bool unheard = chance(15);  // the commit is on its way, and nobody knows of it any more
      if (unheard) gateway.writes_by.erase(mark);
      co_await pause(unheard || gateway.given_up ? seconds(40) : seconds(2));
      commit(manifest);
      if (!unheard) gateway.writes_by.erase(mark);
    }
  }
  void commit(const metadata::Manifest& manifest) {
    const Key key{fmt::format("k{}", ++last_key_), random_group(), 0};
    const ManifestId id = metadata_.fresh_id(key.group);
    if (!metadata_.put(key.group, id, manifest, key.name)) {
      ++outcome_.late_commits;
      return;
    }
    objects_.push_back({key.name, key.group, id});
  }
  GroupId random_group() {
    auto it = metadata_.all().begin();
    std::advance(it, rng().below(metadata_.all().size()));
    return it->first;
  }

  // Deletes, copies and renames, also across groups.
  task<void> change_keys() {
    while (on()) {
      co_await pause(milliseconds(700));
      if (objects_.empty()) continue;
      const std::size_t chosen = rng().below(objects_.size());
      const Key from = objects_[chosen];
      if (chance(30)) {
        metadata_.drop(from.group, from.manifest, from.name);
        objects_.erase(objects_.begin() + static_cast<std::ptrdiff_t>(chosen));
        continue;
      }
      co_await rename(from);
    }
  }
  task<void> rename(Key from) {
    const std::string loan = fmt::format("loan{}", ++last_key_);
    if (!metadata_.hold(from.group, from.manifest, loan)) co_return;
    const metadata::Manifest manifest = metadata_.all().at(from.group).manifests.at(from.manifest).manifest;
    co_await pause(seconds(1));
    const GroupId there = came_from_.contains(from.name) && chance(70) ? came_from_[from.name] : random_group();
    const Key to{fmt::format("k{}", ++last_key_), there, from.manifest};
    came_from_[to.name] = from.group;
    metadata_.adopt(to.group, to.manifest, manifest, to.name);
    objects_.push_back(to);
    co_await pause(seconds(1));
    metadata_.drop(from.group, from.manifest, loan);
    co_await pause(seconds(1));
    const auto old = std::find_if(objects_.begin(), objects_.end(), [&](const Key& key) { return key.name == from.name; });
    if (old == objects_.end() || chance(20)) co_return;
    metadata_.drop(old->group, old->manifest, old->name);
    objects_.erase(old);
  }

  // Both groups have everything at first, and remove what is not theirs.
  task<void> split() {
    const GroupId parent = random_group();
    const GroupId child = metadata_.split(parent);
    std::vector<Key> foreign;
    for (Key& key : objects_) {
      if (key.group != parent) continue;
      const bool moves = chance(50);
      foreign.push_back({key.name, moves ? parent : child, key.manifest});
      if (moves) key.group = child;
    }
    for (const auto& [id, held] : metadata_.all().at(child).manifests) {
      for (const std::string& holder : held.holders) {
        if (holder.starts_with("loan")) foreign.push_back({holder, child, id});
      }
    }
    for (const Key& key : foreign) {
      co_await pause(milliseconds(200));
      metadata_.drop(key.group, key.manifest, key.name);
    }
  }

  // --- Trouble ---

  task<void> trouble() {
    while (on()) {
      co_await pause(seconds(4));
      switch (rng().below(6)) {
        case 0: co_await give_up(gateways_[rng().below(kGateways)]); break;
        case 1:
          if (metadata_.all().size() < kGroupsMax) co_await split();
          break;
        case 2: metadata_.all().at(random_group()).out_of_reach = world_.clock().now() + seconds(rng().below(5)); break;
        case 3: co_await restart_sweeper(); break;
        default: co_await store_again();
      }
    }
    for (Gateway& gateway : gateways_) gateway.given_up = false;
  }
  task<void> give_up(Gateway& gateway) {
    gateway.given_up = true;
    co_await pause(seconds(30));
    gateway.given_up = false;
  }
  task<void> restart_sweeper() {
    if (!chance(30)) co_return;
    const std::size_t number = rng().below(kSweepers);
    co_await sweepers_[number]->stop();
    sweepers_[number] = make_sweeper(number);
  }
  // As repair and rebalance do.
  task<void> store_again() {
    if (objects_.empty()) co_return;
    const Key key = objects_[rng().below(objects_.size())];
    const auto& held = metadata_.all().at(key.group).manifests;
    const auto found = held.find(key.manifest);
    if (found == held.end()) co_return;
    const BlockId block = *BlockId::from_raw(found->second.manifest.blocks(0).id());
    const ShardKey shard{block, static_cast<std::uint8_t>(rng().below(kShards))};
    if (!stored_[shard].empty()) co_await put_shard(shard, rng().below(kDrives), random_text(rng(), 500));
  }
  task<void> compact() {
    while (!over_ && !violation_) {
      co_await pause(seconds(1));
      (void)co_await drives_[rng().below(kDrives)]->engine->compact_once();
    }
  }

  // --- The collector ---

  bool lives_elsewhere(GroupId here, ManifestId id) {
    for (const auto& [other, group] : metadata_.all()) {
      if (other != here && group.manifests.contains(id)) return true;
    }
    return false;
  }
  bool waits_elsewhere(GroupId here, ManifestId id) {
    for (const auto& [other, group] : metadata_.all()) {
      if (other < here && group.doomed.contains(id)) return true;
    }
    return false;
  }
  bool may_forget() { return given_.forget_deleted || !job_is_open(); }

  task<void> collect() {
    while (!over_ && !violation_) {
      co_await pause(seconds(2));
      const GroupId here = random_group();
      const auto entries = metadata_.all().at(here).doomed;
      for (const auto& [id, entry] : entries) {
        co_await pause(milliseconds(100));
        auto& group = metadata_.all().at(here);
        if (!group.doomed.contains(id) || entry.doomed_us() + 1'000'000 > world_.clock().wall()) continue;
        if (group.manifests.contains(id) || lives_elsewhere(here, id) || waits_elsewhere(here, id)) {
          if (may_forget()) group.doomed.erase(id);
          continue;
        }
        co_await erase(entry);
        metadata_.all().at(here).doomed.erase(id);
      }
    }
  }
  task<void> erase(metadata::Doomed entry) {
    for (const metadata::Block& block : entry.blocks()) {
      for (unsigned shard = 0; shard < kShards; ++shard) {
        const ShardKey key{*BlockId::from_raw(block.id()), static_cast<std::uint8_t>(shard)};
        for (auto& drive : drives_) (void)co_await drive->engine->remove({}, std::vector<ShardKey>(1, key));
        stored_.erase(key);
      }
    }
  }

  // --- What holds ---

  static bool has(sim::SimDrive& drive, const ShardKey& key) {
    const auto found = drive.index.find(key, ReadMode::wait);
    return found && found->has_value();
  }
  std::set<std::string> live_blocks() {
    std::set<std::string> out;
    for (const auto& [id, group] : metadata_.all()) {
      for (const auto& [manifest, held] : group.manifests) {
        for (const metadata::Block& block : held.manifest.blocks()) out.insert(block.id());
      }
    }
    return out;
  }
  task<void> watch() {
    while (!over_ && !violation_) {
      for (const std::string& raw : live_blocks()) {
        const BlockId block = *BlockId::from_raw(raw);
        for (unsigned shard = 0; shard < kShards; ++shard) {
          const ShardKey key{block, static_cast<std::uint8_t>(shard)};
          if (stored_[key].empty()) violate("a live block's shard was never stored, or was erased by the collector");
          for (const std::size_t drive : stored_[key]) {
            if (has(*drives_[drive], key)) continue;
            violate("shard {} of the live block {} is gone from drive {}, at {} ms", shard, block.to_hex(), drive,
                    world_.now_ns() / 1'000'000);
          }
        }
      }
      co_await world_.clock().sleep(milliseconds(500));
    }
  }
  bool quiet() {
    for (const Gateway& gateway : gateways_) {
      if (!gateway.writes_by.empty()) return false;
    }
    return !job_is_open() &&
           std::all_of(metadata_.all().begin(), metadata_.all().end(),
                       [](const auto& each) { return each.second.doomed.empty(); });
  }
  task<void> check_empty() {
    const auto live = live_blocks();
    for (auto& drive : drives_) {
      const auto page = *co_await drive->engine->list({}, {}, 1'000'000);
      for (const auto& shard : page.shards) {
        if (!live.contains(std::string(shard.key.block.raw()))) violate("an orphan is left: {}", shard.key.block.to_hex());
      }
    }
  }

  const OrphanSimulation given_;
  sim::SimWorld world_;
  ModelMetadata metadata_;
  std::vector<std::unique_ptr<sim::SimDrive>> drives_;
  Placement placement_;
  KeyStore keys_;
  MemoryBudget memory_;
  BlockStore store_;
  std::vector<std::unique_ptr<OrphanSweeper>> sweepers_;
  std::array<Gateway, kGateways> gateways_;
  std::vector<Key> objects_;
  std::map<std::string, GroupId> came_from_;  // by key: many go to and fro
  std::map<ShardKey, std::set<std::size_t>> stored_;  // and not erased by the collector
  std::optional<std::string> violation_;
  OrphanOutcome outcome_;
  std::uint64_t last_key_ = 0;
  bool calm_ = false, sweep_at_rest_ = false, over_ = false;
};

}  // namespace

OrphanOutcome run_orphan_simulation(const OrphanSimulation& simulation) { return Simulation(simulation).run(); }

}  // namespace gabion::test
