#include "tests/sim/raft/lives.h"

#include <cstdlib>

namespace gabion::metadata::raft::test {
namespace {

using namespace std::chrono_literals;

ClusterOptions options_for(const LifeOptions& options, Rng& choices) {
  ClusterOptions cluster;
  cluster.seed = options.seed;
  cluster.founders = choices.below(3) == 0 ? 5 : 3;
  cluster.spares = choices.below(3);
  cluster.machine.flaw = options.flaw;
  // Times as they are in a cluster, or closer to each other.
  if (choices.below(3) != 0) {
    cluster.machine.timing.tick = 20ms;
    cluster.machine.timing.heartbeat = 60ms;
    cluster.machine.timing.election = 300ms;
  }
  cluster.machine.checkpoint_log_bytes = (4 + choices.below(40)) * KiB;
  cluster.machine.entry_memory_bytes = (2 + choices.below(20)) * KiB;
  cluster.machine.log_segment_bytes = (4 + choices.below(16)) * KiB;
  return cluster;
}

}  // namespace

LifeStory live(const LifeOptions& options) {
  SeededRng choices(options.seed * 48611 + 3);
  auto cluster = std::make_unique<Cluster>(options_for(options, choices));
  Nemesis nemesis(*cluster, options.troubles ? *options.troubles : Nemesis::some(choices));
  cluster->start_all();
  cluster->run_for(100ms);
  cluster->start_clients(3 + choices.below(6));
  cluster->run_for(2s);
  nemesis.rage(options.lasts);
  if (!cluster->oracle().failure()) cluster->converge();
  const bool closed = cluster->close();
  LifeStory story;
  const Oracle& oracle = cluster->oracle();
  story.failure = oracle.failure().value_or(closed ? "" : "it does not stop");
  story.troubles = nemesis.list();
  story.acknowledged = oracle.acknowledgements();
  story.entries = oracle.entries();
  story.installs = oracle.installs();
  story.terms = oracle.terms();
  story.undecided = oracle.undecided();
  story.fingerprint = oracle.fingerprint();
  if (!closed) static_cast<void>(cluster.release());  // something in it still waits, so it must stay
  return story;
}

std::vector<std::uint64_t> seeds(std::uint64_t usual) {
  if (const char* one = std::getenv("GABION_SIM_SEED")) return {std::strtoull(one, nullptr, 10)};
  if (const char* many = std::getenv("GABION_SIM_SEEDS")) usual = std::strtoull(many, nullptr, 10);
  std::vector<std::uint64_t> all;
  for (std::uint64_t seed = 1; seed <= usual; ++seed) all.push_back(seed);
  return all;
}

}  // namespace gabion::metadata::raft::test
