// The data path while the ring changes: reads, writes, rebalance, scrub and collection with previous rings.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/data/changing_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here
using std::chrono::milliseconds;
using std::chrono::seconds;

// Refuses puts as a chunk server does that knows a newer ring, until the caller acts by it.
class StaleStore final : public chunkserver::ShardStore {
 public:
  using ShardKey = chunkserver::ShardKey;
  StaleStore(FakeShardStore& store, Placement& placement, std::uint64_t epoch)
      : store_(store), placement_(placement), epoch_(epoch) {}
  task<Result<void>> put(Context ctx, ShardKey key, std::vector<Bytes> pieces) override {
    if (placement_.view()->epoch() < epoch_) co_return Error(Errc::conflict, "stale ring epoch");
    co_return co_await store_.put(ctx, key, std::move(pieces));
  }
  task<Result<Bytes>> read(Context ctx, ShardKey key, std::uint32_t offset, std::uint32_t length) override {
    return store_.read(ctx, key, offset, length);
  }
  task<Result<chunkserver::ShardInfo>> stat(Context ctx, ShardKey key) override { return store_.stat(ctx, key); }
  task<Result<void>> remove(Context ctx, std::vector<ShardKey> keys) override { return store_.remove(ctx, std::move(keys)); }
  task<Result<chunkserver::ShardPage>> list(Context ctx, ShardKey from, std::size_t limit) override {
    return store_.list(ctx, from, limit);
  }
  task<Result<chunkserver::DriveStatus>> status(Context ctx) override { return store_.status(ctx); }

 private:
  FakeShardStore& store_;
  Placement& placement_;
  const std::uint64_t epoch_;
};

}  // namespace

TEST_CASE("while shards move they are read from where they were, and nothing is taken for damage") {
  ChangingWorld world;
  world.put_objects();
  world.change_ring();
  CHECK_FALSE(world.in_place());
  world.check_readable();
  CHECK(world.store.core().metrics.reconstructions.value() == 0);
  CHECK(world.store.core().repairs.empty());
  // Without the previous ring they are searched for.
  world.placement.update(world.layout(world.new_ring, {}));
  world.check_readable();
}

TEST_CASE("a rebalance brings every shard home and leaves nothing behind") {
  ChangingWorld world;
  world.put_objects();
  world.change_ring();
  Workers workers(world);
  workers.rebalancer.assign(world.work());
  world.world.run_for(seconds(30));
  const auto progress = workers.rebalancer.progress();
  CHECK(progress.finished);
  CHECK(progress.blocks_done == 30);
  CHECK(progress.bytes_moved > 0);
  CHECK(progress.failed_blocks == 0);
  CHECK(world.in_place());
  CHECK(world.store.core().metrics.reconstructions.value() == 0);
  world.check_readable();
}

TEST_CASE("a shard that is nowhere is made anew, and one that is damaged at home is copied again") {
  ChangingWorld world;
  world.put_objects();
  // The whole of one drive is lost with the change.
  world.drives[2]->wipe();
  world.change_ring();
  Workers workers(world);
  workers.rebalancer.assign(world.work());
  world.world.run_for(seconds(60));
  CHECK(workers.rebalancer.progress().finished);
  CHECK(world.in_place());
  world.check_readable();
}

TEST_CASE("two members each do their share") {
  ChangingWorld world;
  world.put_objects();
  world.change_ring();
  Workers workers(world);
  RebalanceWork first = world.work();
  first.share = {0, 2};
  workers.rebalancer.assign(first);
  world.world.run_for(seconds(30));
  CHECK(workers.rebalancer.progress().finished);
  CHECK_FALSE(world.in_place());
  RebalanceWork second = world.work();
  second.share = {1, 2};
  workers.rebalancer.assign(second);
  world.world.run_for(seconds(30));
  CHECK(workers.rebalancer.progress().finished);
  CHECK(world.in_place());
}

TEST_CASE("nothing moves while paused, or while somebody moves by an older ring, or before the ring has come") {
  ChangingWorld world;
  world.put_objects();
  Workers workers(world);
  workers.rebalancer.assign(world.work());
  world.world.run_for(seconds(10));
  CHECK_FALSE(workers.rebalancer.progress().finished);
  world.change_ring();
  RebalanceWork work = world.work();
  work.movers_settled = false;
  workers.rebalancer.assign(work);
  world.world.run_for(seconds(10));
  CHECK(workers.rebalancer.progress().bytes_moved == 0);
  work.movers_settled = true;
  work.paused = true;
  workers.rebalancer.assign(work);
  world.world.run_for(seconds(10));
  CHECK(workers.rebalancer.progress().bytes_moved == 0);
  work.paused = false;
  work.writers_settled = false;
  workers.rebalancer.assign(work);
  world.world.run_for(seconds(10));
  CHECK(world.in_place());
  CHECK_FALSE(workers.rebalancer.progress().finished);
  // A writer that had placed a block by the old ring commits it now: it is moved before the end.
  world.placement.update(world.layout(world.new_ring, {world.old_ring}));
  work.writers_settled = true;
  workers.rebalancer.assign(work);
  world.world.run_for(seconds(10));
  CHECK(workers.rebalancer.progress().finished);
}

TEST_CASE("what was written by the old ring is moved when it is committed after the walk") {
  ChangingWorld world;
  world.put_objects();
  const std::string content = random_text(world.world.rng(), 400'000);
  const auto written = world.write(content, content.size());
  REQUIRE(written.has_value());
  CHECK(written->manifest.ring_epoch() == world.old_ring.epoch());
  world.change_ring();
  Workers workers(world);
  RebalanceWork work = world.work();
  work.writers_settled = false;
  workers.rebalancer.assign(work);
  world.world.run_for(seconds(20));
  world.contents[world.metadata.put("late", written->manifest)] = content;
  work.writers_settled = true;
  workers.rebalancer.assign(work);
  world.world.run_for(seconds(20));
  CHECK(workers.rebalancer.progress().finished);
  CHECK(world.in_place());
}

TEST_CASE("a dead home keeps the job open until it is back") {
  ChangingWorld world;
  world.put_objects();
  world.change_ring();
  world.drives[6]->faults.down = true;
  Workers workers(world);
  workers.rebalancer.assign(world.work());
  world.world.run_for(seconds(30));
  CHECK_FALSE(workers.rebalancer.progress().finished);
  world.drives[6]->faults.down = false;
  world.world.run(world.placement.refresh_failed(Context()));
  world.world.run_for(seconds(60));
  CHECK(workers.rebalancer.progress().finished);
  CHECK(world.in_place());
}

TEST_CASE("a block that a drive refuses for an old ring goes on by the new one") {
  ChangingWorld world;
  std::vector<std::unique_ptr<StaleStore>> stale;
  for (std::size_t i = 0; i < 6; i += 2) {
    stale.push_back(std::make_unique<StaleStore>(*world.drives[i], world.placement, world.new_ring.epoch()));
    world.placement.attach(world.ids[i], *stale.back());
  }
  world.world.at(world.world.now_ns() + 300'000'000, [&] { world.change_ring(); });
  const std::string content = random_text(world.world.rng(), 500'000);
  const auto written = world.write(content, content.size());
  INFO((written ? "" : written.error().message));
  REQUIRE(written.has_value());
  CHECK(written->manifest.ring_epoch() == world.old_ring.epoch());  // by which the first shards went out
  CHECK(world.store.core().metrics.rings_followed.value() == 1);
  const auto id = world.metadata.put("k", written->manifest, written->intents);
  CHECK(world.read(id).value() == content);
}

TEST_CASE("without the new ring the write is refused in time, and says why") {
  ChangingWorld world;
  std::vector<std::unique_ptr<StaleStore>> stale;
  for (std::size_t i = 0; i < 6; ++i) {
    stale.push_back(std::make_unique<StaleStore>(*world.drives[i], world.placement, world.new_ring.epoch()));
    world.placement.attach(world.ids[i], *stale.back());
  }
  const auto written = world.write(random_text(world.world.rng(), 500'000));
  REQUIRE_FALSE(written.has_value());
  CHECK(written.error().code == Errc::unavailable);
  CHECK(written.error().message.find("newer ring") != std::string::npos);
  CHECK(world.world.now_ns() < 10'000'000'000);
}

TEST_CASE("new blocks have the class that the cluster says, and an older layout changes nothing") {
  ChangingWorld world;
  auto layout = world.layout(world.new_ring, {});
  layout.profile = erasure::Profile{2, 1};
  world.placement.update(std::move(layout));
  const auto written = world.write(random_text(world.world.rng(), 500'000));
  CHECK(written->manifest.data_shards() == 2);
  world.placement.update(world.layout(world.old_ring, {}));
  CHECK(world.placement.view()->epoch() == world.new_ring.epoch());
}

TEST_CASE("a drive that is drained gets nothing new") {
  ChangingWorld world;
  std::vector<ring::Drive> members = world.new_ring.drives();
  for (ring::Drive& drive : members) {
    if (drive.id == world.ids[3]) drive.weight = 0;
  }
  const auto ring = *ring::build(world.new_ring, members, 6, 4);
  world.placement.update(world.layout(ring, {world.new_ring}));
  world.drives[0]->faults.down = true;  // handoffs are needed
  world.put_objects();
  CHECK(world.drives[3]->shards().empty());
}

TEST_CASE("blocks are not safe on one node alone where the cluster has three") {
  std::vector<ring::Drive> members(9);
  SeededRng rng(3);
  for (std::size_t i = 0; i < members.size(); ++i) members[i] = {DriveId::random(rng), 1, {"n" + std::to_string(i / 3)}};
  const auto view = Placement(*ring::build(ring::Ring(), members, 3, 4)).view();
  const auto of = [&](std::size_t member) { return view->find(members[member].id); };
  CHECK_FALSE(view->spread({of(0), of(1), of(2)}));
  CHECK_FALSE(view->spread({of(0), std::nullopt}));
  CHECK(view->spread({of(0), std::nullopt, of(4)}));
}

TEST_CASE("scrub finds what is bad or missing at home, and removes what is good at home and lies elsewhere") {
  ChangingWorld world;
  world.put_objects();
  const BlockRef some = world.block(world.contents.begin()->first);
  const BlockRef other = world.block(std::next(world.contents.begin())->first);
  world.home_drive(some.id, 1).corrupt(DataWorld::key(some.id, 1));
  world.home_drive(other.id, 2).lose(DataWorld::key(other.id, 2));
  const std::size_t away = (world.home(some.id, 3) + 1) % 6;
  world.drives[away]->set(DataWorld::key(some.id, 3), world.home_drive(some.id, 3).shards().at(DataWorld::key(some.id, 3)));
  Workers workers(world);
  std::vector<Scrubber::LocalDrive> mine;
  for (std::size_t i = 0; i < 6; ++i) {
    Scrubber::LocalDrive drive;
    drive.id = world.ids[i];
    drive.store = world.drives[i].get();
    drive.verify = [store = world.drives[i].get()](Context ctx, chunkserver::ShardKey key) -> task<Result<void>> {
      const auto read = co_await store->read(ctx, key, 0, 0);
      if (!read) co_return read.error();
      co_return Result<void>();
    };
    mine.push_back(std::move(drive));
  }
  workers.scrubber.set_drives(std::move(mine));
  workers.scrubber.assign(ScrubWork{.job = 9});
  world.world.run_for(seconds(30));
  const auto progress = workers.scrubber.progress();
  CHECK(progress.finished);
  CHECK(progress.shards_done == progress.shards_total);
  CHECK(progress.bad_shards == 2);
  CHECK(progress.strays == 1);
  CHECK(world.in_place());
  CHECK(world.metadata.intents().empty());
}

TEST_CASE("the collector leaves alone what is read at other gateways, and works on one node only") {
  ChangingWorld world;
  world.put_objects();
  const auto first = world.metadata.id_of("key0");
  for (int i = 0; i < 2; ++i) world.metadata.remove("key" + std::to_string(i));
  bool here = false;
  Result<std::vector<metadata::ManifestId>> pinned = std::vector<metadata::ManifestId>{first};
  Collector::CollectorOptions options{.grace = Duration(0)};
  options.collects_here = [&] { return here; };
  options.pinned_elsewhere = [&](Context) -> task<Result<std::vector<metadata::ManifestId>>> { co_return pinned; };
  Collector collector(world.store, std::move(options));
  CHECK(world.world.run(collector.run_once({})).value() == 0);
  here = true;
  CHECK(world.world.run(collector.run_once({})).value() == 1);
  CHECK(world.metadata.doomed_entries().contains(first));
  pinned = Error(Errc::unavailable, "a gateway does not tell");
  CHECK_FALSE(world.world.run(collector.run_once({})).has_value());
  CHECK(world.metadata.doomed_entries().contains(first));
  pinned = std::vector<metadata::ManifestId>();
  CHECK(world.world.run(collector.run_once({})).value() == 1);
}

TEST_CASE("a drive that was given up does not keep the collector waiting, one that is down does") {
  ChangingWorld world;
  world.put_objects();
  world.change_ring();
  world.metadata.remove("key0");
  world.drives[1]->faults.down = true;
  Collector collector(world.store, {.grace = Duration(0)});
  CHECK(world.world.run(collector.run_once({})).value() == 0);
  CHECK(world.metadata.doomed_entries().size() == 1);
  std::vector<ring::Drive> left = world.new_ring.drives();
  std::erase_if(left, [&](const ring::Drive& drive) { return drive.id == world.ids[1]; });
  auto layout = world.layout(*ring::build(world.new_ring, left, 6, 4), {world.new_ring});
  std::erase_if(layout.drives, [&](const auto& drive) { return drive.id == world.ids[1]; });
  world.placement.update(std::move(layout));
  CHECK(world.world.run(collector.run_once({})).value() == 1);
  CHECK(world.metadata.doomed_entries().empty());
}

}  // namespace gabion::test
