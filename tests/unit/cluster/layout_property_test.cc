// Random sequences of changes: after each the state is consistent, and refusals change nothing.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <set>

#include "common/bytes.h"
#include "common/rng.h"
#include "metadata/cluster/fence.h"
#include "metadata/cluster/narrowing.h"
#include "tests/unit/cluster/states.h"

namespace gabion::metadata::cluster::test {
namespace {

class RandomChanges {
 public:
  explicit RandomChanges(Rng& rng) : rng_(rng) {}

  Result<Change> next(const ClusterState& state) {
    const NodeId node{static_cast<std::uint32_t>(1 + rng_.below(state.last_node() + 1))};
    const DriveId drive = *DriveId::from_raw(state.drives(static_cast<int>(rng_.below(
        static_cast<std::uint64_t>(state.drives_size())))).id());
    switch (rng_.below(11)) {
      case 0: return add_node(state, node_info(), fresh(rng_.below(4)), {});
      case 1: return add_drives(state, node, fresh(1 + rng_.below(2)), {});
      case 2: return drain_node(state, node, {});
      case 3: return undrain_node(state, node, {});
      case 4: return mark_node_out(state, node, {});
      case 5: return remove_node(without_metadata(state, node), node, {});
      case 6: return drain_drive(state, drive, {});
      case 7: return undrain_drive(state, drive, {});
      case 8: return mark_drive_out(state, drive, {});
      case 9: return remove_drive(state, drive, {});
      default: return replace_drive(state, drive, drive_info(next_drive_++), {});
    }
  }

 private:
  std::vector<DriveInfo> fresh(std::uint64_t count) {
    std::vector<DriveInfo> out;
    for (std::uint64_t i = 0; i < count; ++i) out.push_back(drive_info(next_drive_++, static_cast<double>(50 + rng_.below(100))));
    return out;
  }
  static ClusterState without_metadata(ClusterState state, NodeId node) {
    for (NodeInfo& info : *state.mutable_nodes()) {
      if (NodeId{info.id()} == node) info.set_metadata(false);
    }
    return state;
  }
  Rng& rng_;
  std::uint64_t next_drive_ = 1000;
};

void check_consistent(const ClusterState& state) {
  const ring::Ring ring = ring_of(state);
  CHECK(state.ring_epoch() == ring.epoch());
  CHECK(ring.width() >= state.data_shards() + state.parity_shards());
  std::set<std::string> taking;
  for (const DriveInfo& drive : state.drives()) {
    CHECK(find_node(state, NodeId{drive.node()}) != nullptr);
    if (in_use(state, drive)) taking.insert(drive.id());
  }
  for (const ring::Drive& drive : ring.drives()) {
    CHECK(taking.contains(std::string(drive.id.raw())) == (drive.weight > 0));
    CHECK(find_drive(state, drive.id) != nullptr);
  }
  std::uint64_t previous = ring.epoch();
  int running = 0;
  for (const std::string& encoded : state.previous_rings()) {
    const std::uint64_t epoch = ring::Ring::decode(encoded)->epoch();
    CHECK(epoch < previous);
    previous = epoch;
  }
  for (const Job& job : state.jobs()) running += active(job) && job.kind() == JOB_REBALANCE;
  CHECK(running <= 1);
  // Whoever moved has somebody who moves the data.
  if (state.previous_rings_size() != 0) CHECK((running == 1 || state.has_narrowing()));
}

}  // namespace

TEST_CASE("random changes keep the state consistent, and the ring close to what must move") {
  const std::uint32_t seed = GENERATE(Catch::Generators::range(1u, 9u));
  CAPTURE(seed);
  SeededRng rng(seed);
  RandomChanges changes(rng);
  ClusterState state = cluster_of(3, 3);
  unsigned applied = 0;
  unsigned stored = 0;  // the widest blocks there may be
  for (int step = 0; step < 60; ++step) {
    const auto change = changes.next(state);
    if (!change) {
      CHECK_FALSE(change.error().message.empty());
      continue;
    }
    ++applied;
    if (change->plan.ring_changes) {
      CHECK(change->plan.movement.moved <= change->plan.movement.minimum + change->plan.places / 10);
      CHECK(change->plan.after.crowded_rows == 0);
    }
    state = change->state;
    check_consistent(state);
    stored = std::max(stored, state.data_shards() + state.parity_shards());
    if (rng.below(3) == 0) {
      const bool recoding = std::any_of(state.jobs().begin(), state.jobs().end(),
                                        [](const Job& job) { return active(job) && job.kind() == JOB_REENCODE; });
      finish_jobs(state);
      CHECK(drop_fenced(state, state.ring_epoch()).has_value());
      CHECK(state.previous_rings_size() == 0);
      if (recoding) stored = state.data_shards() + state.parity_shards();
      const auto carried_on = carry_on_narrowing(state, {});
      if (carried_on) check_consistent(state);
    }
    CHECK(ring_of(state).width() >= stored);
  }
  CHECK(applied > 10);
}

}  // namespace gabion::metadata::cluster::test
