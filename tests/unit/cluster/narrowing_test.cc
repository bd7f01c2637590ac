// A storage class that becomes narrower: when it must, in which steps, and that nothing is given away before its time.
#include <catch2/catch_test_macros.hpp>

#include "common/bytes.h"
#include "metadata/cluster/fence.h"
#include "metadata/cluster/narrowing.h"
#include "tests/unit/cluster/states.h"

namespace gabion::metadata::cluster::test {
namespace {

erasure::Profile profile(const ClusterState& state) { return {state.data_shards(), state.parity_shards()}; }

const Job& last_job(const ClusterState& state) { return state.jobs(state.jobs_size() - 1); }

// Until nothing is left to do; the kinds of the jobs that were done.
std::vector<JobKind> carry_out(ClusterState& state) {
  std::vector<JobKind> kinds;
  while (active(last_job(state))) {
    for (const Job& job : state.jobs()) {
      if (active(job)) kinds.push_back(job.kind());
    }
    finish_jobs(state);
    REQUIRE(drop_fenced(state, state.ring_epoch()).has_value());
    REQUIRE(carry_on_narrowing(state, {}).has_value());
  }
  return kinds;
}

void check_fits(const ClusterState& state) {
  const ring::Ring ring = ring_of(state);
  CHECK(ring.width() >= profile(state).total());
  CHECK(ring::quality(ring).crowded_rows == 0);
}

}  // namespace

TEST_CASE("a cluster of more nodes than the class is wide shrinks below it: nine nodes of 4+2 to five, one by one") {
  ClusterState state = cluster_of(9, 1);
  finish_jobs(state);
  REQUIRE(profile(state) == erasure::Profile{4, 2});
  for (unsigned node = 9; node > 5; --node) {
    Facts facts;
    facts.stored_bytes = 10ull << 30;
    const auto change = drain_node(state, NodeId{node}, facts);
    REQUIRE(change.has_value());
    state = change->state;
    const bool narrows = node == 6;
    CHECK(state.has_narrowing() == narrows);
    if (narrows) {
      CHECK(change->plan.summary == "storage class becomes 2+2, 10.0 GiB are coded anew; node n6 drained: 1 drive");
      CHECK(change->plan.profile_before == erasure::Profile{4, 2});
      CHECK(change->plan.profile_after == erasure::Profile{2, 2});
      CHECK(change->plan.drives_after == 5);
      CHECK(change->plan.bytes_to_move > facts.stored_bytes);
    }
    const auto kinds = carry_out(state);
    CHECK(kinds == (narrows ? std::vector{JOB_REENCODE, JOB_REBALANCE} : std::vector{JOB_REBALANCE}));
    CHECK_FALSE(state.has_narrowing());
    check_fits(state);
    state.mutable_nodes(static_cast<int>(node) - 1)->set_metadata(false);
    const auto removed = remove_node(state, NodeId{node}, facts);
    REQUIRE(removed.has_value());
    state = removed->state;
  }
  CHECK(state.nodes_size() == 5);
  CHECK(profile(state) == erasure::Profile{2, 2});
  CHECK(ring_of(state).width() == 4);
}

TEST_CASE("the ring stays as it is, under a new epoch, until everything is coded anew") {
  ClusterState before = cluster_of(7, 1);
  finish_jobs(before);
  REQUIRE(profile(before) == erasure::Profile{4, 2});
  auto state = drain_node(before, NodeId{7}, {})->state;
  finish_jobs(state);
  const ring::Ring old = ring_of(before);
  state = drain_node(state, NodeId{6}, {})->state;
  // New blocks are narrow at once; rows are as they were, with places on the node that is to go.
  CHECK(profile(state) == erasure::Profile{2, 2});
  CHECK_FALSE(find_node(state, NodeId{6})->draining());
  const ring::Ring renewed = ring_of(state);
  CHECK(renewed.width() == 6);
  CHECK(renewed.epoch() == old.epoch() + 2);
  // The job waits until nobody commits any more what was coded by the older ring.
  const Job recoding = last_job(state);
  CHECK(recoding.kind() == JOB_REENCODE);
  CHECK(recoding.epoch() == renewed.epoch());
  CHECK_FALSE(fence_stands(state, recoding));
  CHECK_FALSE(drop_fenced(state, old.epoch()).value());
  CHECK(drop_fenced(state, renewed.epoch()).value());
  CHECK(fence_stands(state, recoding));
  CHECK_FALSE(carry_on_narrowing(state, {}).value());
  finish_jobs(state);
  CHECK(carry_on_narrowing(state, {}).value());
  CHECK(find_job(state, recoding.id())->next() == last_job(state).id());
  CHECK(find_node(state, NodeId{6})->draining());
  CHECK(ring_of(state).width() == 4);
  CHECK_FALSE(state.has_narrowing());
}

TEST_CASE("meanwhile drives may be added, and another change that would narrow the class is refused") {
  ClusterState state = cluster_of(7, 1);
  finish_jobs(state);
  state = drain_node(state, NodeId{7}, {})->state;
  finish_jobs(state);
  state = drain_node(state, NodeId{6}, {})->state;
  const auto other = drain_node(state, NodeId{5}, {});
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().code == Errc::conflict);
  const auto grown = add_node(state, node_info(), drive_infos(100, 4), {});
  REQUIRE(grown.has_value());
  CHECK(profile(grown->state) == erasure::Profile{2, 2});
  CHECK(grown->state.narrowing().drain_nodes_size() == 1);
  // What was to go may stay after all.
  auto kept = undrain_node(grown->state, NodeId{6}, {})->state;
  CHECK(kept.narrowing().drain_nodes_size() == 0);
  carry_out(kept);
  CHECK_FALSE(find_node(kept, NodeId{6})->draining());
}

TEST_CASE("when coding anew is cancelled the ring stays as wide as what is stored") {
  ClusterState state = cluster_of(7, 1);
  finish_jobs(state);
  state = drain_node(state, NodeId{7}, {})->state;
  finish_jobs(state);
  state = drain_node(state, NodeId{6}, {})->state;
  REQUIRE(cancel_job(state, last_job(state).id(), 1).has_value());
  CHECK(carry_on_narrowing(state, {}).value());
  CHECK_FALSE(state.has_narrowing());
  CHECK(ring_of(state).width() == 6);
  CHECK_FALSE(find_node(state, NodeId{6})->draining());
  // And can be asked for again: the class is that narrow already, what is stored may not be.
  const auto again = drain_node(state, NodeId{6}, {});
  REQUIRE(again.has_value());
  CHECK(again->state.has_narrowing());
}

TEST_CASE("when too many drives are lost meanwhile the drain is forgotten, and can be asked for again with more drives") {
  ClusterState state = cluster_of(1, 12);
  state = add_node(state, node_info(), drive_infos(20, 5), {})->state;
  finish_jobs(state);
  REQUIRE(profile(state) == erasure::Profile{8, 3});
  state = drain_node(state, NodeId{1}, {})->state;
  REQUIRE(state.has_narrowing());
  for (const std::uint64_t lost : {20, 21, 22}) state = mark_drive_out(state, drive_id(lost), {})->state;
  finish_jobs(state);
  CHECK(carry_on_narrowing(state, {}).value());
  CHECK_FALSE(state.has_narrowing());
  CHECK_FALSE(find_node(state, NodeId{1})->draining());
  state = add_drives(std::move(state), NodeId{2}, drive_infos(30, 3), {})->state;
  finish_jobs(state);
  CHECK(drain_node(state, NodeId{1}, {}).has_value());
}

TEST_CASE("a class that was configured is not changed: fewer drives than it is wide are refused") {
  ClusterState state;
  state.set_data_shards(4);
  state.set_parity_shards(2);
  state = found(state, node_info(), drive_infos(1, 6), {})->state;
  const auto change = drain_drive(state, drive_id(6), {});
  REQUIRE_FALSE(change.has_value());
  CHECK(change.error().code == Errc::denied);
  CHECK(change.error().message.find("configured") != std::string::npos);
}

TEST_CASE("what is stored more than once is not brought down to once") {
  ClusterState state = cluster_of(1, 2);
  REQUIRE(profile(state) == erasure::Profile{1, 1});
  const auto change = drain_drive(state, drive_id(2), {});
  REQUIRE_FALSE(change.has_value());
  CHECK(change.error().code == Errc::denied);
}

TEST_CASE("a drive or node that is lost narrows nothing by itself") {
  ClusterState state = cluster_of(1, 6);
  const auto lost = mark_drive_out(state, drive_id(6), {});
  REQUIRE_FALSE(lost.has_value());
  CHECK(lost.error().code == Errc::denied);
  const auto drained = drain_drive(state, drive_id(6), {});
  REQUIRE(drained.has_value());
  CHECK(drained->state.narrowing().drain_drives_size() == 1);
  state = drained->state;
  carry_out(state);
  CHECK(find_drive(state, drive_id(6))->draining());
  CHECK(profile(state) == erasure::Profile{2, 2});
}

TEST_CASE("a class of which one node would hold more shards than may be lost becomes narrower when there are nodes enough") {
  ClusterState state = cluster_of(1, 12);
  REQUIRE(profile(state) == erasure::Profile{8, 3});
  state = add_node(state, node_info(), drive_infos(20, 12), {})->state;
  CHECK(profile(state) == erasure::Profile{8, 3});  // two nodes are not enough
  const auto third = add_node(state, node_info(), drive_infos(40, 12), {});
  REQUIRE(third.has_value());
  state = third->state;
  CHECK(profile(state) == erasure::Profile{4, 2});
  CHECK(state.has_narrowing());
  CHECK(carry_out(state) == std::vector{JOB_REBALANCE, JOB_REENCODE, JOB_REBALANCE});
  CHECK(ring_of(state).width() == 6);
  const auto most = erasure::most_in_one(drives_by_node(state), 6);
  CHECK(most == 2u);
}

}  // namespace gabion::metadata::cluster::test
