// The block path of a cluster (invariants D1-D6, G1-G3, R1-R4, L1-L3) under faults and changes of the layout, and the
// mutations that its simulation must catch. GABION_SIM_SEEDS runs that many seeds, from GABION_SIM_FIRST on.
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>

#include "common/log.h"
#include "common/text.h"
#include "tests/sim/cluster/cluster_simulation.h"

namespace gabion::test {
namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : parse_u64(value).value_or(otherwise);
}

// How many seeds it takes to catch a deliberate bug; 0: not caught.
std::uint64_t seeds_to_catch(ClusterSimulation simulation) {
  log::set_level(log::Level::off);
  for (simulation.seed = 1; simulation.seed <= 40; ++simulation.seed) {
    if (run_cluster_simulation(simulation)) return simulation.seed;
  }
  return 0;
}

}  // namespace

TEST_CASE("no acknowledged object is lost while nodes come, go and fail, and every shard finds its home") {
  log::set_level(std::getenv("GABION_SIM_LOG") != nullptr ? log::Level::debug : log::Level::off);
  const std::uint64_t first = number_from("GABION_SIM_FIRST", 1);
  const std::uint64_t count = number_from("GABION_SIM_SEEDS", 12);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const auto violation = run_cluster_simulation({.seed = seed});
    INFO("GABION_SIM_FIRST=" << seed << " GABION_SIM_SEEDS=1: " << violation.value_or("nothing"));
    REQUIRE(!violation);
  }
}

TEST_CASE("a stray that is removed before its copy is verified is caught") {
  CHECK(seeds_to_catch({.sabotage = {.remove_unverified = true}}) != 0);
}
TEST_CASE("a job that ends, and drops its rings, with its first worker is caught") {
  CHECK(seeds_to_catch({.finish_early = true}) != 0);
}
TEST_CASE("a collector that ignores readers at other gateways is caught") {
  CHECK(seeds_to_catch({.sabotage = {.collect_pinned_elsewhere = true}}) != 0);
}

}  // namespace gabion::test
