// What goes through everything goes through all groups, also those that are split off meanwhile.
#include "common/log.h"
#include "gateway/data/rebalance.h"
#include "tests/unit/routed/copy_world.h"

namespace gabion::metadata::test {
namespace {

// Objects in three groups, some of which two groups have.
struct WalkWorld : CopyWorld {
  WalkWorld() {
    log::set_level(log::Level::error);
    for (char letter = 'a'; letter <= 'x'; ++letter) {
      if (letter == 'g') groups.split(bucket, "m");
      if (letter == 's') groups.split(bucket, "e");
      const std::string key(1, letter);
      contents[key] = text_of(150'000 + world.rng().below(300'000));
      put_bytes(key, contents[key]);
    }
  }
  std::size_t intents() {
    std::size_t sum = 0;
    for (const GroupId group : groups.all()) {
      sum += world.run(gateway.metadata().repairs(Context(), group, "", 1000))->size();
    }
    return sum;
  }
  FakeShardStore& store_of(const DriveId& id) {
    const auto view = placement.view();
    return *static_cast<FakeShardStore*>(view->drives[*view->find(id)].store);
  }
  // All shards of all objects are at home, and nothing else is anywhere.
  bool in_place() {
    const auto view = placement.view();
    std::size_t expected = 0;
    for (const auto& [key, content] : contents) {
      const auto object = get(bucket, key).value();
      const BlockRef ref = *block_ref(object.manifest, object.version.manifest(), 0);
      for (unsigned shard = 0; shard < BlockLayout(ref).shards(); ++shard) {
        ++expected;
        if (!store_of(view->drives[*view->home(ref.id, shard)].id).has({ref.id, static_cast<std::uint8_t>(shard)})) return false;
      }
    }
    return shards() == expected;
  }
  void check_readable() {
    for (const auto& [key, content] : contents) CHECK((bytes(key) == content));
  }
  std::map<std::string, std::string> contents;
};

}  // namespace

TEST_CASE("bad shards are recorded where their manifests are, and repaired in every group") {
  WalkWorld w;
  Repairer repairer(w.store, {});
  CHECK(w.in_place());
  w.drives[2]->wipe();
  w.check_readable();
  CHECK_FALSE(w.in_place());
  REQUIRE(w.world.run(repairer.flush(Context())).has_value());
  CHECK(w.intents() >= w.contents.size() / 2);
  CHECK(w.world.run(repairer.run_once(Context())).value());
  CHECK(w.intents() == 0);
  CHECK(w.world.run(w.gateway.metadata().statistics({}))->repairs_pending == 0);
  for (const GroupId group : w.groups.all()) w.groups.trim(group);
  w.check_readable();
  REQUIRE(w.world.run(repairer.flush(Context())).has_value());
  CHECK(w.world.run(repairer.run_once(Context())).value());
  CHECK(w.intents() == 0);
}

TEST_CASE("a rebalance moves what all groups have, also one that is split off under it") {
  WalkWorld w;
  for (const GroupId group : w.groups.all()) w.groups.trim(group);
  Repairer repairer(w.store, {.interval = std::chrono::seconds(2)});
  Rebalancer rebalancer(w.store, repairer, {.bytes_per_second = 2 * MiB, .retry = std::chrono::seconds(1)});
  const ring::Ring before = *w.placement.view()->ring;
  std::vector<ring::Drive> members = before.drives();
  members.push_back({.id = DriveId::random(w.world.rng()), .domain = members[0].domain});
  w.drives.push_back(std::make_unique<FakeShardStore>());
  Placement::Layout layout;
  layout.ring = *ring::build(before, members, kProfile.total(), 4);
  layout.previous = {before};
  for (std::size_t i = 0; i < members.size(); ++i) layout.drives.push_back({members[i].id, w.drives[i].get()});
  const std::uint64_t epoch = layout.ring.epoch();
  w.placement.update(std::move(layout));
  CHECK_FALSE(w.in_place());
  repairer.start(w.world.executor());
  rebalancer.start(w.world.executor());
  RebalanceWork work;
  work.job = 1;
  work.epoch = epoch;
  rebalancer.assign(work);
  w.world.run_for(std::chrono::milliseconds(300));
  const GroupId child = w.groups.split(w.bucket, "p");
  for (const GroupId group : w.groups.all()) w.groups.trim(group);
  CHECK(w.get(w.bucket, "x")->group == child);
  CHECK_FALSE(rebalancer.progress().finished);
  for (int i = 0; i < 600 && !rebalancer.progress().finished; ++i) w.world.run_for(std::chrono::seconds(1));
  CHECK(rebalancer.progress().finished);
  CHECK(w.in_place());
  w.check_readable();
  w.world.run(rebalancer.stop());
  w.world.run(repairer.stop());
}

}  // namespace gabion::metadata::test
