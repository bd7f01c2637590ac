// No power cut loses what was acknowledged, brings back what was removed, or changes a byte.
// GABION_CRASH_STATES sets how many crash states are checked (50,000 unless set, a tenth of it under a
// sanitizer); GABION_SEED the first seed.

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>

#include "common/text.h"
#include "tests/sim/drive/drive_life.h"

namespace gabion::sim {
namespace {

using chunkserver::Mutation;

#if defined(__has_feature) && (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
constexpr std::uint64_t kStates = 5'000;
#else
constexpr std::uint64_t kStates = 50'000;
#endif
constexpr int kScriptSteps = 10;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : parse_u64(text).value_or(otherwise);
}

// Every operation of a short script, in all four ways a crash can go; each also with a second cut in recovery.
std::uint64_t crash_everywhere(std::uint64_t seed, Coverage& coverage) {
  std::uint64_t states = 0;
  for (std::uint64_t cut = 0;; ++cut) {
    bool reached = false;
    for (const Crash how : kCrashes) {
      DriveLife life(seed, Mutation::none);
      reached = life.run_script(kScriptSteps, cut, how, std::nullopt);
      INFO("cut at operation " << cut << ", crash mode " << static_cast<int>(how));
      REQUIRE(life.failure().value_or("") == "");
      states += life.states();
      DriveLife again(seed, Mutation::none);
      again.run_script(kScriptSteps, cut, how, cut % 5);
      INFO("and recovery cut at operation " << cut % 5);
      REQUIRE(again.failure().value_or("") == "");
      states += again.states();
      life.add_to(coverage);
      again.add_to(coverage);
    }
    if (!reached) return states;
  }
}

TEST_CASE("no crash at any write boundary, nor in recovery, loses or changes anything acknowledged") {
  log::set_level(log::Level::off);
  const std::uint64_t wanted = from_environment("GABION_CRASH_STATES", kStates);
  std::uint64_t seed = from_environment("GABION_SEED", 1);
  std::uint64_t states = 0;
  Coverage coverage;
  while (states < wanted / 2) states += crash_everywhere(seed++, coverage);
  while (states < wanted) {
    DriveLife life(seed++, Mutation::none);
    while (life.states() < 40 && !life.failure()) life.live_until_crash();
    REQUIRE(life.failure().value_or("") == "");
    states += life.states();
    life.add_to(coverage);
  }
  CHECK(states >= wanted);
  std::string counts;
  for (const auto& [what, count] : coverage) {
    counts += fmt::format(", {} {}", count, what);
    CHECK(count > 0);
  }
  WARN(states << " crash states checked" << counts);
}

TEST_CASE("the same seed gives the same life") {
  log::set_level(log::Level::off);
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    DriveLife a(seed, Mutation::none);
    DriveLife b(seed, Mutation::none);
    for (int i = 0; i < 20; ++i) {
      a.live_until_crash();
      b.live_until_crash();
    }
    CHECK(a.trace() == b.trace());
    CHECK(a.disk_operations() == b.disk_operations());
    CHECK(a.trace() != 0);
  }
}

}  // namespace
}  // namespace gabion::sim
