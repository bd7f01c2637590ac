#include <catch2/catch_test_macros.hpp>

#include "gateway/data/rebalance.h"
#include "tests/support/data_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here

// All shards of all blocks hold the bytes they were written with.
std::vector<std::map<chunkserver::ShardKey, std::string>> snapshot(const DataWorld& w) {
  std::vector<std::map<chunkserver::ShardKey, std::string>> out;
  for (const auto& drive : w.drives) {
    auto& shards = out.emplace_back();
    for (const auto& [key, bytes] : drive->shards()) shards[key] = bytes.text();
  }
  return out;
}

struct RepairWorld : DataWorld {
  explicit RepairWorld(DataWorldOptions options) : DataWorld(std::move(options)), repairer(store, {}) {}
  bool repair() {
    world.run(placement.refresh(Context()));
    GABION_CHECK(world.run(repairer.flush(Context())).has_value(), "the fake metadata takes intents");
    return *world.run(repairer.run_once(Context()));
  }
  Repairer repairer;
};

TEST_CASE("what a read finds bad is brought back byte for byte, and the intent ends") {
  for (const erasure::Profile profile : {erasure::Profile{1, 1}, {2, 1}, {4, 2}, {8, 3}}) {
    for (const std::size_t size : {std::size_t{20'000}, std::size_t{300'001}, kBlockBytes}) {
      DataWorldOptions options;
      options.profile = profile;
      RepairWorld w(options);
      const std::string content = random_text(w.world.rng(), size);
      const auto id = w.put("key", content);
      const auto before = snapshot(w);
      const BlockRef block = w.block(id);
      w.home_drive(block.id, 0).lose(w.key(block.id, 0));
      if (profile.parity > 1) w.home_drive(block.id, 1).corrupt(w.key(block.id, 1));
      REQUIRE(w.read(id).has_value());
      CHECK(w.repair());
      CHECK(snapshot(w) == before);
      CHECK(w.metadata.intents().empty());
      for (auto& drive : w.drives) drive->calls = {};
      CHECK((*w.read(id) == content));
      CHECK(w.store.core().repairs.empty());
    }
  }
}

TEST_CASE("shards written away from a dead home go there when it is back, and only then leave the other drive") {
  for (const std::size_t drives : {std::size_t{6}, std::size_t{8}}) {
    DataWorldOptions options;
    options.drives = drives;
    RepairWorld w(options);
    w.drives[0]->faults.down = true;
    w.drives[1]->faults.down = true;
    std::vector<std::pair<metadata::ManifestId, std::string>> objects;
    for (int i = 0; i < 8; ++i) {
      const std::string content = random_text(w.world.rng(), i % 2 == 0 ? 60'000 : 700'000);
      objects.emplace_back(w.put("key" + std::to_string(i), content), content);
    }
    const std::size_t stored = w.shards_stored();
    CHECK(!w.repair());
    CHECK(w.shards_stored() == stored);
    CHECK(!w.metadata.intents().empty());
    w.drives[0]->faults.down = false;
    w.drives[1]->faults.down = false;
    CHECK(w.repair());
    CHECK(w.metadata.intents().empty());
    for (const auto& [id, content] : objects) {
      CHECK(w.all_at_home(w.block(id)));
      CHECK((*w.read(id) == content));
    }
  }
}

TEST_CASE("the copy away from home stays while home cannot be verified") {
  DataWorldOptions options;
  options.drives = 7;
  RepairWorld w(options);
  w.drives[0]->faults.down = true;
  const auto id = w.put("key", random_text(w.world.rng(), 700'000));
  if (w.metadata.intents().empty()) return;  // this block's row does not have the drive
  const std::size_t stored = w.shards_stored();
  w.drives[0]->faults.down = false;
  w.drives[0]->faults.read_failure_percent = 100;
  CHECK(!w.repair());
  CHECK(w.shards_stored() >= stored);
  CHECK(!w.metadata.intents().empty());
  w.drives[0]->faults.read_failure_percent = 0;
  CHECK(w.repair());
  CHECK(w.all_at_home(w.block(id)));
}

TEST_CASE("a shard that is lost while its home is dead gets another drive, and the intent stays") {
  DataWorldOptions options;
  options.drives = 8;
  RepairWorld w(options);
  const auto id = w.put("key", random_text(w.world.rng(), 700'000));
  const BlockRef block = w.block(id);
  w.home_drive(block.id, 2).lose(w.key(block.id, 2));
  REQUIRE(w.read(id).has_value());
  w.home_drive(block.id, 2).faults.down = true;
  CHECK(!w.repair());
  CHECK(w.shards_stored() == 6);
  CHECK(!w.metadata.intents().empty());
  CHECK(!w.repair());
  CHECK(w.shards_stored() == 6);
  w.home_drive(block.id, 2).faults.down = false;
  CHECK(w.repair());
  CHECK(w.all_at_home(block));
}

TEST_CASE("intents of deleted objects end without a trace") {
  RepairWorld w({});
  const auto id = w.put("key", random_text(w.world.rng(), 700'000));
  const BlockRef block = w.block(id);
  w.home_drive(block.id, 0).lose(w.key(block.id, 0));
  REQUIRE(w.read(id).has_value());
  REQUIRE(w.world.run(w.repairer.flush(Context())).has_value());
  w.metadata.remove("key");
  CHECK(w.repair());
  CHECK(w.metadata.intents().empty());
  CHECK(w.shards_stored() == 5);
}

TEST_CASE("what cannot be repaired stays in the list, and nothing is removed") {
  RepairWorld w({});
  const auto id = w.put("key", random_text(w.world.rng(), 700'000));
  const BlockRef block = w.block(id);
  for (unsigned shard = 0; shard < 3; ++shard) w.home_drive(block.id, shard).lose(w.key(block.id, shard));
  CHECK(!w.read(id).has_value());
  CHECK(!w.repair());
  CHECK(!w.metadata.intents().empty());
  CHECK(w.shards_stored() == 3);
  CHECK(w.repairer.progress().failed_blocks > 0);
}

TEST_CASE("a shard with good checksums and wrong bytes is found by the tags, read around and repaired") {
  for (const std::size_t size : {std::size_t{20'000}, std::size_t{700'000}, kBlockBytes}) {
    for (const unsigned shard : {0u, 1u, 3u}) {
      RepairWorld w({});
      const std::string content = random_text(w.world.rng(), size);
      const auto id = w.put("key", content);
      const BlockRef block = w.block(id);
      if (shard >= BlockLayout(block).shards() || (block.copies && shard != 0)) continue;
      const auto before = snapshot(w);
      w.home_drive(block.id, shard).tamper(w.key(block.id, shard), 1000);
      INFO("size " << size << " shard " << shard);
      const auto got = w.read(id);
      REQUIRE(got.has_value());
      CHECK((*got == content));
      CHECK(w.repair());
      CHECK(snapshot(w) == before);
    }
  }
}

TEST_CASE("a wiped drive is rebuilt whole, and nothing else is written") {
  for (const std::size_t drives : {std::size_t{6}, std::size_t{9}}) {
    DataWorldOptions options;
    options.drives = drives;
    RepairWorld w(options);
    w.put("small", "inline");
    for (int i = 0; i < 6; ++i) w.put("key" + std::to_string(i), random_text(w.world.rng(), 30'000 + i * 200'000));
    w.put("big", random_text(w.world.rng(), 2 * kBlockBytes + 1));
    const auto before = snapshot(w);
    w.drives[3]->wipe();
    for (auto& drive : w.drives) drive->calls = {};
    Rebalancer rebalancer(w.store, w.repairer, {});
    w.repairer.start(w.world.executor());
    rebalancer.start(w.world.executor());
    for (const std::size_t puts : {before[3].size(), std::size_t{0}}) {  // the second time there is nothing to do
      w.drives[3]->calls = {};
      rebalancer.assign(RebalanceWork{.job = 1 + puts, .epoch = w.placement.view()->epoch(), .share = {}});
      w.world.run_for(std::chrono::seconds(30));
      CHECK(rebalancer.progress().finished);
      CHECK(rebalancer.progress().failed_blocks == 0);
      CHECK(snapshot(w) == before);
      CHECK(w.drives[3]->calls.puts == puts);
    }
    for (std::size_t d = 0; d < drives; ++d) {
      if (d != 3) CHECK(w.drives[d]->calls.puts == 0);
    }
    w.world.run(rebalancer.stop());
    w.world.run(w.repairer.stop());
  }
}

TEST_CASE("many blocks are repaired at once, those with the fewest shards left first, however many there are") {
  DataWorldOptions options;
  options.drives = 9;
  options.memory = 4 * GiB;
  RepairWorld w(options);
  std::vector<BlockRef> blocks;
  constexpr int kBlocks = 1500;  // more than one page of the list
  for (int i = 0; i < kBlocks; ++i) blocks.push_back(w.block(w.put("key" + std::to_string(i), random_text(w.world.rng(), 9000))));
  // One copy of each is gone; of the one that comes last by its id, two of three.
  const auto last = std::max_element(blocks.begin(), blocks.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  std::iter_swap(last, blocks.end() - 1);
  metadata::Command command;
  for (const BlockRef& block : blocks) {
    auto* const intent = command.mutable_add_repairs()->add_intents();
    intent->set_block(std::string(block.id.raw()));
    intent->set_manifest(block.manifest);
    const unsigned gone = &block == &blocks.back() ? 2 : 1;
    for (unsigned shard = 0; shard < gone; ++shard) {
      intent->add_shards(shard);
      w.home_drive(block.id, shard).lose(w.key(block.id, shard));
    }
  }
  REQUIRE(w.world.run(w.metadata.commit(Context(), std::move(command))).has_value());
  for (auto& drive : w.drives) drive->faults.delay_min = drive->faults.delay_max = std::chrono::milliseconds(10);

  // A block takes some 60 ms: a look at its home, a read, a put, a read, and a look for strays.
  bool done = false;
  Gate gate;
  const auto work = [](RepairWorld& world, bool& ended) -> task<void> {
    Context ctx;
    ctx.priority = Priority::background;
    ended = *co_await world.repairer.run_once(ctx);
  };
  spawn(w.world.executor(), gate, "repair", work(w, done));
  w.world.run_for(std::chrono::milliseconds(200));
  CHECK(w.all_at_home(blocks.back()));
  CHECK(w.metadata.intents().size() > kBlocks - 50);
  w.world.run_for(std::chrono::seconds(15));  // one at a time would take a minute and a half
  CHECK(done);
  CHECK(w.metadata.intents().empty());
  for (const BlockRef& block : blocks) CHECK(w.all_at_home(block));
  w.world.run(gate.close());
}

TEST_CASE("when two drives are lost, blocks that had a shard on both are rebuilt before the others") {
  DataWorldOptions options;
  options.drives = 8;
  RepairWorld w(options);
  std::vector<BlockRef> blocks;
  for (int i = 0; i < 200; ++i) blocks.push_back(w.block(w.put("key" + std::to_string(i), random_text(w.world.rng(), 150'000))));
  const ring::Ring before = *w.placement.view()->ring;
  Placement::Layout layout;
  layout.ring = *ring::build(before, {before.drives().begin() + 2, before.drives().end()}, 6, 4);
  layout.previous.push_back(before);
  for (std::size_t i = 2; i < w.drives.size(); ++i) layout.drives.push_back({before.drives()[i].id, w.drives[i].get()});
  w.placement.update(std::move(layout));
  const auto view = w.placement.view();
  REQUIRE(view->drives_lost() == 2);
  const auto whole = [&](unsigned lost) {
    return std::count_if(blocks.begin(), blocks.end(), [&](const BlockRef& block) {
      if (view->shards_lost(block.id) != lost) return false;
      for (unsigned shard = 0; shard < 6; ++shard) {
        const DriveId home = view->drives[*view->home(block.id, shard)].id;
        const auto& drives = before.drives();
        const auto at = std::find_if(drives.begin(), drives.end(), [&](const ring::Drive& d) { return d.id == home; });
        if (!w.drives[static_cast<std::size_t>(at - drives.begin())]->has(w.key(block.id, shard))) return false;
      }
      return true;
    });
  };
  const auto with_lost = [&](unsigned lost) {
    const auto so_many = [&](const BlockRef& block) { return view->shards_lost(block.id) == lost; };
    return std::count_if(blocks.begin(), blocks.end(), so_many);
  };
  REQUIRE(with_lost(2) > 10);
  REQUIRE(with_lost(1) > 10);
  for (auto& drive : w.drives) drive->faults.delay_min = drive->faults.delay_max = std::chrono::milliseconds(10);
  Rebalancer rebalancer(w.store, w.repairer, {});
  w.repairer.start(w.world.executor());
  rebalancer.start(w.world.executor());
  rebalancer.assign(RebalanceWork{.job = 1, .epoch = view->epoch(), .share = {}});
  for (int i = 0; i < 1000 && whole(2) < with_lost(2); ++i) w.world.run_for(std::chrono::milliseconds(20));
  CHECK(whole(2) == with_lost(2));
  CHECK(whole(1) < with_lost(1) / 4);
  w.world.run_for(std::chrono::minutes(2));
  CHECK(rebalancer.progress().finished);
  CHECK(whole(1) == with_lost(1));
  w.world.run(rebalancer.stop());
  w.world.run(w.repairer.stop());
}

TEST_CASE("the background repair wakes when a read finds something, pauses, and stops") {
  RepairWorld w({});
  w.repairer.start(w.world.executor());
  w.world.run_for(std::chrono::seconds(1));
  const std::string content = random_text(w.world.rng(), 700'000);
  const auto id = w.put("key", content);
  const BlockRef block = w.block(id);
  const auto before = snapshot(w);
  w.home_drive(block.id, 0).lose(w.key(block.id, 0));
  w.repairer.pause();
  REQUIRE(w.read(id).has_value());
  w.world.run_for(std::chrono::seconds(100));
  CHECK(snapshot(w) != before);
  w.repairer.resume();
  w.world.run_for(std::chrono::seconds(2));
  CHECK(snapshot(w) == before);
  CHECK(w.repairer.progress().repaired_shards == 1);
  w.world.run(w.repairer.stop());
}

TEST_CASE("a block that cannot be repaired does not keep the repair busy") {
  RepairWorld w({});
  const auto id = w.put("key", random_text(w.world.rng(), 700'000));
  const BlockRef block = w.block(id);
  for (unsigned shard = 0; shard < 3; ++shard) w.home_drive(block.id, shard).lose(w.key(block.id, shard));
  CHECK(!w.read(id).has_value());
  w.repairer.start(w.world.executor());
  w.world.run_for(std::chrono::seconds(5));
  for (auto& drive : w.drives) drive->calls = {};
  w.world.run_for(std::chrono::minutes(10));
  std::uint64_t reads = 0;
  for (auto& drive : w.drives) reads += drive->calls.reads;
  CHECK(reads <= 20 * 6 * 12);  // every 30 seconds a look, of a bounded number of reads
  CHECK(w.repairer.progress().waiting_blocks == 1);
  w.world.run(w.repairer.stop());
}

TEST_CASE("while a home drive stays dead its intents are looked at once, not in every cycle") {
  RepairWorld w({});
  w.drives[0]->faults.down = true;
  for (int i = 0; i < 20; ++i) w.put("key" + std::to_string(i), random_text(w.world.rng(), 200'000));
  CHECK(!w.repair());
  for (auto& drive : w.drives) drive->calls = {};
  CHECK(!w.repair());
  for (auto& drive : w.drives) CHECK(drive->calls.reads + drive->calls.stats + drive->calls.lists == 0);
  w.drives[0]->faults.down = false;
  CHECK(w.repair());
}

TEST_CASE("repair keeps to its rate") {
  DataWorld w({});
  for (int i = 0; i < 10; ++i) {
    const auto id = w.put("key" + std::to_string(i), random_text(w.world.rng(), 1'000'000));
    w.home_drive(w.block(id).id, 0).lose(w.key(w.block(id).id, 0));
    REQUIRE(w.read(id).has_value());
  }
  Repairer repairer(w.store, {.bytes_per_second = 1'000'000});
  REQUIRE(w.world.run(repairer.flush(Context())).has_value());
  const auto before = w.world.clock().now();
  CHECK(*w.world.run(repairer.run_once(Context())));
  CHECK(w.world.clock().now() - before >= std::chrono::seconds(9));
}

}  // namespace
}  // namespace gabion::test
