// When rings are settled and dropped: not before every group of the metadata knows.
#include "metadata/cluster/fence.h"
#include "tests/unit/cluster/control_world.h"

namespace gabion::metadata::cluster::test {

TEST_CASE("workers hear when nobody goes by an older ring any more") {
  World world(3);
  const std::uint64_t before = world.state().ring_epoch();
  world.node(2).write_ring = before;
  world.node(3).move_ring = before;
  world.set_state(add_drives(world.state(), NodeId{1}, drive_infos(50, 1), {})->state);
  world.pass(seconds(2));
  REQUIRE(world.node(1).orders.rebalance.has_value());
  CHECK_FALSE(world.node(1).orders.rebalance->movers_settled);
  CHECK_FALSE(world.node(1).orders.rebalance->writers_settled);
  world.node(3).move_ring = 0;
  world.pass(seconds(2));
  CHECK(world.node(1).orders.rebalance->movers_settled);
  CHECK_FALSE(world.node(1).orders.rebalance->writers_settled);
  world.node(2).write_ring = before + 1;
  world.pass(seconds(2));
  CHECK(world.node(1).orders.rebalance->writers_settled);
}

TEST_CASE("nobody hears that rings are settled before every group knows the new one") {
  World world(3);
  world.split("m");
  world.pass(seconds(1));
  world.metadata.others[1].up = false;
  world.set_state(add_drives(world.state(), NodeId{1}, drive_infos(50, 1), {})->state);
  const std::uint64_t epoch = world.state().ring_epoch();
  world.pass(seconds(5));
  REQUIRE(world.node(1).orders.rebalance.has_value());
  CHECK_FALSE(world.node(1).orders.rebalance->movers_settled);
  CHECK_FALSE(world.node(1).orders.rebalance->writers_settled);
  // The next leader tells as well, as it does not know what was told before.
  world.lead(NodeId{2});
  world.pass(seconds(5));
  CHECK_FALSE(world.node(1).orders.rebalance->movers_settled);
  world.metadata.others[1].up = true;
  world.pass(seconds(2));
  CHECK(world.node(1).orders.rebalance->movers_settled);
  CHECK(world.node(1).orders.rebalance->writers_settled);
  CHECK(world.metadata.others[1].epoch == epoch);
  CHECK(world.metadata.others[1].oldest < epoch);
}

TEST_CASE("a group that is split off while the others are told of a ring is told too") {
  World world(3);
  world.split("m");
  world.pass(seconds(1));
  world.metadata.on_commit = [&](const Command& command) {
    if (!command.has_set_rings() || world.metadata.others.contains(2)) return;
    world.metadata.others[2] = world.metadata.others[1];  // as it was before this command
    ClusterState next = world.state();
    REQUIRE(begin_split(next, boundary_at(7, "s")).has_value());
    world.set_state(std::move(next));
  };
  world.set_state(add_drives(world.state(), NodeId{1}, drive_infos(50, 1), {})->state);
  world.pass(seconds(3));
  CHECK(world.metadata.others[1].epoch == world.state().ring_epoch());
  CHECK(world.metadata.others[2].epoch == world.state().ring_epoch());
  CHECK(world.node(1).orders.rebalance->movers_settled);
}

TEST_CASE("a ring is dropped when every group refuses what is placed by it, and not before") {
  World world(3);
  world.split("m");
  world.set_state(add_drives(world.state(), NodeId{1}, drive_infos(50, 1), {})->state);
  world.pass(seconds(2));
  world.metadata.others[1].up = false;
  for (std::uint32_t n = 1; n <= 3; ++n) world.finish(n);
  world.pass(seconds(5));
  CHECK(world.state().previous_rings_size() == 1);
  CHECK(world.state().jobs(world.state().jobs_size() - 1).state() == JOB_RUNNING);
  world.metadata.others[1].up = true;
  world.metadata.on_commit = [&](const Command& command) {
    const auto& next = command.set_cluster_state().state();
    if (command.has_set_cluster_state() && next.previous_rings_size() == 0) {
      CHECK(world.metadata.others[1].oldest == next.ring_epoch());
    }
  };
  world.pass(seconds(2));
  CHECK(world.state().previous_rings_size() == 0);
  CHECK(world.metadata.others[1].oldest == world.state().ring_epoch());
}

TEST_CASE("whatever fails, a ring is dropped in the end, and not before every group refuses what is placed by it") {
  for (int call = 0; call < 20; ++call) {
    INFO("call " << call);
    World world(3);
    world.split("m");
    world.set_state(add_drives(world.state(), NodeId{1}, drive_infos(50, 1), {})->state);
    world.pass(seconds(2));
    for (std::uint32_t n = 1; n <= 3; ++n) world.finish(n);
    world.metadata.on_commit = [&](const Command& command) {
      const auto& next = command.set_cluster_state().state();
      if (command.has_set_cluster_state() && next.previous_rings_size() == 0) {
        CHECK(world.metadata.others[1].oldest == next.ring_epoch());
      }
    };
    const int failing = world.metadata.calls() + call;
    world.metadata.fail_call(failing, call % 2 == 0 ? FakeGroups::Failure::before : FakeGroups::Failure::after);
    while (world.metadata.calls() <= failing) world.pass(milliseconds(20));
    world.lead(NodeId{2});
    world.pass(seconds(8));
    CHECK(world.state().previous_rings_size() == 0);
  }
}

TEST_CASE("a node that is lost is given up also while a group does not answer") {
  World world(4, 4);
  world.split("m");
  world.metadata.others[1].up = false;
  world.stop(world.node(3));
  world.pass(minutes(12));
  CHECK(world.state().nodes(2).out());
}

TEST_CASE("no group hears of a ring before that is committed, though a node is given up as another is dropped") {
  World world(4, 4);
  world.split("m");
  const std::uint64_t before = world.state().ring_epoch();
  world.node(2).write_ring = before;
  ClusterState fenced = world.state();
  REQUIRE(raise_fence(fenced, start_job(fenced, JOB_ORPHANS, "", {})).value());
  world.set_state(std::move(fenced));
  world.stop(world.node(3));
  world.pass(seconds(10));
  world.metadata.others[1].up = false;
  world.node(2).write_ring = 0;
  int told = 0;
  world.metadata.on_commit = [&](const Command& command) {
    if (!command.has_set_rings()) return;
    ++told;
    CHECK(command.set_rings().epoch() <= world.state().ring_epoch());
    CHECK(command.set_rings().oldest() <= world.state().ring_epoch());
  };
  world.pass(minutes(9));
  CHECK(told > 0);
  CHECK(world.state().previous_rings_size() == 1);
  world.pass(minutes(2));
  CHECK(world.state().nodes(2).out());
}

TEST_CASE("a search for orphans waits where the last rebalance left blocks beyond repair, and goes on after one that did not") {
  World world(3);
  world.set_state(add_drives(world.state(), NodeId{1}, drive_infos(50, 1), {})->state);
  world.pass(seconds(2));
  for (std::uint32_t n = 1; n <= 3; ++n) {
    world.finish(n);
    world.node(n).jobs[0].set_failed_blocks(1);
  }
  world.pass(seconds(2));
  REQUIRE(world.state().previous_rings_size() == 1);
  ClusterState next = world.state();
  const std::uint64_t search = start_job(next, JOB_ORPHANS, "", {});
  world.set_state(std::move(next));
  JobReport ready;
  ready.set_job(search);
  ready.set_ready(true);
  for (std::uint32_t n = 1; n <= 3; ++n) world.node(n).jobs = {ready};
  world.pass(seconds(5));
  ClusterState waiting = world.state();
  CHECK(find_job(waiting, search)->epoch() == 0);
  start_job(waiting, JOB_REBALANCE, "", {});
  world.set_state(std::move(waiting));
  world.pass(seconds(2));
  for (std::uint32_t n = 1; n <= 3; ++n) {
    world.finish(n);
    world.node(n).jobs.push_back(ready);
  }
  world.pass(seconds(3));
  ClusterState after = world.state();
  CHECK(find_job(after, search)->epoch() != 0);
}

}  // namespace gabion::metadata::cluster::test
