// One life of a group: clients write and read while the nemesis rages, then all faults end and the group must come to serve
// and its members to be equal. GABION_SIM_SEED repeats one, GABION_SIM_SEEDS sets how many are lived.
#pragma once

#include "tests/sim/raft/nemesis.h"

namespace gabion::metadata::raft::test {

struct LifeOptions {
  std::uint64_t seed = 1;
  Duration lasts = std::chrono::seconds(12);
  std::optional<Troubles> troubles;  // otherwise as the seed says
  StateFlaw flaw = StateFlaw::none;
};

struct LifeStory {
  std::string failure;  // empty: all promises were kept
  std::string troubles;
  std::size_t acknowledged = 0, entries = 0, installs = 0, terms = 0, undecided = 0;
  std::uint64_t fingerprint = 0;
};

LifeStory live(const LifeOptions& options);

// The seeds to live: the one of the environment, or as many as it says, or `usual` many.
std::vector<std::uint64_t> seeds(std::uint64_t usual);

}  // namespace gabion::metadata::raft::test
