// Splits of key ranges: how they are decided in the cluster's state, and that they are carried out whatever fails between.
#include "metadata/cluster/splitter.h"

#include <catch2/catch_test_macros.hpp>

#include "common/log.h"
#include "metadata/cluster/edit_state.h"
#include "tests/support/sim.h"
#include "tests/unit/cluster/fake_groups.h"

namespace gabion::metadata::cluster::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ClusterState split_at(ClusterState state, BucketId bucket, std::string_view key) {
  const auto begun = begin_split(state, boundary_at(bucket, key));
  REQUIRE(begun.has_value());
  finish_split(state, begun->child());
  return state;
}

// Nodes that may lead, over one cluster.
class World {
 public:
  World() {
    log::set_level(log::Level::error);
    ClusterState state;
    state.set_ring_epoch(1);
    edit([&](ClusterState& now) { now = state; });
    for (int n = 0; n < 2; ++n) {
      SplitterOptions options;
      options.metadata = &metadata;
      options.leads = [this, n] { return leader == n; };
      options.clock = &sim.clock();
      splitters.push_back(std::make_unique<Splitter>(std::move(options)));
    }
  }
  ~World() {
    for (auto& splitter : splitters) sim.run(splitter->stop());
  }
  void start() {
    for (auto& splitter : splitters) splitter->start(sim.executor());
  }
  void edit(std::function<void(ClusterState&)> change) {
    const auto apply = [&](ClusterState& state) -> Result<void> {
      change(state);
      return {};
    };
    REQUIRE(sim.run(edit_state(metadata, {}, apply)).has_value());
  }
  void begin(std::string_view key) {
    edit([&](ClusterState& state) { REQUIRE(begin_split(state, boundary_at(7, key)).has_value()); });
  }
  ClusterState state() { return sim.run(metadata.cluster_state({}))->state; }

  sim::SimWorld sim{1};
  FakeGroups metadata{sim.clock()};
  int leader = 0;
  std::vector<std::unique_ptr<Splitter>> splitters;
};

}  // namespace

TEST_CASE("a state without a table has one range, and a split divides it") {
  ClusterState state;
  CHECK(key_ranges(state) == std::vector<KeyRange>{{"", "", 0}});
  const std::string at = boundary_at(7, "photos/m");
  const auto split = begin_split(state, at);
  REQUIRE(split.has_value());
  CHECK(split->parent() == 0);
  CHECK(split->child() == 1);
  CHECK(key_ranges(state).size() == 1);  // not before it was carried out
  CHECK(finish_split(state, 1));
  CHECK_FALSE(finish_split(state, 1));
  CHECK(key_ranges(state) == std::vector<KeyRange>{{"", at, 0}, {at, "", 1}});
  state = split_at(std::move(state), 7, "");
  state = split_at(std::move(state), 9, "");
  CHECK(key_ranges(state) == std::vector<KeyRange>{{"", boundary_at(7, ""), 0},
                                                   {boundary_at(7, ""), at, 2},
                                                   {at, boundary_at(9, ""), 1},
                                                   {boundary_at(9, ""), "", 3}});
  CHECK(boundary_of(at).bucket == 7);
  CHECK(boundary_of(at).key == "photos/m");
}

TEST_CASE("what cannot be split is refused with the reason") {
  ClusterState state = split_at({}, 7, "m");
  CHECK(begin_split(state, boundary_at(7, "m")).error().code == Errc::denied);
  REQUIRE(begin_split(state, boundary_at(7, "s")).has_value());
  CHECK(begin_split(state, boundary_at(7, "t")).error().code == Errc::conflict);  // of a group that is being split
  CHECK(begin_split(state, boundary_at(7, "s")).error().code == Errc::conflict);
  for (BucketId bucket = 1; bucket <= 6; ++bucket) state = split_at(std::move(state), bucket, "");
  for (BucketId bucket = 1; bucket <= 3; ++bucket) REQUIRE(begin_split(state, boundary_at(bucket, "m")).has_value());
  const auto refused = begin_split(state, boundary_at(4, "m"));
  CHECK(refused.error().code == Errc::conflict);
  CHECK(refused.error().message.find("4 splits are under way") == 0);
}

TEST_CASE("a cluster has a limited number of groups, pending ones among them") {
  ClusterState state;
  for (BucketId bucket = 1; bucket < kGroupsMax - 1; ++bucket) state = split_at(std::move(state), bucket, "");
  REQUIRE(begin_split(state, boundary_at(1000, "")).has_value());
  CHECK(begin_split(state, boundary_at(1, "m")).error().code == Errc::denied);
}

TEST_CASE("a split is carried out, the table follows, and both groups remove what is not their own") {
  World world;
  world.start();
  world.sim.run_for(seconds(2));
  CHECK(world.metadata.splits == 0);
  world.begin("m");
  world.sim.run_for(seconds(5));
  CHECK(key_ranges(world.state()).size() == 2);
  CHECK(world.state().splits_size() == 0);
  CHECK(world.metadata.splits == 1);
  for (const GroupId group : {0u, 1u}) CHECK(world.metadata.others.at(group).foreign_rows == 0);
  CHECK(world.splitters[0]->trimming(world.state()).empty());
  // Nothing is asked of groups any more that have nothing to remove.
  const int calls = world.metadata.calls();
  world.sim.run_for(seconds(1));
  CHECK(world.metadata.calls() - calls <= 2);
  // The parent that is split again is looked through again.
  world.begin("f");
  world.sim.run_for(seconds(5));
  for (const GroupId group : {0u, 1u, 2u}) CHECK(world.metadata.others.at(group).foreign_rows == 0);
}

TEST_CASE("a split goes on after any failure, and whoever leads then") {
  for (const auto how : {FakeGroups::Failure::before, FakeGroups::Failure::after}) {
    for (const bool moves : {false, true}) {
      for (int call = 0; call < 14; ++call) {  // as many as it takes, and more
        INFO("call " << call << ", the leader moves: " << moves);
        World world;
        world.begin("m");
        const int failing = world.metadata.calls() + call;
        world.metadata.fail_call(failing, how);
        world.start();
        while (world.metadata.calls() <= failing) world.sim.run_for(milliseconds(10));
        if (moves) world.leader = 1;
        world.sim.run_for(seconds(10));
        CHECK(world.metadata.splits == 1);
        CHECK(key_ranges(world.state()).size() == 2);
        CHECK(world.state().splits_size() == 0);
        for (const GroupId group : {0u, 1u}) CHECK(world.metadata.others.at(group).foreign_rows == 0);
        CHECK(world.splitters[static_cast<std::size_t>(world.leader)]->trimming(world.state()).empty());
      }
    }
  }
}

TEST_CASE("the table does not follow before the new group answers, and another split is not held up") {
  World world;
  world.edit([](ClusterState& state) { state = split_at(std::move(state), 9, ""); });
  world.metadata.others[1] = {};
  world.metadata.on_commit = [&](const Command& command) {
    if (command.has_split_range() && command.split_range().child() == 2) world.metadata.others[2].up = false;
  };
  world.begin("m");
  world.edit([](ClusterState& state) { REQUIRE(begin_split(state, boundary_at(9, "m")).has_value()); });
  world.start();
  world.sim.run_for(seconds(3));
  CHECK(world.state().splits_size() == 1);
  CHECK(world.state().splits(0).child() == 2);
  CHECK(key_ranges(world.state()).size() == 3);
  world.metadata.on_commit = [](const Command&) {};
  world.metadata.others[2].up = true;
  world.sim.run_for(seconds(3));
  CHECK(world.state().splits_size() == 0);
}

TEST_CASE("nothing is removed from a group while most members of the one split off may lack its state, whoever leads") {
  World world;
  world.edit([](ClusterState& state) { state = split_at(std::move(state), 9, ""); });
  world.metadata.others[1] = {};
  int removals = 0;
  world.metadata.on_commit = [&](const Command& command) {
    removals += command.has_trim_range() && command.group() == kRootGroup;
    if (command.has_split_range()) world.metadata.others[2].up = false;
  };
  world.begin("m");
  world.leader = 1;  // it does not know that group 0 was looked at before
  world.start();
  world.sim.run_for(seconds(3));
  CHECK(world.state().splits_size() == 1);
  CHECK(removals == 0);
  world.metadata.on_commit = [&](const Command& command) {
    removals += command.has_trim_range() && command.group() == kRootGroup;
  };
  world.metadata.others[2].up = true;
  world.sim.run_for(seconds(3));
  CHECK(world.state().splits_size() == 0);
  CHECK(removals != 0);
}

TEST_CASE("a new leader looks for what was left to remove") {
  World world;
  world.edit([](ClusterState& state) { state = split_at(std::move(state), 7, "m"); });
  world.metadata.others[0].foreign_rows = 800;
  world.metadata.others[1].foreign_rows = 1;
  world.start();
  world.sim.run_for(seconds(3));
  for (const GroupId group : {0u, 1u}) CHECK(world.metadata.others.at(group).foreign_rows == 0);
}

TEST_CASE("removal is slow: most of the time nothing is removed") {
  World world;
  world.edit([](ClusterState& state) { state = split_at(std::move(state), 7, "m"); });
  world.metadata.others[1] = {};
  world.metadata.others[0].foreign_rows = 1'000'000;
  world.start();
  world.sim.run_for(seconds(10));
  CHECK(world.metadata.others[0].foreign_rows > 400'000);  // 500 each 10 ms at most
  CHECK(world.metadata.others[0].foreign_rows < 999'000);
}

}  // namespace gabion::metadata::cluster::test
