// Lives of a group with real Raft in it: whatever the nemesis does, no promise is broken, and when it stops the group serves.
#include <catch2/catch_test_macros.hpp>

#include "tests/sim/metadata/quiet.h"
#include "tests/sim/raft/lives.h"

namespace gabion::metadata::raft::test {
namespace {

using namespace std::chrono_literals;
using metadata::test::be_quiet;

struct Total {
  std::size_t lives = 0, acknowledged = 0, entries = 0, installs = 0, terms = 0, undecided = 0;
  void add(const LifeStory& story) {
    ++lives;
    acknowledged += story.acknowledged;
    entries += story.entries;
    installs += story.installs;
    terms += story.terms;
    undecided += story.undecided;
  }
};

Total live_all(std::uint64_t usual, std::optional<Troubles> troubles) {
  be_quiet();
  Total total;
  for (const std::uint64_t seed : seeds(usual)) {
    LifeOptions options;
    options.seed = seed;
    options.troubles = troubles;
    const LifeStory story = live(options);
    INFO("GABION_SIM_SEED=" << seed << " with " << story.troubles << ": " << story.failure);
    REQUIRE(story.failure.empty());
    total.add(story);
  }
  WARN(fmt::format("{} lives: {} commands acknowledged, {} entries, {} states installed, {} terms with a leader, {} histories "
                   "too long to decide", total.lives, total.acknowledged, total.entries, total.installs, total.terms,
                   total.undecided));
  return total;
}

}  // namespace

TEST_CASE("no promise of the group is broken, whatever some troubles do") {
  const Total total = live_all(1000, std::nullopt);
  if (total.lives < 20) return;
  // What was never reached proves nothing.
  CHECK(total.installs > total.lives / 8);
  CHECK(total.terms > total.lives);
  CHECK(total.acknowledged > 50 * total.lives);
  CHECK(total.undecided == 0);
}

TEST_CASE("no promise of the group is broken by all troubles at once") { live_all(300, Troubles()); }

TEST_CASE("a group without trouble elects one leader and keeps it") {
  be_quiet();
  LifeOptions options;
  options.troubles = Troubles::none();
  options.lasts = 10s;
  for (options.seed = 1; options.seed <= 3; ++options.seed) {
    const LifeStory story = live(options);
    INFO("seed " << options.seed << ": " << story.failure);
    REQUIRE(story.failure.empty());
    CHECK(story.terms == 1);
    CHECK(story.acknowledged > 300);
  }
}

TEST_CASE("the same seed lives the same life") {
  be_quiet();
  for (LifeOptions options; options.seed <= 4; ++options.seed) {
    options.lasts = 4s;
    const LifeStory first = live(options), second = live(options);
    CHECK(first.fingerprint == second.fingerprint);
    CHECK(first.acknowledged == second.acknowledged);
    CHECK(first.failure == second.failure);
  }
}

}  // namespace gabion::metadata::raft::test
