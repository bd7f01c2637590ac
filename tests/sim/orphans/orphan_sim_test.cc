// Nothing that a manifest refers to, or will, is ever removed as an orphan, and in the end no orphan is left; and the mutations
// that the simulation must catch. GABION_SIM_SEEDS runs that many seeds, from GABION_SIM_FIRST on.
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>

#include "common/log.h"
#include "common/text.h"
#include "tests/sim/orphans/orphan_simulation.h"

namespace gabion::test {
namespace {

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : parse_u64(value).value_or(otherwise);
}

// What the first seed says that catches a deliberate bug.
std::string catch_with_seeds(OrphanSimulation simulation) {
  log::set_level(log::Level::off);
  for (simulation.seed = 1; simulation.seed <= 100; ++simulation.seed) {
    if (const auto outcome = run_orphan_simulation(simulation); outcome.violation) {
      WARN("caught by seed " << simulation.seed << ": " << *outcome.violation);
      return *outcome.violation;
    }
  }
  return "nothing";
}

}  // namespace

TEST_CASE("no live block loses a shard while orphans are removed, and none is left in the end") {
  log::set_level(std::getenv("GABION_SIM_LOG") != nullptr ? log::Level::debug : log::Level::off);
  const std::uint64_t first = number_from("GABION_SIM_FIRST", 1);
  const std::uint64_t count = number_from("GABION_SIM_SEEDS", 10);
  std::uint64_t removed = 0, refused = 0, jobs = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const auto outcome = run_orphan_simulation({.seed = seed});
    INFO("GABION_SIM_FIRST=" << seed << " GABION_SIM_SEEDS=1: " << outcome.violation.value_or("nothing"));
    REQUIRE(!outcome.violation);
    removed += outcome.removed;
    refused += outcome.late_commits;
    jobs += outcome.jobs;
  }
  // What it is all about did happen.
  CHECK(removed > 10 * count);
  CHECK(refused > count / 4);
  CHECK(jobs > 2 * count);
}

TEST_CASE("orphans that are looked for without a fence are caught") {
  CHECK(catch_with_seeds({.sabotage = {.orphans_without_fence = true}}) != "nothing");
}
TEST_CASE("a walk before the fence stands is caught") {
  CHECK(catch_with_seeds({.sabotage = {.orphans_before_fence = true}}) != "nothing");
}
TEST_CASE("a moment that is noted after the fence was made is caught") {
  CHECK(catch_with_seeds({.sabotage = {.orphans_late_note = true}}) != "nothing");
}
TEST_CASE("a walk that leaves groups out is caught") {
  CHECK(catch_with_seeds({.sabotage = {.orphans_of_one_group = true}}) != "nothing");
}
TEST_CASE("a walk that does not look at what was deleted meanwhile is caught") {
  CHECK(catch_with_seeds({.sabotage = {.orphans_deleted = true}}) != "nothing");
}
TEST_CASE("a collector that forgets, during the walk, what lives on in another group is caught") {
  CHECK(catch_with_seeds({.forget_deleted = true}) != "nothing");
}

}  // namespace gabion::test
