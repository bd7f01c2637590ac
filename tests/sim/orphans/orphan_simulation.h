// The removal of orphans among everything that could make it remove too much. Real are the sweepers, the drives with their
// engines, and the fence; the metadata is a model of many groups (model_metadata.h), as are the gateways:
//   writers   store shards slowly, by a ring that may be long replaced, and commit at once, much later, or never; some of them at
//             gateways that the cluster has given up and that come back; commits also arrive when nobody waits for them.
//   metadata  keys are copied to other groups and deleted where they were; groups split, and remove what is not theirs slowly;
//             deleted blocks are erased after a short grace; groups are out of reach for a while.
//   drives    shards are stored again, and on other drives as well; segments are compacted.
// One job follows the other all the while; sweepers restart in the middle, and are paused. All along every shard of a live block
// that was stored is where it was stored. In the end, when all is quiet, one more job leaves nothing on any drive but what is
// live.
#pragma once

#include <optional>
#include <string>

#include "gateway/data/core.h"

namespace gabion::test {

struct OrphanSimulation {
  std::uint64_t seed = 1;
  gateway::data::Sabotage sabotage = {};
  bool forget_deleted = false;  // what lives on in another group is taken off the list of what is to be erased at any time
};

struct OrphanOutcome {
  std::optional<std::string> violation;  // the first broken promise, or nothing
  std::uint64_t removed = 0;             // shards
  std::uint64_t late_commits = 0;        // that were refused
  std::uint64_t jobs = 0;
};
OrphanOutcome run_orphan_simulation(const OrphanSimulation& simulation);

}  // namespace gabion::test
