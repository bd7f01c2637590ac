// The sweeper expires streams whose time has passed, once, and no others.
#include <catch2/catch_test_macros.hpp>
#include <memory>

#include "common/async.h"
#include "common/net/deadline_sweeper.h"
#include "tests/support/sim.h"

namespace gabion::net {
namespace {

using namespace std::chrono_literals;

class Target final : public DeadlineTarget {
 public:
  explicit Target(DeadlineSweeper& sweeper) : DeadlineTarget(sweeper) {}
  using DeadlineTarget::expired;
  using DeadlineTarget::start_deadline;
  int expirations = 0;

 private:
  void expire() override { ++expirations; }
};

}  // namespace

TEST_CASE("a target expires once, within an interval after its deadline, and again after a new one") {
  sim::SimWorld world(1);
  Gate gate;
  DeadlineSweeper sweeper(world.clock());
  spawn(world.executor(), gate, "sweeper", sweeper.run());
  Target target(sweeper);
  target.start_deadline(world.clock().now() + 5s);
  world.run_for(4999ms);
  CHECK(target.expirations == 0);
  CHECK(!target.expired());
  world.run_for(1001ms);
  CHECK(target.expirations == 1);
  world.run_for(10s);
  CHECK(target.expirations == 1);
  target.start_deadline(world.clock().now() + 2s);
  CHECK(!target.expired());
  world.run_for(4s);
  CHECK(target.expirations == 2);
  sweeper.stop();
  world.run(gate.close());
}

TEST_CASE("targets come and go in any order") {
  sim::SimWorld world(1);
  DeadlineSweeper sweeper(world.clock());
  std::vector<std::unique_ptr<Target>> targets;
  for (int i = 0; i < 10; ++i) targets.push_back(std::make_unique<Target>(sweeper));
  for (const std::size_t gone : {std::size_t{0}, std::size_t{4}, std::size_t{7}}) {
    targets.erase(targets.begin() + static_cast<std::ptrdiff_t>(gone));
  }
  targets[2]->start_deadline(world.clock().now());
  sweeper.sweep(world.clock().now());
  for (std::size_t i = 0; i < targets.size(); ++i) CHECK(targets[i]->expirations == (i == 2 ? 1 : 0));
}

}  // namespace gabion::net
