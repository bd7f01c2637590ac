// Invariants D1-D6, G1-G3, R2, R4 and L1 of the data path, and the mutations that its simulation must catch.
// GABION_SIM_SEEDS runs that many seeds, from GABION_SIM_FIRST on.
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>

#include "common/log.h"
#include "common/text.h"
#include "tests/sim/data/data_simulation.h"

namespace gabion::test {
namespace {

using gateway::data::Sabotage;

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : parse_u64(value).value_or(otherwise);
}

TEST_CASE("no acknowledged write is lost or changed under random faults, repair converges, and nothing leaks") {
  log::set_level(log::Level::error);
  const std::uint64_t first = number_from("GABION_SIM_FIRST", 1);
  const std::uint64_t count = number_from("GABION_SIM_SEEDS", 60);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const auto violation = run_data_simulation({seed, {}});
    INFO("GABION_SIM_FIRST=" << seed << " GABION_SIM_SEEDS=1: " << violation.value_or("nothing"));
    REQUIRE(!violation);
  }
}

// How many seeds it takes to catch a deliberate bug; 0: not caught.
std::uint64_t seeds_to_catch(const Sabotage& sabotage) {
  log::set_level(log::Level::error);
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    if (run_data_simulation({seed, sabotage})) return seed;
  }
  return 0;
}

TEST_CASE("an acknowledgement when the block is merely readable is caught") {
  CHECK(seeds_to_catch({.acknowledge_early = true}) != 0);
}
TEST_CASE("a repair that is not queued is caught") { CHECK(seeds_to_catch({.forget_repairs = true}) != 0); }
TEST_CASE("a collector that ignores readers is caught") { CHECK(seeds_to_catch({.collect_pinned = true}) != 0); }
TEST_CASE("a collector that does not look twice is caught") { CHECK(seeds_to_catch({.collect_unconfirmed = true}) != 0); }
TEST_CASE("a nonce used twice is caught") { CHECK(seeds_to_catch({.reuse_nonces = true}) != 0); }
TEST_CASE("a tag that is not checked is caught") { CHECK(seeds_to_catch({.trust_tags = true}) != 0); }

}  // namespace
}  // namespace gabion::test
