// The block path of a cluster under random faults and changes of its layout. One run goes through phases:
//   chaos      writers, readers and deleters at every gateway, while nodes are cut off (some for so long that they are given
//              up), messages are lost, drives die, drives and nodes are added, drained and removed, and orphans are looked
//              for. Repair, rebalance and collection run all the while. Reads may fail; they never lie.
//   settling   the faults stop: every job ends, no repair is left, every live shard is at home and none is anywhere else, and
//              what writes left that did not happen is removed.
//   calm       slow readers at all gateways, overwrites, a ring that changes, and drains until the storage class becomes
//              narrower, without a fault: every read succeeds.
//   leaving    nodes are drained and removed, one after the other, as far as that is possible: nothing was left only there, and
//              what was coded for more drives than are left is coded anew.
//   clearing   everything is deleted: nothing is left on any drive.
// All along, a shard of a committed block that was seen on a drive stays somewhere, as long as that drive was not lost.
#pragma once

#include <optional>
#include <string>

#include "gateway/data/core.h"

namespace gabion::test {

struct ClusterSimulation {
  std::uint64_t seed = 1;
  gateway::data::Sabotage sabotage = {};
  bool finish_early = false;  // jobs end, and rings are dropped, with the first worker
  bool recode_unfenced = false;  // what is wide is coded anew while wider blocks may still be committed
};

// The first broken promise, or nothing.
std::optional<std::string> run_cluster_simulation(const ClusterSimulation& simulation);

}  // namespace gabion::test
