#include "metadata/cluster/registry.h"

#include <algorithm>

namespace gabion::metadata::cluster {

void Registry::clear() {
  const std::lock_guard lock(mutex_);
  since_ = clock_.now();
  leadership_ = rng_.next();
  heard_.clear();
  drive_failed_.clear();
  known_.clear();
  drives_.clear();
  version_ = 0;
}

void Registry::set_state(const ClusterState& state, std::uint64_t version) {
  const std::lock_guard lock(mutex_);
  version_ = version;
  drives_.clear();
  std::map<NodeId, Known> known;
  for (const NodeInfo& node : state.nodes()) {
    const auto before = known_.find(NodeId{node.id()});
    const bool waited_for = before != known_.end() && !before->second.out;
    known[NodeId{node.id()}] = {node.gateway(), node.out(), waited_for ? before->second.since : clock_.now()};
  }
  known_ = std::move(known);
  for (const DriveInfo& drive : state.drives()) {
    const auto id = DriveId::from_raw(drive.id());
    if (id && !drive.out()) drives_[*id] = NodeId{drive.node()};
  }
  std::erase_if(heard_, [this](const auto& heard) { return !known_.contains(heard.first); });
  note_drives();
}

void Registry::set_known_ring(std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  known_ring_ = epoch;
}

std::uint64_t Registry::known_ring() const {
  const std::lock_guard lock(mutex_);
  return known_ring_;
}

Duration Registry::silence(NodeId node) const {
  const auto heard = heard_.find(node);
  const auto known = known_.find(node);
  const TimePoint since = known == known_.end() ? since_ : known->second.since;
  return clock_.now() - (heard == heard_.end() ? since : std::max(since, heard->second.at));
}

bool Registry::up(NodeId node) const {
  const auto heard = heard_.find(node);
  return heard != heard_.end() && clock_.now() - heard->second.at < down_after_;
}

template <class Oldest>
std::uint64_t Registry::settled_ring(Oldest oldest) const {
  std::uint64_t ring = known_ring_;
  for (const auto& [node, known] : known_) {
    if (up(node)) ring = std::min(ring, oldest(heard_.at(node).last));
    else if (!known.out && silence(node) < down_after_) return 0;
  }
  return ring;
}

HeartbeatReply Registry::receive(NodeId node, Heartbeat heartbeat) {
  const std::lock_guard lock(mutex_);
  HeartbeatReply reply;
  reply.set_leads(true);
  reply.set_state_version(version_);
  reply.set_beat(beat_);
  reply.set_leadership(leadership_);
  if (version_ == 0 || !known_.contains(node)) return reply;
  heard_[node] = {clock_.now(), std::move(heartbeat)};
  note_drives();
  for (const auto& [other, known] : known_) {
    if (known.out || !up(other)) continue;
    reply.add_up(static_cast<std::uint32_t>(other));
    auto& leading = *reply.add_leading();
    leading.set_node(static_cast<std::uint32_t>(other));
    leading.set_groups(static_cast<std::uint32_t>(heard_.at(other).last.groups_size()));
  }
  reply.set_movers_ring(settled_ring([](const Heartbeat& last) {
    return last.oldest_move_ring() == 0 ? last.ring_epoch() : std::min(last.ring_epoch(), last.oldest_move_ring());
  }));
  reply.set_writers_ring(settled_writers());
  return reply;
}

std::uint64_t Registry::settled_writers() const {
  return settled_ring([](const Heartbeat& last) {
    return last.oldest_write_ring() == 0 ? last.ring_epoch() : std::min(last.ring_epoch(), last.oldest_write_ring());
  });
}

std::uint64_t Registry::writers_ring() const {
  const std::lock_guard lock(mutex_);
  return version_ == 0 ? 0 : settled_writers();
}

// Drives that their nodes say to have failed, or do not speak of.
void Registry::note_drives() {
  std::set<DriveId> well;
  for (const auto& [node, heard] : heard_) {
    for (const DriveReport& drive : heard.last.drives()) {
      const auto id = DriveId::from_raw(drive.id());
      if (id && !drive.failed()) well.insert(*id);
    }
  }
  std::erase_if(drive_failed_,
                [&](const auto& failed) { return well.contains(failed.first) || !drives_.contains(failed.first); });
  for (const auto& [drive, node] : drives_) {
    if (up(node) && !well.contains(drive)) drive_failed_.try_emplace(drive, clock_.now());
  }
}

std::vector<NodeStatus> Registry::nodes() const {
  const std::lock_guard lock(mutex_);
  std::vector<NodeStatus> out;
  for (const auto& [node, known] : known_) {
    if (known.out) continue;
    NodeStatus status;
    status.node = node;
    status.up = up(node);
    if (!status.up) status.down_for = silence(node);
    if (const auto heard = heard_.find(node); heard != heard_.end()) status.last = heard->second.last;
    out.push_back(std::move(status));
  }
  return out;
}

std::map<DriveId, Duration> Registry::failed_drives() const {
  const std::lock_guard lock(mutex_);
  std::map<DriveId, Duration> out;
  for (const auto& [drive, at] : drive_failed_) {
    if (up(drives_.at(drive))) out[drive] = clock_.now() - at;
  }
  return out;
}

std::uint64_t Registry::stored_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [node, heard] : heard_) {
    for (const DriveReport& drive : heard.last.drives()) sum += drive.shard_bytes();
  }
  return sum;
}

std::uint64_t Registry::next_beat() {
  const std::lock_guard lock(mutex_);
  return ++beat_;
}

std::optional<std::vector<std::uint64_t>> Registry::pinned_since(std::uint64_t beat) const {
  const std::lock_guard lock(mutex_);
  if (version_ == 0) return std::nullopt;
  std::vector<std::uint64_t> out;
  for (const auto& [node, known] : known_) {
    if (!known.gateway || (known.out && !up(node))) continue;
    const auto heard = heard_.find(node);
    if (heard == heard_.end()) return std::nullopt;
    const Heartbeat& last = heard->second.last;
    if (last.leadership() != leadership_ || last.beat() < beat || last.more_pinned()) return std::nullopt;
    out.insert(out.end(), last.pinned().begin(), last.pinned().end());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace gabion::metadata::cluster
