// A data path whose ring changes, and the workers that follow it.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include "common/log.h"
#include "gateway/data/rebalance.h"
#include "gateway/data/scrub.h"
#include "tests/support/data_world.h"

namespace gabion::test {

// Seven drives of which the ring first has six; each on a node of its own.
class ChangingWorld : public DataWorld {
 public:
  ChangingWorld() : DataWorld(options()) {
    log::set_level(log::Level::error);
    old_ring = *placement.view()->ring;
    std::vector<ring::Drive> members = old_ring.drives();
    for (std::size_t i = 0; i < members.size(); ++i) ids.push_back(members[i].id);
    ring::Drive fresh;
    fresh.id = DriveId::random(world.rng());
    fresh.domain = members[0].domain;
    ids.push_back(fresh.id);
    members.push_back(fresh);
    drives.push_back(std::make_unique<FakeShardStore>(&world.clock(), &world.rng()));
    new_ring = *ring::build(old_ring, members, 6, 4);
  }
  static DataWorldOptions options() {
    DataWorldOptions options;
    options.drives = 6;
    return options;
  }
  gateway::data::Placement::Layout layout(const ring::Ring& ring, std::vector<ring::Ring> previous) {
    gateway::data::Placement::Layout layout;
    layout.ring = ring;
    layout.previous = std::move(previous);
    for (std::size_t i = 0; i < drives.size(); ++i) layout.drives.push_back({ids[i], drives[i].get()});
    return layout;
  }
  void change_ring() { placement.update(layout(new_ring, {old_ring})); }
  void put_objects() {
    for (int i = 0; i < 30; ++i) {
      const std::string content = random_text(world.rng(), 150'000 + world.rng().below(300'000));
      contents[put("key" + std::to_string(i), content)] = content;
    }
  }
  void check_readable() {
    for (const auto& [id, content] : contents) {
      const auto got = read(id);
      INFO((got ? "" : got.error().message));
      REQUIRE(got.has_value());
      CHECK(*got == content);
    }
  }
  FakeShardStore& store_of(const DriveId& id) {
    return *drives[static_cast<std::size_t>(std::find(ids.begin(), ids.end(), id) - ids.begin())];
  }
  // Every shard is on its home by the placement, and nowhere else.
  bool in_place() {
    const auto view = placement.view();
    for (const auto& [id, content] : contents) {
      const gateway::data::BlockRef ref = block(id);
      for (unsigned shard = 0; shard < gateway::data::BlockLayout(ref).shards(); ++shard) {
        const DriveId home = view->drives[*view->home(ref.id, shard)].id;
        for (const DriveId& drive : ids) {
          if (store_of(drive).has(key(ref.id, shard)) != (drive == home)) return false;
        }
      }
    }
    return true;
  }
  gateway::data::RebalanceWork work() const {
    gateway::data::RebalanceWork work;
    work.job = 1;
    work.epoch = new_ring.epoch();
    return work;
  }

  ring::Ring old_ring, new_ring;
  std::vector<DriveId> ids;  // in the order of `drives`
  std::map<metadata::ManifestId, std::string> contents;
};

struct Workers {
  explicit Workers(ChangingWorld& w)
      : world(w),
        repairer(w.store, {.interval = std::chrono::seconds(2)}),
        rebalancer(w.store, repairer, {.bytes_per_second = 0, .retry = std::chrono::seconds(1)}),
        scrubber(w.store, repairer, {.bytes_per_second = 0}) {
    repairer.start(w.world.executor());
    rebalancer.start(w.world.executor());
    scrubber.start(w.world.executor());
  }
  ~Workers() {
    world.world.run(scrubber.stop());
    world.world.run(rebalancer.stop());
    world.world.run(repairer.stop());
  }
  ChangingWorld& world;
  gateway::data::Repairer repairer;
  gateway::data::Rebalancer rebalancer;
  gateway::data::Scrubber scrubber;
};

}  // namespace gabion::test
