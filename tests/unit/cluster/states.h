// Small clusters for tests of the layout.
#pragma once

#include <optional>

#include "metadata/cluster/jobs.h"
#include "metadata/cluster/layout.h"

namespace gabion::metadata::cluster::test {

inline DriveId drive_id(std::uint64_t number) {
  DriveId id;
  store_le(id.bytes.data() + 8, number * 0x9E3779B97F4A7C15ull);
  store_le(id.bytes.data(), number);
  return id;
}

inline DriveInfo drive_info(std::uint64_t number, double weight = 100) {
  DriveInfo drive;
  drive.set_id(std::string(drive_id(number).raw()));
  drive.set_path("/mnt/disk" + std::to_string(number));
  drive.set_weight(weight);
  return drive;
}

inline NodeInfo node_info(bool metadata = true) {
  NodeInfo node;
  node.set_address("127.0.0.1:9002");
  node.set_metadata(metadata);
  node.set_gateway(true);
  node.set_chunkserver(true);
  return node;
}

inline std::vector<DriveInfo> drive_infos(std::uint64_t first, std::uint64_t count) {
  std::vector<DriveInfo> drives;
  for (std::uint64_t i = 0; i < count; ++i) drives.push_back(drive_info(first + i));
  return drives;
}

// Nodes n1.. with this many drives each; their numbers are 1.. all through. The class is the automatic one unless configured.
inline ClusterState cluster_of(unsigned nodes, unsigned drives_each, std::optional<erasure::Profile> configured = {}) {
  ClusterState state;
  state.set_automatic_class(true);
  for (unsigned n = 0; n < nodes; ++n) {
    auto drives = drive_infos(1 + n * drives_each, drives_each);
    auto change = n == 0 ? found(std::move(state), node_info(), std::move(drives), {})
                         : add_node(std::move(state), node_info(), std::move(drives), {});
    state = std::move(change->state);
  }
  if (!configured) return state;
  state.set_automatic_class(false);
  state.set_data_shards(configured->data);
  state.set_parity_shards(configured->parity);
  return rebalance(std::move(state), {})->state;
}

inline ring::Ring ring_of(const ClusterState& state) { return ring::Ring::decode(state.ring()).value(); }

// All jobs do their work and end.
inline void finish_jobs(ClusterState& state) {
  for (Job& job : *state.mutable_jobs()) {
    if (!active(job)) continue;
    for (const std::uint32_t worker : std::vector<std::uint32_t>(job.workers().begin(), job.workers().end())) {
      finish_worker(job, NodeId{worker}, 0);
    }
    const auto done = finish_job(state, job.id(), 1);
    if (!done) std::abort();
  }
}

}  // namespace gabion::metadata::cluster::test
