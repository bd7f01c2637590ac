#include "tests/sim/data/data_simulation.h"

#include <fmt/format.h>

#include "gateway/data/rebalance.h"
#include "tests/support/data_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kWorkers = 6;
constexpr int kStepsOfWorker = 12;
constexpr Duration kHangMax = seconds(20);

DataWorldOptions world_options(const DataSimulation& simulation) {
  static constexpr struct {
    erasure::Profile profile;
    std::size_t drives;
  } kShapes[] = {{{2, 1}, 3}, {{2, 1}, 5}, {{2, 2}, 4}, {{4, 2}, 6}, {{4, 2}, 9}, {{8, 3}, 11}};
  const auto& shape = kShapes[simulation.seed % std::size(kShapes)];
  DataWorldOptions options;
  options.seed = simulation.seed;
  options.profile = shape.profile;
  options.drives = shape.drives;
  options.memory = 192 * MiB;
  options.data.sabotage = simulation.sabotage;
  options.data.fetch_bytes = kSegmentBytes << (simulation.seed / 2 % 5);
  options.data.readahead = static_cast<unsigned>(simulation.seed % 3);
  return options;
}

class Simulation : public DataWorld {
 public:
  explicit Simulation(const DataSimulation& simulation)
      : DataWorld(world_options(simulation)),
        repairer_(store, {.interval = seconds(5)}),
        rebalancer_(store, repairer_, {}),
        collector_(store, {.interval = seconds(10), .grace = std::chrono::minutes(2)}) {
    bad_drive_ = rng().below(drives.size());
  }

  std::optional<std::string> run() {
    repairer_.start(world.executor());
    rebalancer_.start(world.executor());
    collector_.start(world.executor());
    world.run(chaos());
    heal("after chaos");
    world.run(collector_.stop());
    if (!violation_) world.run(calm());
    if (!violation_) disaster();
    if (!violation_) clear();
    world.run(rebalancer_.stop());
    world.run(repairer_.stop());
    return violation_;
  }

 private:
  Rng& rng() { return world.rng(); }
  Duration random_time(Duration most) { return Duration(rng().below(static_cast<std::uint64_t>(most.count()) + 1)); }
  template <class... Args>
  void violate(fmt::format_string<Args...> format, Args&&... args) {
    if (!violation_) violation_ = fmt::format(format, std::forward<Args>(args)...);
  }

  std::size_t random_size() {
    switch (rng().below(10)) {
      case 0: return rng().below(kInlineMax + 2);
      case 1:
      case 2:
      case 3: return kInlineMax + rng().below(kCopiesMax);
      case 9: return kBlockBytes - 10 + rng().below(kBlockBytes);
      default: return kCopiesMax + rng().below(1'500'000);
    }
  }

  // --- Work ---

  void check_acknowledged(const Written& written) {
    std::map<std::string, std::set<unsigned>> intents;
    for (const auto& intent : written.intents) intents[intent.block()].insert(intent.shards().begin(), intent.shards().end());
    for (int i = 0; i < written.manifest.blocks_size(); ++i) {
      const auto ref = block_ref(written.manifest, 0, i);
      const BlockLayout layout(*ref);
      for (std::size_t lost = 0; lost < drives.size(); ++lost) {
        unsigned left = 0;
        for (unsigned shard = 0; shard < layout.shards(); ++shard) {
          for (std::size_t d = 0; d < drives.size(); ++d) {
            if (d == lost || !drives[d]->has(key(ref->id, shard))) continue;
            ++left;
            break;
          }
        }
        // A shard that the damage took right after it was written is no fault of the acknowledgement.
        if (damage_done_ && lost != bad_drive_) continue;
        if (left < layout.needed()) violate("a block was acknowledged that the loss of one drive would destroy");
      }
      for (unsigned shard = 0; shard < layout.shards(); ++shard) {
        if (damage_done_ && home(ref->id, shard) == bad_drive_) continue;
        if (home_drive(ref->id, shard).has(key(ref->id, shard))) continue;
        if (!intents[std::string(ref->id.raw())].contains(shard)) violate("a shard away from home has no intent");
      }
    }
  }

  task<void> put_once(std::string name) {
    const std::string content = random_text(rng(), random_size());
    auto writer = co_await store.write(Context(), rng().below(2) == 0 ? std::nullopt : std::optional(content.size()));
    if (!writer) co_return;
    for (std::size_t at = 0; at < content.size();) {
      const std::size_t n = 1 + rng().below(400'000);
      if (!co_await (*writer)->append(as_bytes(std::string_view(content).substr(at, n)))) co_return;
      at += n;
      if (rng().below(20) == 0) co_return;  // the client went away
      if (rng().below(4) == 0) co_await world.clock().sleep(random_time(milliseconds(300)));
    }
    auto written = co_await (*writer)->finish();
    if (!written || rng().below(12) == 0) co_return;
    check_acknowledged(*written);
    (*writer)->release();
    const auto id = metadata.put(name, written->manifest, written->intents);
    contents_[id] = content;
  }

  // Reads all or a part of what the key refers to now, as slowly as the client is.
  task<void> get_once(std::string name, Duration slowness, bool must_succeed) {
    if (!metadata.contains(name)) co_return;
    const auto id = metadata.id_of(name);
    const std::string& content = contents_.at(id);
    const std::uint64_t from = rng().below(content.size() + 1);
    const std::uint64_t length = rng().below(2) == 0 ? content.size() - from : rng().below(content.size() - from + 1);
    auto reader = co_await store.read(Context(), metadata::kRootGroup, id, metadata.at(id), from, length);
    if (!reader) {
      if (must_succeed) violate("a read was refused without a fault: {}", reader.error().message);
      co_return;
    }
    std::string got;
    for (;;) {
      auto piece = co_await (*reader)->next();
      if (!piece) {
        if (must_succeed) violate("a read failed without a fault: {}", piece.error().message);
        co_return;
      }
      if (piece->empty()) break;
      got += piece->text();
      if (slowness.count() > 0) co_await world.clock().sleep(random_time(slowness));
    }
    if (got != std::string_view(content).substr(from, length)) violate("a read gave wrong bytes");
  }

  task<void> work(int worker, bool must_succeed) {
    for (int step = 0; step < kStepsOfWorker && !violation_; ++step) {
      const std::string own = fmt::format("{}/{}", worker, rng().below(4));
      const std::string any = fmt::format("{}/{}", rng().below(kWorkers), rng().below(4));
      switch (rng().below(6)) {
        case 0:
        case 1:
        case 2: co_await put_once(own); break;
        case 3:
          if (metadata.contains(own)) metadata.remove(own);
          break;
        default: co_await get_once(any, must_succeed ? seconds(30) : milliseconds(100), must_succeed);
      }
      co_await world.clock().sleep(random_time(milliseconds(500)));
    }
    --working_;
  }

  // --- Faults ---

  void damage(FakeShardStore& drive) {
    if (rng().below(2) == 0) {
      drive.wipe();
      return;
    }
    std::vector<ShardKey> keys;
    for (const auto& [key, bytes] : drive.shards()) keys.push_back(key);
    for (const ShardKey& key : keys) {
      switch (rng().below(4)) {
        case 0: drive.lose(key); break;
        case 1: drive.corrupt(key); break;
        case 2: drive.tamper(key, rng().below(drive.shards().at(key).size())); break;
        default: break;
      }
    }
  }

  task<void> cause_faults() {
    std::size_t left_to_damage = 5 + rng().below(30);
    while (working_ > 0 && !violation_) {
      co_await world.clock().sleep(random_time(milliseconds(400)));
      FakeShardStore& drive = *drives[rng().below(drives.size())];
      switch (rng().below(9)) {
        case 0: drive.faults.down = true; break;
        case 1:
        case 2:
          for (auto& each : drives) each->faults.down = false;
          co_await placement.refresh(Context());
          break;
        case 3: drive.faults.delay_max = random_time(seconds(2)); break;
        case 4: drive.faults.delay_max = Duration(0); break;
        case 5: drive.faults.put_failure_percent = static_cast<unsigned>(rng().below(60)); break;
        case 6: drive.faults.read_failure_percent = static_cast<unsigned>(rng().below(30)); break;
        case 7: drive.crash(); break;
        case 8:
          drive.faults.hang = true;
          co_await world.clock().sleep(random_time(kHangMax));
          drive.release();
          break;
      }
      if (left_to_damage > 0 && --left_to_damage == 0) {
        damage(*drives[bad_drive_]);
        damage_done_ = true;
      }
    }
    stop_faults();
  }

  void stop_faults() {
    for (auto& drive : drives) {
      drive->release();
      drive->faults = {};
    }
  }

  // --- Phases ---

  task<void> chaos() {
    Gate gate;
    working_ = kWorkers;
    spawn(world.executor(), gate, "faults", cause_faults());
    for (int i = 0; i < kWorkers; ++i) spawn(world.executor(), gate, "worker", work(i, false));
    co_await gate.close();
  }

  task<void> calm() {
    Gate gate;
    working_ = kWorkers;
    Collector hasty(store, {.interval = seconds(1), .grace = Duration(0)});
    hasty.start(world.executor());
    for (int i = 0; i < kWorkers; ++i) spawn(world.executor(), gate, "worker", work(i, true));
    while (working_ > 0) {
      co_await world.clock().sleep(seconds(1));
      if (contents_.empty()) continue;
      auto it = contents_.lower_bound(rng().below(contents_.rbegin()->first) + 1);
      const auto page = co_await metadata.manifest(Context(), metadata::kRootGroup, it->first);
      if (page && !page->blocks().empty() && rng().below(10) == 0) metadata.doom_by_mistake(it->first);
    }
    co_await gate.close();
    co_await hasty.stop();
    for (const auto& [name, id] : metadata.keys()) co_await get_once(name, Duration(0), true);
  }

  // Everything acknowledged is there, and comes to be where it belongs.
  void heal(const std::string& when) {
    stop_faults();
    world.run_for(seconds(40));
    world.run(placement.refresh(Context()));
    for (const auto& [name, id] : metadata.keys()) {
      const auto got = read(id);
      if (!got) return violate("{}: an acknowledged object cannot be read: {}", when, got.error().message);
      if (*got != contents_.at(id)) return violate("{}: an acknowledged object has wrong bytes", when);
    }
    // A drive whose shards were damaged one by one is scrubbed: what is bad on it counts as missing.
    for (const std::size_t d : damaged_drives()) drives[d]->wipe();
    rebalancer_.assign(RebalanceWork{.job = ++jobs_, .epoch = placement.view()->epoch(), .share = {}});
    for (int i = 0; i < 60 && !rebalancer_.progress().finished; ++i) world.run_for(seconds(10));
    if (!rebalancer_.progress().finished || rebalancer_.progress().failed_blocks != 0) {
      return violate("{}: a drive could not be rebuilt", when);
    }
    repairer_.wake();
    for (int i = 0; i < 60 && !metadata.intents().empty(); ++i) world.run_for(seconds(10));
    if (!metadata.intents().empty()) return violate("{}: repair does not converge", when);
    for (const auto& [name, id] : metadata.keys()) {
      for (int i = 0; i < metadata.at(id).blocks_size(); ++i) {
        const BlockRef ref = block(id, i);
        for (unsigned shard = 0; shard < BlockLayout(ref).shards(); ++shard) {
          if (home_drive(ref.id, shard).has(key(ref.id, shard))) continue;
          return violate("{}: a shard never came home", when);
        }
      }
    }
  }
  std::vector<std::size_t> damaged_drives() {
    std::vector<std::size_t> out = std::exchange(disaster_, {});
    if (damage_done_) out.push_back(bad_drive_);
    damage_done_ = false;
    return out;
  }

  void disaster() {
    std::vector<std::size_t> all;
    for (std::size_t d = 0; d < drives.size(); ++d) all.push_back(d);
    for (unsigned i = 0; i < store.core().options.profile.parity; ++i) {
      const auto at = static_cast<std::ptrdiff_t>(rng().below(all.size()));
      disaster_.push_back(all[static_cast<std::size_t>(at)]);
      all.erase(all.begin() + at);
      damage(*drives[disaster_.back()]);
    }
    heal("after the disaster");
  }

  void clear() {
    const auto names = metadata.keys();
    for (const auto& [name, id] : names) metadata.remove(name);
    Collector last(store, {.grace = Duration(0)});
    world.run_for(seconds(60));
    if (!world.run(last.run_once(Context()))) return violate("the collection failed");
    if (!metadata.doomed_entries().empty()) return violate("doomed entries remain");
    if (shards_stored() != 0) return violate("{} shards remain that nothing refers to", shards_stored());
    if (memory.used() != 0) return violate("{} bytes of memory were not given back", memory.used());
  }

  Repairer repairer_;
  Rebalancer rebalancer_;
  std::uint64_t jobs_ = 0;
  Collector collector_;
  std::map<metadata::ManifestId, std::string> contents_;  // the ledger
  std::optional<std::string> violation_;
  std::size_t bad_drive_ = 0;
  bool damage_done_ = false;
  std::vector<std::size_t> disaster_;
  int working_ = 0;
};

}  // namespace

std::optional<std::string> run_data_simulation(const DataSimulation& simulation) {
  Simulation run(simulation);
  return run.run();
}

}  // namespace gabion::test
