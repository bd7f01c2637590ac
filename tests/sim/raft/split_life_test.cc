// Lives of a cluster whose groups are divided while it is used: whatever machines, drives and the network do meanwhile, no command
// is lost or done twice. GABION_SIM_SEED repeats one, GABION_SIM_SEEDS sets how many are lived.
#include <catch2/catch_test_macros.hpp>

#include "tests/sim/metadata/quiet.h"
#include "tests/sim/raft/lives.h"
#include "tests/sim/raft/split_cluster.h"

namespace gabion::metadata::test {
namespace {

using namespace std::chrono_literals;

struct Total {
  std::size_t acknowledged = 0, reads = 0, splits = 0, crashes = 0, lives = 0;
};

Total live_all(std::uint64_t usual, const std::function<SplitTroubles(Rng&)>& troubles) {
  be_quiet();
  Total total;
  for (const std::uint64_t seed : raft::test::seeds(usual)) {
    SeededRng choices(seed * 31 + 7);
    auto cluster = std::make_unique<SplitCluster>(seed, troubles(choices));
    const bool closed = cluster->live({"m", "t", "f"}, 8s);
    const std::string failure = !cluster->failure().empty() ? cluster->failure() : closed ? "" : "it does not stop";
    total.acknowledged += cluster->acknowledged();
    total.reads += cluster->reads();
    total.splits += cluster->splits();
    total.crashes += cluster->crashes();
    ++total.lives;
    if (!failure.empty()) static_cast<void>(cluster.release());  // something in it may still wait, so it must stay
    INFO("GABION_SIM_SEED=" << seed << ": " << failure);
    REQUIRE(failure.empty());
  }
  WARN(fmt::format("{} lives: {} commands acknowledged, {} reads, {} splits, {} crashes", total.lives, total.acknowledged,
                   total.reads, total.splits, total.crashes));
  return total;
}

SplitTroubles none(Rng&) { return {false, false, false, false, false}; }
SplitTroubles all(Rng&) { return {}; }
SplitTroubles some(Rng& choices) {
  const auto armed = [&choices] { return choices.below(2) == 0; };
  SplitTroubles troubles;
  troubles.messages = armed();
  troubles.partitions = armed();
  troubles.crashes = armed();
  troubles.restarts = armed();
  troubles.pauses = armed();
  return troubles;
}

}  // namespace

TEST_CASE("groups are divided while clients write, and nothing is lost or done twice") {
  const Total total = live_all(3, none);
  CHECK(total.splits == 3 * total.lives);
  CHECK(total.acknowledged > 200 * total.lives);
}

TEST_CASE("groups are divided in some troubles, and nothing is lost or done twice") {
  const Total total = live_all(120, some);
  CHECK(total.splits == 3 * total.lives);
  if (total.lives < 20) return;
  CHECK(total.crashes > total.lives / 2);
}

TEST_CASE("groups are divided in all troubles at once, and nothing is lost or done twice") { live_all(60, all); }

}  // namespace gabion::metadata::test
