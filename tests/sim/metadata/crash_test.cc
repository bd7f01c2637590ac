// Nothing acknowledged is lost while one replica of the log that has it is left, and the state always is what the log says.
// GABION_SIM_SEEDS sets how many lives each case lives.
#include <catch2/catch_test_macros.hpp>

#include <cstdlib>

#include "tests/sim/metadata/quiet.h"
#include "tests/sim/metadata/scenario.h"

namespace gabion::metadata::test {
namespace {

std::uint64_t seeds(std::uint64_t usual) {
  const char* wanted = std::getenv("GABION_SIM_SEEDS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : usual;
}

std::optional<std::string> live(std::uint64_t seed, const Faults& faults, std::size_t drives) {
  return Scenario(seed, faults, drives).run(8);
}

void check_all(const Faults& faults, std::size_t drives, std::uint64_t usual) {
  be_quiet();
  for (std::uint64_t seed = 1; seed <= seeds(usual); ++seed) {
    const auto failure = live(seed, faults, drives);
    INFO("seed " << seed << ", drives " << drives << ": " << failure.value_or(""));
    REQUIRE(!failure.has_value());
  }
}

Faults all_faults() {
  Faults faults;
  faults.lost_drives = faults.failed_syncs = faults.failed_states = true;
  return faults;
}

}  // namespace

TEST_CASE("power cuts at any operation lose nothing acknowledged, on one drive") { check_all(Faults(), 1, 400); }

TEST_CASE("power cuts at any operation lose nothing acknowledged, on three drives") { check_all(Faults(), 3, 300); }

TEST_CASE("drives that are missing for a while or wiped lose nothing that another one has") {
  Faults faults;
  faults.lost_drives = true;
  check_all(faults, 3, 400);
}

TEST_CASE("flipped bits on one drive are read from another") {
  Faults faults;
  faults.bit_flips = true;
  check_all(faults, 3, 300);
}

TEST_CASE("a failed sync takes a drive out, and no stale one wins later") {
  Faults faults;
  faults.failed_syncs = true;
  faults.lost_drives = true;
  check_all(faults, 3, 400);
}

TEST_CASE("the state moves to another drive when its own fails") {
  Faults faults;
  faults.failed_states = true;
  check_all(faults, 3, 200);
}

TEST_CASE("full drives refuse commands and lose none") {
  Faults faults;
  faults.full_drives = true;
  check_all(faults, 2, 200);
}

TEST_CASE("all faults together lose nothing acknowledged") { check_all(all_faults(), 3, 400); }

TEST_CASE("every deliberate mistake is noticed") {
  be_quiet();
  for (const Mutation mutation : {Mutation::skip_log_sync, Mutation::skip_applied_index, Mutation::acknowledge_after_one,
                                  Mutation::stale_replica_wins, Mutation::keep_failed_replica, Mutation::truncate_log_early}) {
    active_mutation = mutation;
    std::uint64_t noticed = 0;
    for (std::uint64_t seed = 1; seed <= 300 && noticed == 0; ++seed) {
      if (live(seed, all_faults(), 3)) noticed = seed;
    }
    active_mutation = Mutation::none;
    INFO("mutation " << static_cast<int>(mutation));
    CHECK(noticed != 0);
  }
}

TEST_CASE("the same seed lives the same life") {
  be_quiet();
  active_mutation = Mutation::skip_log_sync;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) CHECK(live(seed, all_faults(), 3) == live(seed, all_faults(), 3));
  active_mutation = Mutation::none;
}

}  // namespace gabion::metadata::test
