// Plans of changes that make the storage class narrower: what they say, what they warn of, and what they refuse.
#include <catch2/catch_test_macros.hpp>

#include "common/check.h"
#include "metadata/cluster/jobs.h"
#include "tools/serve/layout_change.h"

namespace gabion::test {
namespace {

using serve::Change;
using serve::ChangeKind;

constexpr std::uint64_t kDriveBytes = 100 * GiB;

DriveId drive_id(std::uint32_t node, std::uint32_t number) {
  DriveId id;
  id.bytes[0] = static_cast<std::uint8_t>(node);
  id.bytes[1] = static_cast<std::uint8_t>(number);
  return id;
}

struct Cluster {
  Cluster(std::uint32_t nodes, std::uint32_t drives_each, std::uint64_t stored_percent) {
    state.set_automatic_class(true);
    for (std::uint32_t n = 1; n <= nodes; ++n) {
      metadata::NodeInfo node;
      node.set_metadata(n == 1);
      node.set_chunkserver(true);
      std::vector<metadata::DriveInfo> drives;
      for (std::uint32_t d = 1; d <= drives_each; ++d) {
        metadata::DriveInfo& drive = drives.emplace_back();
        drive.set_id(std::string(drive_id(n, d).raw()));
        drive.set_path("/mnt/disk");
        drive.set_weight(100);
        facts.capacities.emplace_back(drive_id(n, d), kDriveBytes);
      }
      auto change = n == 1 ? metadata::cluster::found(state, node, std::move(drives), {})
                           : metadata::cluster::add_node(state, node, std::move(drives), {});
      GABION_CHECK(change.has_value(), "these clusters can grow");
      state = std::move(change->state);
    }
    facts.facts.stored_bytes = kDriveBytes / 100 * stored_percent * nodes * drives_each;
    facts.bytes_per_second = GiB;
  }
  Result<serve::PlannedChange> drain(std::uint32_t node) const {
    Change change;
    change.kind = ChangeKind::drain_node;
    change.node = NodeId{node};
    return serve::plan_change(state, change, std::nullopt, facts);
  }
  metadata::ClusterState state;
  serve::PlanFacts facts;
};

bool warns(const serve::Plan& plan, std::string_view of) {
  return std::any_of(plan.warnings.begin(), plan.warnings.end(),
                     [of](const std::string& warning) { return warning.find(of) != std::string::npos; });
}

// Seven nodes of one drive, of which one was drained: one more, and the class of 4+2 is wider than what is left.
Cluster at_the_edge(std::uint64_t stored_percent) {
  Cluster cluster(7, 1, stored_percent);
  cluster.state = cluster.drain(7)->state;
  return cluster;
}

}  // namespace

TEST_CASE("a drain that narrows the class says what becomes of it, and counts what is left in the end") {
  const Cluster cluster = at_the_edge(20);
  const auto planned = cluster.drain(6);
  REQUIRE(planned.has_value());
  const serve::Plan& plan = planned->plan;
  CHECK(plan.summary == "storage class becomes 2+2, 140.0 GiB are coded anew; node n6 drained: 1 drive");
  CHECK(plan.before.drives == 6);
  CHECK(plan.after.drives == 5);
  CHECK(plan.after.capacity == 5 * kDriveBytes);
  CHECK(plan.bytes_to_move > cluster.facts.facts.stored_bytes);
  CHECK(plan.seconds >= 140 / 7);
  CHECK(plan.warnings.empty());
  CHECK(planned->state.has_narrowing());
}

TEST_CASE("what would fit as it is coded now and not in the narrower class is refused") {
  const auto refused = at_the_edge(50).drain(6);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Errc::denied);
  CHECK(refused.error().message.find("466.7 GiB are stored then and the drives that stay have 500.0 GiB") != std::string::npos);
}

TEST_CASE("room for old and new blocks together is warned of when there is none") {
  const auto planned = at_the_edge(42).drain(6);
  REQUIRE(planned.has_value());
  CHECK(warns(planned->plan, "old and new blocks together take up to 686.0 GiB for a while"));
  CHECK(warns(planned->plan, "the drives that stay will be 78% full"));
}

TEST_CASE("fewer shards that may be lost are warned of, and a node whose loss is that of data") {
  Cluster cluster(4, 1, 10);
  REQUIRE(cluster.state.parity_shards() == 1);
  Cluster wide(5, 1, 10);
  REQUIRE(wide.state.parity_shards() == 2);
  wide.state = wide.drain(5)->state;
  const auto narrower = wide.drain(4);
  REQUIRE(narrower.has_value());
  CHECK(warns(narrower->plan, "1 instead of 2 shards of a block may be lost then"));
  Cluster configured(4, 4, 10);
  configured.state.set_automatic_class(false);
  REQUIRE(configured.state.data_shards() == 8);
  const auto fatal = configured.drain(4);
  REQUIRE(fatal.has_value());
  CHECK(warns(fatal->plan, "3 nodes take data: one that is lost takes 4 of the 11 shards of a block, and 3 may be lost"));
}

}  // namespace gabion::test
