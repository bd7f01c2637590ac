#include "tools/serve/cluster_layout.h"

#include <algorithm>

#include "metadata/cluster/layout.h"
#include "ring/ring.h"

namespace gabion::serve {

ClusterLayout::ClusterLayout(ClusterPort& port, LocalDrives& drives, NodeId self, Clock& clock)
    : port_(port), drives_(drives), self_(self), clock_(clock), service_(epochs_), placement_(ring::Ring(), &epochs_) {
  port.router().add({rpc::Method::shard_put, rpc::Method::shard_read, rpc::Method::shard_stat, rpc::Method::shard_remove,
                     rpc::Method::shard_list, rpc::Method::drive_status},
                    service_);
}

void ClusterLayout::serve_local_drives() {
  for (const auto& drive : drives_.all()) {
    if (drive->up) service_.add(drive->id(), *drive->store);
  }
}

chunkserver::ShardStore* ClusterLayout::store_of(const DriveId& id, NodeId node) {
  if (node != self_) return remote_store(id, node);
  const auto it = std::find_if(drives_.all().begin(), drives_.all().end(), [&](const auto& drive) { return drive->id() == id; });
  return it != drives_.all().end() && (*it)->up ? (*it)->store.get() : nullptr;
}

chunkserver::ShardStore* ClusterLayout::remote_store(const DriveId& id, NodeId node) {
  Remote& remote = remotes_[id];
  if (remote.store && remote.node == node) return remote.store.get();
  rpc::Channel* const channel = port_.find(node);
  if (channel == nullptr) return nullptr;
  if (remote.store) retired_.push_back(std::move(remote));
  remote.node = node;
  remote.store = std::make_unique<chunkserver::RemoteShardStore>(*channel, node, id, epochs_, clock_);
  return remote.store.get();
}

Result<void> ClusterLayout::apply(const metadata::ClusterState& state) {
  port_.set_peers(state);
  gateway::data::Placement::Layout layout;
  TRY(layout.ring, ring::Ring::decode(state.ring()));
  for (const std::string& encoded : state.previous_rings()) {
    TRY(auto previous, ring::Ring::decode(encoded));
    layout.previous.push_back(std::move(previous));
  }
  layout.profile = erasure::Profile{state.data_shards(), state.parity_shards()};
  for (const metadata::DriveInfo& drive : state.drives()) {
    const auto id = DriveId::from_raw(drive.id());
    if (!id) return Error(Errc::corrupt, "the cluster's state has a drive without an id");
    // What was given up is not waited for.
    const auto* const node = metadata::cluster::find_node(state, NodeId{drive.node()});
    if (drive.out() || node == nullptr || node->out()) continue;
    if (auto* const store = store_of(*id, NodeId{drive.node()})) layout.drives.push_back({*id, store});
  }
  placement_.update(std::move(layout));
  return {};
}

void ClusterLayout::lose(const DriveId& drive) {
  service_.remove(drive);
  placement_.detach(drive);
}

erasure::Profile ClusterLayout::profile() const { return placement_.view()->profile.value_or(erasure::Profile{}); }

}  // namespace gabion::serve
