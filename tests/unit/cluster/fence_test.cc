// The fence of a search for orphans in the cluster's state.
#include <catch2/catch_test_macros.hpp>

#include "metadata/cluster/fence.h"
#include "tests/unit/cluster/states.h"

namespace gabion::metadata::cluster::test {
namespace {

ClusterState quiet_cluster() {
  ClusterState state = cluster_of(3, 3);
  finish_jobs(state);
  return state;
}

std::vector<std::uint64_t> kept(const ClusterState& state) {
  std::vector<std::uint64_t> out;
  for (const std::string& ring : state.previous_rings()) out.push_back(ring::Ring::decode(ring)->epoch());
  return out;
}

}  // namespace

TEST_CASE("a fence has the same places, and stands once nobody writes by the ring before it") {
  ClusterState state = quiet_cluster();
  const ring::Ring before = ring_of(state);
  const std::uint64_t job = start_job(state, JOB_ORPHANS, "", {});
  CHECK(find_job(state, job)->epoch() == 0);
  CHECK_FALSE(fence_stands(state, *find_job(state, job)));
  CHECK(*raise_fence(state, job));
  const std::uint64_t epoch = find_job(state, job)->epoch();
  CHECK(epoch == before.epoch() + 1);
  CHECK(state.ring_epoch() == epoch);
  CHECK(ring_of(state) == before.at_epoch(epoch));
  CHECK(kept(state) == std::vector{before.epoch()});
  CHECK_FALSE(fence_stands(state, *find_job(state, job)));
  CHECK_FALSE(*raise_fence(state, job));  // it has one
  CHECK_FALSE(*drop_fenced(state, before.epoch()));
  CHECK(*drop_fenced(state, epoch));
  CHECK(kept(state).empty());
  CHECK(fence_stands(state, *find_job(state, job)));
  CHECK_FALSE(*drop_fenced(state, epoch));
}

TEST_CASE("no fence is made while shards move, of a job that does not run, or of another kind") {
  ClusterState state = quiet_cluster();
  const std::uint64_t job = start_job(state, JOB_ORPHANS, "", {});
  const std::uint64_t scrub = start_job(state, JOB_SCRUB, "", {});
  CHECK(raise_fence(state, scrub).has_error());
  CHECK(raise_fence(state, 999).has_error());
  REQUIRE(pause_job(state, job).has_value());
  CHECK(raise_fence(state, job).has_error());
  REQUIRE(resume_job(state, job).has_value());
  state = add_drives(std::move(state), NodeId{1}, drive_infos(50, 1), {})->state;
  CHECK_FALSE(*raise_fence(state, job));
  CHECK(find_job(state, job)->epoch() == 0);
}

TEST_CASE("a change of the layout behind a fence is not dropped with the ring before it, and ends with its own rebalance") {
  ClusterState state = quiet_cluster();
  const std::uint64_t old = state.ring_epoch();
  const std::uint64_t job = start_job(state, JOB_ORPHANS, "", {});
  REQUIRE(*raise_fence(state, job));
  state = add_drives(std::move(state), NodeId{1}, drive_infos(50, 1), {})->state;
  CHECK(kept(state) == std::vector{old + 1, old});
  CHECK(*drop_fenced(state, state.ring_epoch()));
  CHECK(kept(state) == std::vector{old + 1});  // shards are still where it says
  CHECK(fence_stands(state, *find_job(state, job)));
  CHECK_FALSE(*drop_fenced(state, state.ring_epoch()));
}

TEST_CASE("a ring that moves nothing and takes the place of the fence does not keep the ring before it") {
  ClusterState state = quiet_cluster();
  state = drain_drive(std::move(state), drive_id(1), {})->state;
  finish_jobs(state);
  REQUIRE(kept(state).empty());
  const std::uint64_t job = start_job(state, JOB_ORPHANS, "", {});
  REQUIRE(*raise_fence(state, job));
  const std::uint64_t fence = state.ring_epoch();
  state = remove_drive(std::move(state), drive_id(1), {})->state;
  REQUIRE(state.ring_epoch() == fence + 1);
  REQUIRE(kept(state) == std::vector{fence - 1});
  CHECK_FALSE(*drop_fenced(state, fence - 1));
  CHECK(*drop_fenced(state, state.ring_epoch()));
  CHECK(fence_stands(state, *find_job(state, job)));
}

TEST_CASE("rings that cannot be read are no fence") {
  ClusterState state = quiet_cluster();
  const std::uint64_t job = start_job(state, JOB_ORPHANS, "", {});
  REQUIRE(*raise_fence(state, job));
  state.set_previous_rings(0, "nonsense");
  CHECK_FALSE(fence_stands(state, *find_job(state, job)));
  CHECK(drop_fenced(state, state.ring_epoch()).has_error());
}

}  // namespace gabion::metadata::cluster::test
