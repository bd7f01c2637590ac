// The lives are only worth something if they notice a group that breaks its promises: each deliberate mistake must be found
// within a number of seeds.
#include <catch2/catch_test_macros.hpp>

#include "metadata/mutation.h"
#include "tests/sim/metadata/quiet.h"
#include "tests/sim/raft/lives.h"

namespace gabion::metadata::raft::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSeeds = 120;

// The seed whose life shows the mistake.
void check_caught(Mutation mutation, StateFlaw flaw = StateFlaw::none, std::optional<Troubles> troubles = std::nullopt) {
  metadata::test::be_quiet();
  LifeOptions options;
  options.flaw = flaw;
  options.troubles = troubles;
  std::optional<std::uint64_t> caught;
  for (options.seed = 1; options.seed <= kSeeds && !caught; ++options.seed) {
    active_mutation = mutation;
    const LifeStory story = live(options);
    active_mutation = Mutation::none;
    if (story.failure.empty()) continue;
    caught = options.seed;
    WARN("seed " << options.seed << ": " << story.failure);
  }
  CHECK(caught.has_value());
}

// Where a mistake shows in few runs, those troubles alone that lead there.
Troubles contests() {
  Troubles troubles = Troubles::none();
  troubles.contests = true;
  return troubles;
}

// A leader without answers gives up before others elect a new one, unless its clock is slow.
Troubles partitions() {
  Troubles troubles = Troubles::none();
  troubles.partitions = troubles.clocks = true;
  return troubles;
}

}  // namespace

TEST_CASE("a vote that is told before it is durable is noticed") {
  check_caught(Mutation::send_vote_early, StateFlaw::none, contests());
}
TEST_CASE("a vote that is never written down is noticed") { check_caught(Mutation::forget_vote, StateFlaw::none, contests()); }
TEST_CASE("entries that are acknowledged before they are durable are noticed") { check_caught(Mutation::acknowledge_early); }
TEST_CASE("a log whose syncs are skipped is noticed") { check_caught(Mutation::skip_log_sync); }
TEST_CASE("a lost command that is refused is noticed") { check_caught(Mutation::refuse_lost); }
TEST_CASE("a lost command that is acknowledged is noticed") { check_caught(Mutation::acknowledge_lost); }
TEST_CASE("reads of a leader that does not ask whether it leads are noticed") {
  check_caught(Mutation::read_at_once, StateFlaw::none, partitions());
}
TEST_CASE("reads of a new leader that does not know what is committed are noticed") {
  check_caught(Mutation::read_before_own_entry, StateFlaw::none, partitions());
}
TEST_CASE("a log that is cut before the state is durable is noticed") { check_caught(Mutation::cut_log_early); }
TEST_CASE("entries that are applied again are noticed") { check_caught(Mutation::apply_again); }
TEST_CASE("an applied index that is not made durable with what was applied is noticed") {
  check_caught(Mutation::none, StateFlaw::applied_index_late);
}
TEST_CASE("a state that is older than the log's beginning is noticed") {
  check_caught(Mutation::none, StateFlaw::installs_older);
}

}  // namespace gabion::metadata::raft::test
