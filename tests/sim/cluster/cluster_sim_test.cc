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

// What the first seed says that catches a deliberate bug.
std::string catch_with_seeds(ClusterSimulation simulation) {
  log::set_level(log::Level::off);
  for (simulation.seed = 1; simulation.seed <= 40; ++simulation.seed) {
    if (const auto violation = run_cluster_simulation(simulation)) {
      WARN("caught by seed " << simulation.seed << ": " << *violation);
      return *violation;
    }
  }
  return "nothing";
}
}  // namespace

TEST_CASE("no acknowledged object is lost while nodes come, go and fail, and every shard finds its home") {
  log::set_level(std::getenv("GABION_SIM_LOG") != nullptr ? log::Level::debug : log::Level::off);
  const std::uint64_t first = number_from("GABION_SIM_FIRST", 1);
  const std::uint64_t count = number_from("GABION_SIM_SEEDS", 8);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const auto violation = run_cluster_simulation({.seed = seed});
    INFO("GABION_SIM_FIRST=" << seed << " GABION_SIM_SEEDS=1: " << violation.value_or("nothing"));
    REQUIRE(!violation);
  }
}

TEST_CASE("a stray that is removed before its copy is verified is caught") {
  CHECK(catch_with_seeds({.sabotage = {.remove_unverified = true}}) != "nothing");
}
TEST_CASE("a job that ends, and drops its rings, with its first worker is caught") {
  CHECK(catch_with_seeds({.finish_early = true}) != "nothing");
}
TEST_CASE("a collector that ignores readers at other gateways is caught") {
  CHECK(catch_with_seeds({.sabotage = {.collect_pinned_elsewhere = true}}) != "nothing");
}
TEST_CASE("coding anew while wider blocks may still be committed is caught") {
  CHECK(catch_with_seeds({.recode_unfenced = true}) != "nothing");
}

}  // namespace gabion::test
