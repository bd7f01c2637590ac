// What the controller decides from what the agents of the nodes report, in simulated time.
#include "tests/unit/cluster/control_world.h"

namespace gabion::metadata::cluster::test {

TEST_CASE("every node learns of a new state within a second, and the leader of every node") {
  World world(3);
  for (std::uint32_t n = 1; n <= 3; ++n) CHECK(world.up(n));
  CHECK(world.controller().stored_bytes() == 9000);
  ClusterState next = world.state();
  next.set_data_shards(7);
  world.set_state(next);
  world.pass(seconds(1));
  for (auto& node : world.nodes) CHECK(node->known.state.data_shards() == 7);
  CHECK(world.node(2).orders.repair_count == 3);
  CHECK(world.node(2).orders.repair_index == 1);
}

TEST_CASE("a node that is silent is down after five seconds, and up with its next word") {
  World world(3);
  world.stop(world.node(3));
  world.pass(seconds(4));
  CHECK(world.up(3));
  world.pass(seconds(2));
  CHECK_FALSE(world.up(3));
  CHECK(world.node(1).orders.repair_count == 2);
  world.node(3).agent = nullptr;
  auto again = std::make_unique<Node>(world, NodeId{3});
  for (std::uint32_t n : {1u, 2u}) again->peers.add(NodeId{n}, *world.node(n).controller);
  world.nodes[2] = std::move(again);
  world.start(world.node(3));
  world.pass(seconds(1));
  CHECK(world.up(3));
}

TEST_CASE("a node that stays down is given up, and what it had is made anew by the others") {
  World world(4, 4);
  world.stop(world.node(3));
  world.pass(minutes(9));
  CHECK_FALSE(world.state().nodes(2).out());
  world.pass(minutes(2));
  const ClusterState state = world.state();
  CHECK(state.nodes(2).out());
  CHECK(ring_of(state).drives().size() == 12);
  const Job& job = state.jobs(state.jobs_size() - 1);
  CHECK(job.state() == JOB_RUNNING);
  CHECK(job.reason() == "node n3 lost");
  CHECK(job.workers_size() == 3);
  REQUIRE(world.node(4).orders.rebalance.has_value());
  CHECK(world.node(4).orders.rebalance->index == 2);
  CHECK(world.node(4).orders.rebalance->movers_settled);
}

constexpr erasure::Profile kSixWide{4, 2};

TEST_CASE("what cannot be given up stays as it is, and nothing is given up without its time") {
  World world(3, 2, kSixWide);  // 4+2 on six drives: no node can be missed
  world.stop(world.node(3));
  world.pass(minutes(15));
  CHECK_FALSE(world.state().nodes(2).out());
}

TEST_CASE("one that cannot be given up does not keep others from it") {
  World world(3, 2, kSixWide);
  world.set_state(add_node(world.state(), node_info(), drive_infos(60, 1), {})->state);  // n4 is never heard
  world.stop(world.node(3));
  world.pass(minutes(15));
  CHECK_FALSE(world.state().nodes(2).out());  // with two drives, of seven; six are needed
  CHECK(world.state().nodes(3).out());
}

TEST_CASE("a new leader waits for everybody before it takes anybody for down") {
  World world(4, 4);
  world.stop(world.node(3));
  world.pass(minutes(9));
  world.lead(NodeId{2});
  world.pass(seconds(3));
  CHECK(world.up(1));
  CHECK(world.up(4));
  world.pass(minutes(9));
  CHECK_FALSE(world.state().nodes(2).out());
  world.pass(minutes(2));
  CHECK(world.state().nodes(2).out());
}

TEST_CASE("a leader that was deposed and leads again begins anew, however short that was") {
  World world(4, 4);
  world.stop(world.node(3));
  world.pass(minutes(9));
  world.lead(world.leader);  // in the next term
  world.pass(minutes(9));
  CHECK_FALSE(world.state().nodes(2).out());
  world.pass(minutes(2));
  CHECK(world.state().nodes(2).out());
}

TEST_CASE("a node that joins late, or is taken back, has its own time before it is given up") {
  World world(4, 4);
  world.pass(minutes(30));
  world.set_state(add_node(world.state(), node_info(), drive_infos(60, 2), {})->state);
  world.pass(minutes(9));  // it has never been heard
  CHECK_FALSE(world.state().nodes(4).out());
  world.pass(minutes(2));
  CHECK(world.state().nodes(4).out());
  world.set_state(undrain_node(world.state(), NodeId{5}, {})->state);
  world.pass(minutes(9));
  CHECK_FALSE(world.state().nodes(4).out());
  world.pass(minutes(2));
  CHECK(world.state().nodes(4).out());
}

TEST_CASE("a drive that its node reports as failed, or not at all, is given up") {
  World world(4);
  const DriveId lost = *DriveId::from_raw(world.state().drives(4).id());
  world.node(2).failed.insert(lost);
  world.pass(minutes(9));
  CHECK_FALSE(world.state().drives(4).out());
  world.pass(minutes(2));
  CHECK(world.state().drives(4).out());
  CHECK_FALSE(world.state().drives(3).out());
}

TEST_CASE("a job is done when all workers are, and the rings that it emptied are dropped") {
  World world(3);
  world.set_state(add_drives(world.state(), NodeId{1}, drive_infos(50, 1), {})->state);
  world.pass(seconds(2));
  CHECK(world.state().previous_rings_size() == 1);
  world.finish(1);
  world.finish(3);
  world.pass(seconds(2));
  CHECK(world.state().jobs(world.state().jobs_size() - 1).finished_workers_size() == 2);
  CHECK_FALSE(world.node(1).orders.rebalance.has_value());
  world.finish(2);
  world.pass(seconds(2));
  const ClusterState state = world.state();
  CHECK(state.jobs(state.jobs_size() - 1).state() == JOB_DONE);
  CHECK(state.previous_rings_size() == 0);
}

TEST_CASE("when a worker is lost the others begin anew, and what was done by the old shares does not count") {
  World world(4);
  world.set_state(add_drives(world.state(), NodeId{1}, drive_infos(50, 1), {})->state);
  world.pass(seconds(2));
  world.finish(1);
  world.stop(world.node(4));
  world.pass(seconds(8));
  const ClusterState state = world.state();
  const Job& job = state.jobs(state.jobs_size() - 1);
  CHECK(job.workers_size() == 3);
  CHECK(job.finished_workers_size() == 0);
  CHECK(job.state() == JOB_RUNNING);
  for (std::uint32_t n = 1; n <= 3; ++n) world.finish(n);
  world.pass(seconds(2));
  CHECK(world.state().jobs(world.state().jobs_size() - 1).state() == JOB_DONE);
}

namespace {

JobReport report_on(const Orders::Work& work) {
  JobReport report;
  report.set_job(work.job);
  report.set_share_index(work.index);
  report.set_share_count(work.count);
  return report;
}

}  // namespace

TEST_CASE("a search for orphans gets its fence when all workers are ready, and goes on when no group takes older blocks") {
  World world(3);
  world.split("m");
  const std::uint64_t before = world.state().ring_epoch();
  ClusterState next = world.state();
  start_job(next, JOB_ORPHANS, "asked for", {});
  world.set_state(std::move(next));
  world.node(2).write_ring = before;
  const auto job = [&] { return world.state().jobs(world.state().jobs_size() - 1); };
  for (std::uint32_t n = 1; n <= 3; ++n) {
    world.pass(seconds(2));
    CHECK(job().epoch() == 0);
    REQUIRE(world.node(n).orders.orphans.has_value());
    CHECK(world.node(n).orders.orphans->epoch == 0);
    JobReport report = report_on(*world.node(n).orders.orphans);
    report.set_ready(true);
    world.node(n).jobs = {report};
  }
  world.pass(seconds(2));
  const std::uint64_t fence = before + 1;
  CHECK(job().epoch() == fence);
  CHECK(world.state().ring_epoch() == fence);
  CHECK(world.node(3).orders.orphans->epoch == fence);
  CHECK_FALSE(world.node(3).orders.orphans->fence_stands);  // n2 writes by the ring before
  world.metadata.others[1].up = false;
  world.node(2).write_ring = 0;
  world.pass(seconds(3));
  CHECK_FALSE(world.node(3).orders.orphans->fence_stands);  // one group does not know of it
  world.metadata.others[1].up = true;
  world.pass(seconds(3));
  CHECK(world.node(3).orders.orphans->fence_stands);
  CHECK(world.metadata.others[1].oldest == fence);
  CHECK(world.state().previous_rings_size() == 0);
  for (std::uint32_t n = 1; n <= 3; ++n) {
    JobReport report = report_on(*world.node(n).orders.orphans);
    report.set_bytes_moved(10);
    report.set_failed_blocks(n == 3 ? 1 : 0);
    report.set_finished(true);
    world.node(n).jobs = {report};
  }
  world.pass(seconds(2));
  CHECK(job().state() == JOB_DONE);
  CHECK(job().bytes() == 30);
  CHECK(job().failed_blocks() == 1);
}

TEST_CASE("orphans are looked for by schedule, one search at a time") {
  World world(3, 3, {}, minutes(10));
  const auto searches = [&] {
    const ClusterState state = world.state();
    return std::count_if(state.jobs().begin(), state.jobs().end(), [](const Job& job) { return job.kind() == JOB_ORPHANS; });
  };
  world.pass(minutes(30));
  CHECK(searches() == 1);
  ClusterState next = world.state();
  REQUIRE(cancel_job(next, next.last_job(), world.sim.clock().wall()).has_value());
  next.set_orphans_us(world.sim.clock().wall());
  world.set_state(std::move(next));
  world.pass(minutes(9));
  CHECK(searches() == 1);
  world.pass(minutes(2));
  CHECK(searches() == 2);
}

TEST_CASE("a paused job is passed on as such, a cancelled one is no work") {
  World world(3);
  auto change = add_drives(world.state(), NodeId{1}, drive_infos(50, 1), {});
  REQUIRE(pause_job(change->state, change->plan.job).has_value());
  world.set_state(change->state);
  world.pass(seconds(2));
  CHECK(world.node(2).orders.rebalance->paused);
  ClusterState state = world.state();
  REQUIRE(cancel_job(state, change->plan.job, 1).has_value());
  world.set_state(state);
  world.pass(seconds(2));
  CHECK_FALSE(world.node(2).orders.rebalance.has_value());
}

TEST_CASE("what readers of all gateways use is told after it was asked for") {
  World world(3);
  world.node(2).pinned = {7, 9};
  world.node(3).pinned = {8};
  const auto pinned = world.sim.run(world.controller().pinned({}));
  REQUIRE(pinned.has_value());
  CHECK(*pinned == std::vector<ManifestId>{7, 8, 9});
  // One that is down and not given up may still have readers.
  world.stop(world.node(3));
  world.pass(seconds(10));
  CHECK(world.sim.run(world.controller().pinned({})).error().code == Errc::unavailable);
  // What was told to a leader before does not count.
  world.lead(NodeId{2});
  CHECK(world.sim.run(world.node(1).controller->pinned({})).error().code == Errc::unavailable);
}

TEST_CASE("heartbeats of strangers and nonsense are refused") {
  World world(1);
  Controller& controller = world.controller();
  CHECK(world.sim.run(controller.handle({}, {}, rpc::Method::heartbeat, "", {})).error().code == Errc::denied);
  CHECK(world.sim.run(controller.handle({}, {NodeId{1}}, rpc::Method::heartbeat, "\xff\xff", {})).error().code == Errc::invalid);
  CHECK(world.sim.run(controller.handle({}, {NodeId{1}}, rpc::Method::join, "", {})).error().code == Errc::invalid);
  // A node that the cluster does not know is not counted.
  controller.receive(NodeId{99}, Heartbeat());
  CHECK(controller.nodes().size() == 1);
}

}  // namespace gabion::metadata::cluster::test
