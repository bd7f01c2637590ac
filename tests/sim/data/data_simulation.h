// The data path under random faults, with a ledger of what was acknowledged. One run goes through phases:
//   chaos      writers, readers and deleters while drives go down, hang, are slow, fail calls, crash, and one drive of all is
//              damaged for good; repair and collection run in the background. Reads may fail; they never lie.
//   healing    the faults stop; the damaged drive is rebuilt. Every block comes to have every shard at home.
//   calm       slow readers, overwrites and a hasty collector without any fault: every read succeeds.
//   disaster   m drives are damaged at once: everything acknowledged is still read, and heals again.
//   clearing   everything is deleted: nothing is left on any drive.
// At each acknowledgement the drives themselves are looked at: any one of them could be lost, and every shard that is not
// at home has an intent.
#pragma once

#include <optional>
#include <string>

#include "gateway/data/core.h"

namespace gabion::test {

struct DataSimulation {
  std::uint64_t seed = 1;
  gateway::data::Sabotage sabotage;
};

// The first broken promise, or nothing.
std::optional<std::string> run_data_simulation(const DataSimulation& simulation);

}  // namespace gabion::test
