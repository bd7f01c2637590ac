// Changes of the layout: what each does to ring, class, jobs and kept rings, and what is refused.
#include <catch2/catch_test_macros.hpp>

#include "common/bytes.h"
#include "tests/unit/cluster/states.h"

namespace gabion::metadata::cluster::test {
namespace {

erasure::Profile profile(const ClusterState& state) { return {state.data_shards(), state.parity_shards()}; }
bool has_places(const ClusterState& state, std::uint64_t number) {
  const ring::Ring ring = ring_of(state);
  for (std::uint32_t p = 0; p < ring.partitions(); ++p) {
    for (const ring::DriveIndex i : ring.row(p)) {
      if (ring.drives()[i].id == drive_id(number)) return true;
    }
  }
  return false;
}
void check_refused(const Result<Change>& change, Errc code, const std::string& part) {
  REQUIRE(!change);
  CHECK(change.error().code == code);
  INFO(change.error().message);
  CHECK(change.error().message.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("a cluster is founded by its first node, with the class that its drives allow") {
  ClusterState empty;
  empty.set_automatic_class(true);
  const auto change = found(empty, node_info(), drive_infos(1, 6), {});
  REQUIRE(change.has_value());
  CHECK(change->state.nodes(0).id() == 1);
  CHECK(change->state.last_node() == 1);
  CHECK(profile(change->state) == erasure::Profile{4, 2});
  CHECK(ring_of(change->state).width() == 6);
  CHECK(ring_of(change->state).drives()[0].domain == std::vector<std::string>{"n1"});
  CHECK(change->state.ring_epoch() == ring_of(change->state).epoch());
  CHECK(change->state.jobs_size() == 0);
  CHECK(change->state.previous_rings_size() == 0);
  check_refused(found(change->state, node_info(), drive_infos(7, 1), {}), Errc::already_exists, "exists");
}

TEST_CASE("drives that were served alone become the first node's, and nothing moves") {
  std::vector<ring::Drive> drives;
  for (std::uint64_t i = 1; i <= 6; ++i) drives.push_back({drive_id(i), 100, {"node"}});
  ClusterState alone;
  alone.set_ring(ring::build(ring::Ring(), drives, 6, 10)->encode());
  alone.set_data_shards(4);
  alone.set_parity_shards(2);
  const auto change = found(alone, node_info(), drive_infos(1, 6), {});
  REQUIRE(change.has_value());
  CHECK(change->plan.ring_changes);
  CHECK(change->plan.movement.moved == 0);
  CHECK(change->plan.job == 0);
  CHECK(change->state.previous_rings_size() == 0);
  CHECK(profile(change->state) == erasure::Profile{4, 2});
}

TEST_CASE("a node that joins gets the next number and its share of the places, moved by a job of all chunk servers") {
  const ClusterState before = cluster_of(3, 4, erasure::Profile{4, 2});
  Facts facts;
  facts.now_us = 7;
  facts.stored_bytes = 1'000'000;
  const auto change = add_node(before, node_info(false), drive_infos(13, 4), facts);
  REQUIRE(change.has_value());
  CHECK(change->state.nodes(3).id() == 4);
  CHECK(change->plan.ring_changes);
  CHECK(change->plan.movement.moved >= change->plan.movement.minimum);
  CHECK(change->plan.bytes_to_move > 200'000);
  CHECK(change->plan.bytes_to_move < 300'000);
  const Job& job = change->state.jobs(change->state.jobs_size() - 1);
  CHECK(job.id() == change->plan.job);
  CHECK(job.kind() == JOB_REBALANCE);
  CHECK(job.reason() == "node n4 added with 4 drives");
  CHECK(job.epoch() == change->state.ring_epoch());
  CHECK(job.workers_size() == 4);
  CHECK(job.started_us() == 7);
  CHECK(change->state.previous_rings(0) == before.ring());
}

TEST_CASE("the class grows with the drives and the nodes, and shrinks no further than it must") {
  ClusterState state = cluster_of(1, 3);
  CHECK(profile(state) == erasure::Profile{2, 1});
  state = add_node(state, node_info(), drive_infos(4, 3), {})->state;
  CHECK(profile(state) == erasure::Profile{2, 2});  // two nodes: each has half of every block
  state = add_node(state, node_info(), drive_infos(7, 3), {})->state;
  CHECK(profile(state) == erasure::Profile{4, 2});
  CHECK(ring_of(state).width() == 6);
  finish_jobs(state);
  for (const std::uint64_t drive : {1, 4, 7}) {
    state = drain_drive(state, drive_id(drive), {})->state;
    finish_jobs(state);
  }
  CHECK(profile(state) == erasure::Profile{4, 2});  // six drives are left
  const ClusterState fixed = cluster_of(2, 6, erasure::Profile{2, 1});
  CHECK(profile(fixed) == erasure::Profile{2, 1});
}

TEST_CASE("too few drives for the class are refused, and the number needed is named") {
  const ClusterState state = cluster_of(3, 2, erasure::Profile{4, 2});
  check_refused(drain_node(state, NodeId{2}, {}), Errc::denied, "has blocks on 6 different drives");
  check_refused(drain_drive(state, drive_id(1), {}), Errc::denied, "5 would be left");
  check_refused(mark_node_out(state, NodeId{2}, {}), Errc::denied, "4 would be left");
}

TEST_CASE("a node is drained, then removed, and not before") {
  ClusterState state = cluster_of(4, 2);
  finish_jobs(state);
  check_refused(remove_node(state, NodeId{4}, {}), Errc::denied, "drain it first");
  state = drain_node(state, NodeId{4}, {})->state;
  CHECK_FALSE(has_places(state, 7));
  CHECK_FALSE(has_places(state, 8));
  CHECK(ring_of(state).drives().size() == 8);  // what they have is still found
  check_refused(remove_node(state, NodeId{4}, {}), Errc::denied, "n4/disk7 has been brought elsewhere");
  finish_jobs(state);
  CHECK(drained(state, drive_id(7)).value());
  check_refused(remove_node(state, NodeId{4}, {}), Errc::denied, "member of the metadata");
  state.mutable_nodes(3)->set_metadata(false);
  const auto removed = remove_node(state, NodeId{4}, {});
  REQUIRE(removed.has_value());
  CHECK(removed->plan.movement.moved == 0);
  CHECK(removed->plan.job == 0);
  CHECK(removed->state.nodes_size() == 3);
  CHECK(removed->state.drives_size() == 6);
  CHECK(ring_of(removed->state).drives().size() == 6);
  // Its number is never given again.
  CHECK(add_node(removed->state, node_info(), drive_infos(20, 1), {})->state.nodes(3).id() == 5);
}

TEST_CASE("a drive that has places in any kept ring is not drained, however many changes follow") {
  ClusterState state = cluster_of(4, 2);
  finish_jobs(state);
  state = drain_drive(state, drive_id(8), {})->state;
  state = add_node(state, node_info(), drive_infos(9, 2), {})->state;
  CHECK_FALSE(drained(state, drive_id(8)).value());
  check_refused(remove_drive(state, drive_id(8), {}), Errc::denied, "wait for the rebalance");
  finish_jobs(state);
  CHECK(remove_drive(state, drive_id(8), {}).has_value());
}

TEST_CASE("undraining brings a node or drive back") {
  ClusterState state = cluster_of(4, 2);
  finish_jobs(state);
  state = drain_node(state, NodeId{4}, {})->state;
  state = undrain_node(state, NodeId{4}, {})->state;
  CHECK(has_places(state, 7));
  state = drain_drive(state, drive_id(7), {})->state;
  CHECK_FALSE(has_places(state, 7));
  state = undrain_drive(state, drive_id(7), {})->state;
  CHECK(has_places(state, 7));
}

TEST_CASE("the last member of the metadata is not drained") {
  ClusterState state = cluster_of(4, 4);
  for (int i = 1; i < 4; ++i) state.mutable_nodes(i)->set_metadata(false);
  check_refused(drain_node(state, NodeId{1}, {}), Errc::denied, "last node that holds the metadata");
  CHECK(drain_node(state, NodeId{2}, {}).has_value());
}

TEST_CASE("what is lost leaves the ring at once, and can be removed when its data is whole again") {
  ClusterState state = cluster_of(4, 2);
  finish_jobs(state);
  auto lost = mark_node_out(state, NodeId{2}, {});
  REQUIRE(lost.has_value());
  CHECK(lost->plan.summary == "node n2 lost");
  CHECK(ring_of(lost->state).drives().size() == 6);
  CHECK(lost->plan.job != 0);
  state = lost->state;
  check_refused(drain_node(state, NodeId{2}, {}), Errc::denied, "is out");
  check_refused(remove_node(state, NodeId{2}, {}), Errc::denied, "wait for the rebalance");
  finish_jobs(state);
  state.mutable_nodes(1)->set_metadata(false);
  CHECK(remove_node(state, NodeId{2}, {}).has_value());
}

TEST_CASE("a drive replaces another on the same node") {
  ClusterState state = cluster_of(3, 2);
  finish_jobs(state);
  const auto change = replace_drive(state, drive_id(3), drive_info(9), {});
  REQUIRE(change.has_value());
  CHECK(change->plan.summary == "drive n2/disk3 replaced by n2/disk9");
  CHECK_FALSE(has_places(change->state, 3));
  CHECK(has_places(change->state, 9));
  check_refused(replace_drive(state, drive_id(3), drive_info(4), {}), Errc::already_exists, "part of the cluster");
  check_refused(replace_drive(state, drive_id(77), drive_info(9), {}), Errc::not_found, "no drive");
}

TEST_CASE("drives and nodes that make no sense are refused") {
  const ClusterState state = cluster_of(2, 3);
  check_refused(add_drives(state, NodeId{9}, drive_infos(20, 1), {}), Errc::not_found, "n9");
  check_refused(add_drives(state, NodeId{1}, drive_infos(1, 1), {}), Errc::already_exists, "already");
  check_refused(add_drives(state, NodeId{1}, {drive_info(20, 0)}, {}), Errc::invalid, "weight");
  NodeInfo zoned = node_info();
  zoned.add_domain("zone-a");
  check_refused(add_node(state, zoned, drive_infos(20, 1), {}), Errc::invalid, "same levels");
}

TEST_CASE("a new ring takes over the job of the one before, and rings are dropped with the job that emptied them") {
  ClusterState state = cluster_of(3, 2);
  finish_jobs(state);
  CHECK(state.previous_rings_size() == 0);
  state = add_node(state, node_info(), drive_infos(7, 2), {})->state;
  const std::uint64_t first = state.last_job();
  state = add_node(state, node_info(), drive_infos(9, 2), {})->state;
  CHECK(find_job(state, first)->state() == JOB_CANCELLED);
  CHECK(state.previous_rings_size() == 2);
  CHECK(ring::Ring::decode(state.previous_rings(0))->epoch() > ring::Ring::decode(state.previous_rings(1))->epoch());
  finish_jobs(state);
  CHECK(state.previous_rings_size() == 0);
}

TEST_CASE("rings are kept when blocks failed, until a rebalance without failures") {
  ClusterState state = cluster_of(3, 2);
  finish_jobs(state);
  state = add_node(state, node_info(), drive_infos(7, 2), {})->state;
  Job& job = *find_job(state, state.last_job());
  for (const std::uint32_t worker : std::vector<std::uint32_t>(job.workers().begin(), job.workers().end())) {
    CHECK(finish_worker(job, NodeId{worker}, worker == 1 ? 1 : 0));
  }
  REQUIRE(finish_job(state, job.id(), 1).has_value());
  CHECK(find_job(state, state.last_job())->state() == JOB_DONE);
  CHECK(state.previous_rings_size() == 1);
  state = rebalance(state, {})->state;
  finish_jobs(state);
  CHECK(state.previous_rings_size() == 0);
}

TEST_CASE("jobs are paused, resumed, cancelled, and their workers replaced") {
  ClusterState state = cluster_of(3, 2);
  finish_jobs(state);
  const auto change = rebalance(state, {});
  REQUIRE(change.has_value());
  state = change->state;
  const std::uint64_t id = change->plan.job;
  REQUIRE(pause_job(state, id).has_value());
  CHECK(find_job(state, id)->state() == JOB_PAUSED);
  REQUIRE(resume_job(state, id).has_value());
  Job& job = *find_job(state, id);
  CHECK(finish_worker(job, NodeId{1}, 3));
  CHECK_FALSE(finish_worker(job, NodeId{1}, 3));
  CHECK_FALSE(finish_worker(job, NodeId{9}, 0));
  CHECK(finish_job(state, id, 1).error().code == Errc::conflict);
  CHECK_FALSE(set_workers(job, {NodeId{3}, NodeId{2}, NodeId{1}}));
  CHECK(set_workers(job, {NodeId{1}, NodeId{3}}));
  CHECK(job.finished_workers_size() == 0);
  CHECK(job.failed_blocks() == 0);
  REQUIRE(cancel_job(state, id, 9).has_value());
  CHECK(cancel_job(state, id, 9).error().code == Errc::conflict);
  CHECK(pause_job(state, 77).error().code == Errc::not_found);
}

}  // namespace gabion::metadata::cluster::test
