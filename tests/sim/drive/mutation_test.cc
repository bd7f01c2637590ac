// The crash test is only worth something if it notices a drive engine that breaks its promises. Each deliberate fault of
// the mutation list must be found within a number of seeds.

#include <catch2/catch_test_macros.hpp>

#include "tests/sim/drive/drive_life.h"

namespace gabion::sim {
namespace {

using chunkserver::Mutation;

constexpr std::uint64_t kSeeds = 200;
constexpr std::uint64_t kStatesPerSeed = 20;

std::optional<std::uint64_t> first_seed_that_fails(Mutation mutation) {
  log::set_level(log::Level::off);
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    DriveLife life(seed, mutation);
    while (life.states() < kStatesPerSeed && !life.failure()) life.live_until_crash();
    if (life.failure()) {
      UNSCOPED_INFO(*life.failure());
      return seed;
    }
  }
  return std::nullopt;
}

void check_caught(Mutation mutation) {
  const auto seed = first_seed_that_fails(mutation);
  REQUIRE(seed.has_value());
  CHECK(*seed <= kSeeds);
}

TEST_CASE("the crash test finds nothing wrong with the engine as it is") {
  CHECK_FALSE(first_seed_that_fails(Mutation::none).has_value());
}
TEST_CASE("a sync skipped before the acknowledgement is caught") { check_caught(Mutation::skip_sync); }
TEST_CASE("a checksum that is not verified is caught") { check_caught(Mutation::skip_checksum); }
TEST_CASE("the newest of two records dropped by compaction is caught") { check_caught(Mutation::compaction_drops_newest); }
TEST_CASE("a tombstone dropped too early is caught") { check_caught(Mutation::tombstone_dropped_early); }
TEST_CASE("a new segment whose directory was not synced is caught") { check_caught(Mutation::skip_dir_sync); }
TEST_CASE("an index that knows of data before it is durable is caught") { check_caught(Mutation::index_ahead); }
TEST_CASE("a failed sync that is tried again is caught") { check_caught(Mutation::retry_sync); }

}  // namespace
}  // namespace gabion::sim
