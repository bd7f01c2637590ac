// Who hands a group over to whom, and that it comes to an end.
#include "tools/serve/leader_spread.h"

#include <catch2/catch_test_macros.hpp>

#include "common/log.h"
#include "tests/support/sim.h"

namespace gabion::test {
namespace {

using metadata::raft::GroupStatus;
using metadata::raft::Member;
using metadata::raft::MemberRole;
using serve::Handover;
using serve::next_handover;
using std::chrono::minutes;
using std::chrono::seconds;

std::vector<GroupStatus> led_by(NodeId self, std::vector<std::uint32_t> leaders) {
  std::vector<GroupStatus> out;
  for (std::uint32_t group = 0; group < leaders.size(); ++group) {
    GroupStatus status;
    status.group = group;
    status.leader = NodeId{leaders[group]};
    status.leads = status.leader == self;
    status.members = {{NodeId{1}}, {NodeId{2}}, {NodeId{3}}, {NodeId{4}, MemberRole::standby}};
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace

TEST_CASE("a group goes to the voter that leads the fewest, when that is two less at least") {
  const NodeId self{1};
  const auto groups = led_by(self, {1, 1, 1, 2});
  CHECK(next_handover(self, groups, {{NodeId{1}, 3}, {NodeId{2}, 1}, {NodeId{3}, 0}}, {}) == Handover{2, NodeId{3}});
  CHECK(next_handover(self, groups, {{NodeId{1}, 3}, {NodeId{2}, 1}}, {}) == Handover{2, NodeId{2}});  // n3 is down
  CHECK(next_handover(self, groups, {{NodeId{1}, 3}, {NodeId{3}, 0}}, {NodeId{3}}) == std::nullopt);
  CHECK(next_handover(self, groups, {{NodeId{1}, 3}, {NodeId{4}, 0}}, {}) == std::nullopt);  // it has no vote
  CHECK(next_handover(self, groups, {{NodeId{1}, 3}, {NodeId{2}, 2}}, {}) == std::nullopt);
  CHECK(next_handover(self, led_by(self, {2, 2, 2}), {{NodeId{2}, 3}, {NodeId{3}, 0}}, {}) == std::nullopt);
}

TEST_CASE("groups are handed over one by one until all lead about as many, and stay there") {
  log::set_level(log::Level::error);
  sim::SimWorld world(1);
  std::vector<std::uint32_t> leaders(9, 1);
  int handed_over = 0;
  std::vector<std::unique_ptr<serve::LeaderSpread>> nodes;
  const auto hand_over = [&](Context, Handover step) -> task<Result<void>> {
    leaders[step.group] = static_cast<std::uint32_t>(step.to);
    ++handed_over;
    co_return Result<void>();
  };
  for (std::uint32_t n = 1; n <= 3; ++n) {
    serve::LeaderSpreadOptions options;
    options.self = NodeId{n};
    options.groups = [&leaders, n] { return led_by(NodeId{n}, leaders); };
    options.hand_over = hand_over;
    options.clock = &world.clock();
    nodes.push_back(std::make_unique<serve::LeaderSpread>(std::move(options)));
    nodes.back()->start(world.executor());
  }
  const auto pass = [&](Duration duration) {
    for (Duration passed{}; passed < duration; passed += seconds(1)) {
      std::map<NodeId, unsigned> leading = {{NodeId{1}, 0}, {NodeId{2}, 0}, {NodeId{3}, 0}};
      for (const std::uint32_t leader : leaders) ++leading[NodeId{leader}];
      for (auto& node : nodes) node->hear(leading);
      world.run_for(seconds(1));
    }
  };
  pass(seconds(50));
  CHECK(handed_over == 0);
  pass(minutes(15));
  for (std::uint32_t n = 1; n <= 3; ++n) CHECK(std::count(leaders.begin(), leaders.end(), n) == 3);
  CHECK(handed_over == 6);
  for (auto& node : nodes) world.run(node->stop());
}

}  // namespace gabion::test
