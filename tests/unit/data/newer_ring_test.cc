// A member that goes by a ring which has been replaced: what it leaves alone, and what it does not take for lost.
#include <functional>

#include "tests/unit/data/changing_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here
using std::chrono::seconds;

// Tells of every put and read once it is done.
class ToldStore final : public chunkserver::ShardStore {
 public:
  using ShardKey = chunkserver::ShardKey;
  explicit ToldStore(FakeShardStore& store) : store_(store) {}
  std::function<void()> on_put, on_read;
  task<Result<void>> put(Context ctx, ShardKey key, std::vector<Bytes> pieces) override {
    auto done = co_await store_.put(ctx, key, std::move(pieces));
    if (on_put) on_put();
    co_return done;
  }
  task<Result<Bytes>> read(Context ctx, ShardKey key, std::uint32_t offset, std::uint32_t length) override {
    auto got = co_await store_.read(ctx, key, offset, length);
    if (on_read) on_read();
    co_return got;
  }
  task<Result<chunkserver::ShardInfo>> stat(Context ctx, ShardKey key) override { return store_.stat(ctx, key); }
  task<Result<void>> remove(Context ctx, std::vector<ShardKey> keys) override { return store_.remove(ctx, std::move(keys)); }
  task<Result<chunkserver::ShardPage>> list(Context ctx, ShardKey from, std::size_t limit) override {
    return store_.list(ctx, from, limit);
  }
  task<Result<chunkserver::DriveStatus>> status(Context ctx) override { return store_.status(ctx); }

 private:
  FakeShardStore& store_;
};

std::uint64_t removals(const ChangingWorld& world) {
  std::uint64_t sum = 0;
  for (const auto& drive : world.drives) sum += drive->calls.removes;
  return sum;
}

}  // namespace

TEST_CASE("a member that hears of a newer ring moves and removes nothing until it has it") {
  ChangingWorld world;
  world.put_objects();
  ToldStore fresh(*world.drives[6]);
  fresh.on_read = [&] { world.epochs.hear(world.new_ring.epoch() + 1); };
  auto layout = world.layout(world.new_ring, {world.old_ring});
  layout.drives[6].store = &fresh;
  world.placement.update(std::move(layout));
  Workers workers(world);
  workers.rebalancer.assign(world.work());
  world.world.run_for(seconds(30));
  CHECK(world.placement.behind());
  CHECK_FALSE(workers.rebalancer.progress().finished);
  CHECK(removals(world) == 0);
  world.check_readable();
}

TEST_CASE("repair leaves a copy away from home alone once a newer ring is heard of") {
  ChangingWorld world;
  world.put_objects();
  const auto id = world.contents.begin()->first;
  const BlockRef ref = world.block(id);
  const std::size_t home = world.home(ref.id, 1);
  FakeShardStore& away = *world.drives[(home + 1) % 6];
  away.set(DataWorld::key(ref.id, 1), world.drives[home]->shards().at(DataWorld::key(ref.id, 1)));
  ToldStore told(*world.drives[home]);
  told.on_read = [&] { world.epochs.hear(world.old_ring.epoch() + 1); };
  world.placement.attach(world.ids[home], told);
  Repairer repairer(world.store, {});
  const auto whole = world.world.run(repairer.make_whole({}, metadata::kRootGroup, id, ref.id, {1}));
  REQUIRE_FALSE(whole.has_value());
  CHECK(whole.error().code == Errc::conflict);
  CHECK(away.has(DataWorld::key(ref.id, 1)));
  CHECK(removals(world) == 0);
}

TEST_CASE("repair goes by one numbering of the drives, though a drive leaves meanwhile") {
  ChangingWorld world;
  world.put_objects();
  const auto id = world.contents.begin()->first;
  const BlockRef ref = world.block(id);
  unsigned shard = 0;
  while (world.home(ref.id, shard) != 5) ++shard;  // others are numbered anew when one before it leaves
  world.drives[5]->lose(DataWorld::key(ref.id, shard));
  std::vector<ring::Drive> left = world.new_ring.drives();
  std::erase_if(left, [&](const ring::Drive& drive) { return drive.id == world.ids[0]; });
  const auto smaller = *ring::build(world.new_ring, left, 6, 4);
  ToldStore told(*world.drives[5]);
  told.on_put = [&] {
    auto layout = world.layout(smaller, {world.new_ring});
    layout.drives[5].store = &told;
    layout.drives.erase(layout.drives.begin());
    world.placement.update(std::move(layout));
  };
  world.placement.attach(world.ids[5], told);
  Repairer repairer(world.store, {});
  const auto whole = world.world.run(repairer.make_whole({}, metadata::kRootGroup, id, ref.id, {shard}));
  REQUIRE_FALSE(whole.has_value());
  CHECK(whole.error().code == Errc::conflict);
  CHECK(world.drives[5]->has(DataWorld::key(ref.id, shard)));
  CHECK(removals(world) == 0);
}

TEST_CASE("by a ring that was replaced a block is not taken for lost") {
  ChangingWorld world;
  world.put_objects();
  const auto id = world.contents.begin()->first;
  const BlockRef ref = world.block(id);
  for (unsigned shard = 0; shard < 3; ++shard) world.home_drive(ref.id, shard).lose(DataWorld::key(ref.id, shard));
  CHECK(world.read(id).error().code == Errc::corrupt);
  world.epochs.hear(world.old_ring.epoch() + 1);
  CHECK(world.read(id).error().code == Errc::unavailable);
}

TEST_CASE("a block that seems lost gets a second chance before the rebalance ends") {
  ChangingWorld world;
  world.put_objects();
  const BlockRef ref = world.block(world.contents.begin()->first);
  world.change_ring();
  std::vector<std::pair<FakeShardStore*, std::pair<DataWorld::ShardKey, Bytes>>> hidden;
  for (auto& drive : world.drives) {
    for (const auto& [key, bytes] : drive->shards()) {
      if (key.block == ref.id && hidden.size() < 3) hidden.push_back({drive.get(), {key, bytes}});
    }
  }
  for (auto& [drive, shard] : hidden) drive->lose(shard.first);
  world.world.at(world.world.now_ns() + 500'000'000, [&] {
    for (auto& [drive, shard] : hidden) drive->set(shard.first, shard.second);
  });
  Workers workers(world);
  workers.rebalancer.assign(world.work());
  world.world.run_for(seconds(60));
  CHECK(workers.rebalancer.progress().finished);
  CHECK(workers.rebalancer.progress().failed_blocks == 0);
  CHECK(workers.rebalancer.progress().blocks_done == 30);
  world.check_readable();
}

TEST_CASE("with more failed blocks than are remembered the walk begins anew, until they are few") {
  ChangingWorld world;
  world.put_objects();
  world.change_ring();
  world.drives[6]->faults.down = true;
  Repairer repairer(world.store, {.interval = seconds(2)});
  Rebalancer rebalancer(world.store, repairer, {.bytes_per_second = 0, .failed_max = 3, .retry = seconds(1)});
  repairer.start(world.world.executor());
  rebalancer.start(world.world.executor());
  RebalanceWork work = world.work();
  work.writers_settled = false;
  rebalancer.assign(work);
  world.world.run_for(seconds(30));
  CHECK(rebalancer.progress().blocks_total == 0);  // no walk came to its end
  world.drives[6]->faults.down = false;
  world.world.run(world.placement.refresh_failed(Context()));
  work.writers_settled = true;
  rebalancer.assign(work);
  world.world.run_for(seconds(60));
  CHECK(rebalancer.progress().finished);
  CHECK(world.in_place());
  world.world.run(rebalancer.stop());
  world.world.run(repairer.stop());
}

}  // namespace gabion::test
