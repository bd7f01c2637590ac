#include "metadata/cluster/layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "metadata/cluster/jobs.h"
#include "metadata/cluster/narrowing.h"
#include "metadata/cluster/ring_change.h"

namespace gabion::metadata::cluster {
namespace {

NodeId id_of(const NodeInfo& node) { return NodeId{node.id()}; }

NodeInfo* find_node(ClusterState& state, NodeId node) {
  return const_cast<NodeInfo*>(cluster::find_node(std::as_const(state), node));
}
DriveInfo* find_drive(ClusterState& state, const DriveId& drive) {
  return const_cast<DriveInfo*>(cluster::find_drive(std::as_const(state), drive));
}

Result<NodeInfo*> need_node(ClusterState& state, NodeId node) {
  NodeInfo* const found = find_node(state, node);
  if (found == nullptr) return Error(Errc::not_found, fmt::format("there is no node {}", to_string(node)));
  return found;
}
Result<DriveInfo*> need_drive(ClusterState& state, const DriveId& drive) {
  DriveInfo* const found = find_drive(state, drive);
  if (found == nullptr) return Error(Errc::not_found, fmt::format("there is no drive {}", drive.to_hex()));
  return found;
}

Result<void> check_domain(const ClusterState& state, const NodeInfo& node) {
  for (const NodeInfo& other : state.nodes()) {
    if (other.id() == node.id() || other.domain_size() == node.domain_size()) continue;
    return Error(Errc::invalid, fmt::format("all nodes name the same levels of failure domain: {} has {}, the new node {}",
                                            to_string(id_of(other)), other.domain_size(), node.domain_size()));
  }
  return {};
}

Result<void> append_drives(ClusterState& state, NodeId node, std::vector<DriveInfo> drives) {
  for (DriveInfo& drive : drives) {
    const auto id = DriveId::from_raw(drive.id());
    if (!id || !(drive.weight() > 0)) return Error(Errc::invalid, "a drive has an id and a weight");
    if (find_drive(state, *id) != nullptr) {
      return Error(Errc::already_exists, fmt::format("drive {} is part of the cluster already", id->to_hex()));
    }
    drive.set_node(static_cast<std::uint32_t>(node));
    drive.set_draining(false);
    drive.set_out(false);
    *state.add_drives() = std::move(drive);
  }
  return {};
}

std::string plural(std::size_t n, std::string_view what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

std::size_t drives_of(const ClusterState& state, NodeId node) {
  return static_cast<std::size_t>(std::count_if(state.drives().begin(), state.drives().end(), [&](const DriveInfo& d) {
    return NodeId{d.node()} == node && !d.out();
  }));
}

Result<void> keep_a_metadata_member(const ClusterState& state, const NodeInfo& leaving) {
  if (!leaving.metadata()) return {};
  const bool other = std::any_of(state.nodes().begin(), state.nodes().end(), [&](const NodeInfo& node) {
    return node.id() != leaving.id() && node.metadata() && !node.draining() && !node.out();
  });
  if (other) return {};
  return Error(Errc::denied, fmt::format("{} is the last node that holds the metadata: make another one a member first",
                                         to_string(id_of(leaving))));
}

template <class Message, class Gone>
void erase_if(google::protobuf::RepeatedPtrField<Message>& list, Gone gone) {
  for (int i = list.size(); i-- > 0;) {
    if (gone(list.Get(i))) list.DeleteSubrange(i, 1);
  }
}

}  // namespace

// --- Views ---

const NodeInfo* find_node(const ClusterState& state, NodeId node) {
  for (const NodeInfo& info : state.nodes()) {
    if (id_of(info) == node) return &info;
  }
  return nullptr;
}

const DriveInfo* find_drive(const ClusterState& state, const DriveId& drive) {
  for (const DriveInfo& info : state.drives()) {
    if (info.id() == drive.raw()) return &info;
  }
  return nullptr;
}

std::string drive_name(const DriveInfo& drive) {
  std::string_view path = drive.path();
  while (path.ends_with('/')) path.remove_suffix(1);
  return fmt::format("n{}/{}", drive.node(), path.substr(path.rfind('/') + 1));
}

bool in_use(const ClusterState& state, const DriveInfo& drive) {
  const NodeInfo* const node = find_node(state, NodeId{drive.node()});
  return node != nullptr && !node->draining() && !node->out() && !drive.draining() && !drive.out() && drive.weight() > 0;
}

Result<bool> drained(const ClusterState& state, const DriveId& drive) {
  const auto has_places = [&](const ring::Ring& ring) {
    return std::any_of(ring.drives().begin(), ring.drives().end(),
                       [&](const ring::Drive& d) { return d.id == drive && d.weight > 0; });
  };
  TRY(const ring::Ring current, current_ring(state));
  if (has_places(current)) return false;
  for (const std::string& encoded : state.previous_rings()) {
    TRY(const ring::Ring ring, ring::Ring::decode(encoded));
    if (has_places(ring)) return false;
  }
  return true;
}

// --- Nodes ---

Result<Change> found(ClusterState state, NodeInfo node, std::vector<DriveInfo> drives, const Facts& facts) {
  if (state.nodes_size() != 0) return Error(Errc::already_exists, "the cluster exists");
  state.set_orphans_us(facts.now_us);
  if (state.automatic_class() && state.ring().empty()) {
    const erasure::Profile profile = erasure::default_profile(drives.size());
    state.set_data_shards(profile.data);
    state.set_parity_shards(profile.parity);
  }
  return add_node(std::move(state), std::move(node), std::move(drives), facts);
}

Result<Change> add_node(ClusterState state, NodeInfo node, std::vector<DriveInfo> drives, const Facts& facts) {
  const ClusterState before = state;
  if (node.id() == 0) node.set_id(state.last_node() + 1);
  if (node.id() <= state.last_node()) {
    return Error(Errc::already_exists, fmt::format("node number {} was given before", node.id()));
  }
  TRY_OK(check_domain(state, node));
  const NodeId id = id_of(node);
  std::string summary = fmt::format("node {} added with {}", to_string(id), plural(drives.size(), "drive"));
  state.set_last_node(node.id());
  node.set_draining(false);
  node.set_out(false);
  *state.add_nodes() = std::move(node);
  TRY_OK(append_drives(state, id, std::move(drives)));
  return with_ring(before, std::move(state), std::move(summary), facts, FollowClass::both_ways);
}

Result<Change> add_drives(ClusterState state, NodeId node, std::vector<DriveInfo> drives, const Facts& facts) {
  const ClusterState before = state;
  TRY_OK(need_node(state, node));
  std::string summary = fmt::format("{} added to node {}", plural(drives.size(), "drive"), to_string(node));
  TRY_OK(append_drives(state, node, std::move(drives)));
  return with_ring(before, std::move(state), std::move(summary), facts, FollowClass::both_ways);
}

Result<Change> drain_node(ClusterState state, NodeId id, const Facts& facts) {
  const ClusterState before = state;
  TRY(NodeInfo* const node, need_node(state, id));
  if (node->out()) return Error(Errc::denied, fmt::format("node {} is out: it gives nothing away", to_string(id)));
  TRY_OK(keep_a_metadata_member(state, *node));
  node->set_draining(true);
  std::string summary = fmt::format("node {} drained: {}", to_string(id), plural(drives_of(state, id), "drive"));
  return with_ring(before, std::move(state), std::move(summary), facts, FollowClass::both_ways);
}

Result<Change> undrain_node(ClusterState state, NodeId id, const Facts& facts) {
  const ClusterState before = state;
  TRY(NodeInfo* const node, need_node(state, id));
  node->set_draining(false);
  node->set_out(false);
  forget_drain(state, id);
  std::string summary = fmt::format("node {} takes data again", to_string(id));
  return with_ring(before, std::move(state), std::move(summary), facts, FollowClass::both_ways);
}

Result<Change> mark_node_out(ClusterState state, NodeId id, const Facts& facts) {
  const ClusterState before = state;
  TRY(NodeInfo* const node, need_node(state, id));
  node->set_out(true);
  return with_ring(before, std::move(state), fmt::format("node {} lost", to_string(id)), facts);
}

Result<Change> remove_node(ClusterState state, NodeId id, const Facts& facts) {
  const ClusterState before = state;
  TRY(const NodeInfo* const node, need_node(state, id));
  if (!node->draining() && !node->out()) {
    return Error(Errc::denied, fmt::format("node {} is in use: drain it first", to_string(id)));
  }
  for (const DriveInfo& drive : state.drives()) {
    const auto drive_id = DriveId::from_raw(drive.id());
    if (NodeId{drive.node()} != id || !drive_id) continue;
    TRY(const bool empty, drained(state, *drive_id));
    if (empty) continue;
    return Error(Errc::denied, fmt::format("not everything on {} has been brought elsewhere yet: wait for the rebalance",
                                           drive_name(drive)));
  }
  if (node->metadata()) {
    return Error(Errc::denied, fmt::format("node {} is a member of the metadata still", to_string(id)));
  }
  erase_if(*state.mutable_drives(), [&](const DriveInfo& drive) { return NodeId{drive.node()} == id; });
  erase_if(*state.mutable_nodes(), [&](const NodeInfo& info) { return id_of(info) == id; });
  return with_ring(before, std::move(state), fmt::format("node {} removed", to_string(id)), facts);
}

// --- Drives ---

Result<Change> drain_drive(ClusterState state, const DriveId& id, const Facts& facts) {
  const ClusterState before = state;
  TRY(DriveInfo* const drive, need_drive(state, id));
  if (drive->out()) return Error(Errc::denied, fmt::format("drive {} is out: it gives nothing away", drive_name(*drive)));
  drive->set_draining(true);
  std::string summary = fmt::format("drive {} drained", drive_name(*drive));
  return with_ring(before, std::move(state), std::move(summary), facts, FollowClass::both_ways);
}

Result<Change> undrain_drive(ClusterState state, const DriveId& id, const Facts& facts) {
  const ClusterState before = state;
  TRY(DriveInfo* const drive, need_drive(state, id));
  drive->set_draining(false);
  drive->set_out(false);
  forget_drain(state, id);
  std::string summary = fmt::format("drive {} takes data again", drive_name(*drive));
  return with_ring(before, std::move(state), std::move(summary), facts, FollowClass::both_ways);
}

Result<Change> mark_drive_out(ClusterState state, const DriveId& id, const Facts& facts) {
  const ClusterState before = state;
  TRY(DriveInfo* const drive, need_drive(state, id));
  drive->set_out(true);
  std::string summary = fmt::format("drive {} lost", drive_name(*drive));
  return with_ring(before, std::move(state), std::move(summary), facts);
}

Result<Change> remove_drive(ClusterState state, const DriveId& id, const Facts& facts) {
  const ClusterState before = state;
  TRY(const DriveInfo* const drive, need_drive(state, id));
  std::string name = drive_name(*drive);
  if (in_use(state, *drive)) return Error(Errc::denied, fmt::format("drive {} is in use: drain it first", name));
  TRY(const bool empty, drained(state, id));
  if (!empty) {
    return Error(Errc::denied,
                 fmt::format("not everything on {} has been brought elsewhere yet: wait for the rebalance", name));
  }
  erase_if(*state.mutable_drives(), [&](const DriveInfo& info) { return info.id() == id.raw(); });
  return with_ring(before, std::move(state), fmt::format("drive {} removed", name), facts);
}

Result<Change> replace_drive(ClusterState state, const DriveId& id, DriveInfo fresh, const Facts& facts) {
  const ClusterState before = state;
  TRY(DriveInfo* const drive, need_drive(state, id));
  const NodeId node{drive->node()};
  fresh.set_node(drive->node());
  std::string summary = fmt::format("drive {} replaced by {}", drive_name(*drive), drive_name(fresh));
  drive->set_out(true);
  std::vector<DriveInfo> drives;
  drives.push_back(std::move(fresh));
  TRY_OK(append_drives(state, node, std::move(drives)));
  return with_ring(before, std::move(state), std::move(summary), facts);
}

Result<Change> rebalance(ClusterState state, const Facts& facts) {
  const ClusterState before = state;
  TRY(Change change, with_ring(before, std::move(state), "rebalance", facts));
  if (change.plan.job != 0) return change;
  // The drives have not changed: the same ones may be shared out better, and every block is looked at in any case.
  TRY(const ring::Ring old, current_ring(before));
  TRY(auto drives, ring_drives(change.state));
  TRY(const ring::Ring fresh, ring::build(old, std::move(drives), old.width(), old.partition_bits()));
  change.plan.movement = ring::movement(old, fresh);
  if (change.plan.movement.moved != 0) {
    change.plan.ring_changes = true;
    change.plan.after = ring::quality(fresh);
    change.plan.bytes_to_move = share_of(facts.stored_bytes, change.plan.movement.moved, change.plan.places);
    TRY_OK(keep_ring(change.state, before.ring()));
    change.state.set_ring(fresh.encode());
    change.state.set_ring_epoch(fresh.epoch());
  }
  change.plan.job = start_job(change.state, JOB_REBALANCE, change.plan.summary, facts);
  return change;
}

}  // namespace gabion::metadata::cluster
