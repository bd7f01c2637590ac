#include "tools/serve/admin_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/text.h"
#include "tools/serve/cluster_health.h"

namespace gabion::serve {
namespace {

using boost::json::array;
using boost::json::object;

struct NamedKind {
  std::string_view name;
  ChangeKind kind;
};
constexpr std::array kChanges = {
    NamedKind{"drain-node", ChangeKind::drain_node},     NamedKind{"undrain-node", ChangeKind::undrain_node},
    NamedKind{"remove-node", ChangeKind::remove_node},   NamedKind{"drain-drive", ChangeKind::drain_drive},
    NamedKind{"undrain-drive", ChangeKind::undrain_drive}, NamedKind{"remove-drive", ChangeKind::remove_drive},
    NamedKind{"add-drive", ChangeKind::add_drive},       NamedKind{"replace-drive", ChangeKind::replace_drive},
    NamedKind{"rebalance", ChangeKind::rebalance},
};

template <class Item>
std::string_view state_of(const Item& item) {
  if (item.out) return "out";
  if (!item.up) return "down";
  return item.draining ? "draining" : "up";
}

std::string_view to_string(JobState state) {
  switch (state) {
    case JobState::running: return "running";
    case JobState::paused: return "paused";
    case JobState::done: return "done";
    case JobState::cancelled: return "cancelled";
  }
  return "";
}

std::string_view to_string(JobKind kind) {
  switch (kind) {
    case JobKind::rebalance: return "rebalance";
    case JobKind::scrub: return "scrub";
    case JobKind::reencode: return "reencode";
    case JobKind::orphans: return "orphans";
  }
  return "";
}

std::string_view to_string(RaftRole role) {
  switch (role) {
    case RaftRole::voter: return "voter";
    case RaftRole::standby: return "standby";
    case RaftRole::spare: return "spare";
  }
  return "";
}

std::string_view to_string(Health health) {
  switch (health) {
    case Health::ok: return "ok";
    case Health::warn: return "warn";
    case Health::error: return "error";
  }
  return "";
}

// What nobody has told yet is null, not 0.
boost::json::value figure(bool known, std::uint64_t number) {
  return known ? boost::json::value(number) : boost::json::value(nullptr);
}

struct Space {
  std::uint64_t drives = 0, drives_up = 0, capacity = 0, used = 0, available = 0;
  bool known = true;  // of every drive that counts as up
};

Space space_of(const ClusterView& view, NodeId node) {
  Space space;
  for (const DriveView& drive : view.drives) {
    if (drive.out || (node != NodeId{} && drive.node != node)) continue;
    ++space.drives;
    space.drives_up += drive.up ? 1 : 0;
    space.capacity += drive.capacity;
    space.used += drive.used;
    space.available += drive.available;
    space.known = space.known && (drive.known() || !drive.up);
  }
  return space;
}

// What of raw space is left for objects when shards are added to them.
std::uint64_t usable(const ClusterView& view, std::uint64_t raw) {
  const unsigned width = view.data_shards + view.parity_shards;
  return width == 0 ? raw : raw / width * view.data_shards;
}

object space_json(const ClusterView& view, const Space& space) {
  object out;
  out["rawBytes"] = figure(space.known, space.capacity);
  out["usedBytes"] = figure(space.known, space.used);
  out["availableBytes"] = figure(space.known, space.available);
  out["usableBytes"] = figure(space.known, usable(view, space.capacity));
  out["usableAvailableBytes"] = figure(space.known, usable(view, space.available));
  return out;
}

object layout_json(const LayoutView& layout) {
  object out;
  out["drives"] = layout.drives;
  out["capacityBytes"] = layout.capacity;
  out["imbalance"] = layout.imbalance;
  out["crowdedRows"] = layout.crowded_rows;
  return out;
}

Result<std::string> text_of(const object& request, std::string_view name) {
  const auto* value = request.if_contains(name);
  if (value == nullptr || !value->is_string() || value->get_string().empty()) {
    return Error(Errc::invalid, fmt::format("\"{}\" must be a text that is not empty", name));
  }
  return std::string(value->get_string());
}

bool names_node(ChangeKind kind) {
  return kind == ChangeKind::drain_node || kind == ChangeKind::undrain_node || kind == ChangeKind::remove_node ||
         kind == ChangeKind::add_drive;
}
bool names_drive(ChangeKind kind) {
  return kind == ChangeKind::drain_drive || kind == ChangeKind::undrain_drive || kind == ChangeKind::remove_drive ||
         kind == ChangeKind::replace_drive;
}

}  // namespace

object document(std::string_view kind) {
  object out;
  out["apiVersion"] = kApiVersion;
  out["kind"] = kind;
  return out;
}

object cluster_json(const ClusterView& view) {
  object out = document("ClusterStatus");
  out["cluster"] = view.id.to_hex();
  out["version"] = view.version;
  out["clustered"] = view.clustered;
  out["leader"] = view.leader == NodeId{} ? "" : gabion::to_string(view.leader);
  std::uint64_t nodes = 0, nodes_up = 0, members = 0, members_up = 0;
  for (const NodeView& node : view.nodes) {
    if (node.out) continue;
    ++nodes;
    nodes_up += node.up ? 1 : 0;
    members += node.metadata ? 1 : 0;
    members_up += node.metadata && node.up ? 1 : 0;
  }
  const Space space = space_of(view, NodeId{});
  out["nodes"] = nodes;
  out["nodesUp"] = nodes_up;
  out["drives"] = space.drives;
  out["drivesUp"] = space.drives_up;
  out["metadataMembers"] = members;
  out["metadataMembersUp"] = members_up;
  out["groups"] = view.groups.size();
  out["groupsLed"] = std::count_if(view.groups.begin(), view.groups.end(), [](const auto& g) { return g.leader != NodeId{}; });
  out["storageClass"] = fmt::format("{}+{}", view.data_shards, view.parity_shards);
  out["ringEpoch"] = view.ring.epoch;
  out["buckets"] = view.buckets;
  out["objects"] = view.objects;
  out["repairWaitingBlocks"] = view.repair.waiting_blocks;
  out["capacity"] = space_json(view, space);
  const auto found = problems(view);
  out["health"] = to_string(health(found));
  array& list = out["problems"].emplace_array();
  for (const Problem& problem : found) {
    object item;
    item["severity"] = to_string(problem.severity);
    item["code"] = problem.code;
    item["message"] = problem.message;
    item["action"] = problem.action;
    list.push_back(std::move(item));
  }
  array& jobs = out["jobs"].emplace_array();
  for (const JobView& job : view.jobs) {
    if (job.state == JobState::running || job.state == JobState::paused) jobs.push_back(job_json(job));
  }
  return out;
}

object node_json(const ClusterView& view, const NodeView& node) {
  object out;
  out["name"] = gabion::to_string(node.id);
  out["state"] = state_of(node);
  out["leader"] = node.id == view.leader;
  array& roles = out["roles"].emplace_array();
  if (node.gateway) roles.emplace_back("gateway");
  if (node.metadata) roles.emplace_back("metadata");
  if (node.chunkserver) roles.emplace_back("chunkserver");
  array& domain = out["domain"].emplace_array();
  for (const std::string& level : node.domain) domain.emplace_back(level);
  out["address"] = node.address;
  out["s3Endpoint"] = node.s3_endpoint;
  out["adminEndpoint"] = node.admin_endpoint;
  out["downSeconds"] = node.up ? 0 : node.down_seconds;
  const Space space = space_of(view, node.id);
  out["drives"] = space.drives;
  out["drivesUp"] = space.drives_up;
  out["capacityBytes"] = figure(space.known, space.capacity);
  out["usedBytes"] = figure(space.known, space.used);
  return out;
}

object drive_json(const DriveView& drive) {
  object out;
  out["name"] = drive.name;
  out["id"] = drive.id.to_hex();
  out["state"] = state_of(drive);
  out["node"] = gabion::to_string(drive.node);
  out["path"] = drive.path;
  out["capacityBytes"] = figure(drive.known(), drive.capacity);
  out["usedBytes"] = figure(drive.known(), drive.used);
  out["availableBytes"] = figure(drive.known(), drive.available);
  out["shards"] = figure(drive.known(), drive.shards);
  out["weight"] = drive.weight;
  out["places"] = drive.places;
  return out;
}

object ring_json(const ClusterView& view) {
  object out = document("Ring");
  out["epoch"] = view.ring.epoch;
  out["partitions"] = view.ring.partitions;
  out["width"] = view.ring.width;
  out["imbalance"] = view.ring.imbalance;
  out["crowdedRows"] = view.ring.crowded_rows;
  array& previous = out["previousEpochs"].emplace_array();
  for (const std::uint64_t epoch : view.ring.previous_epochs) previous.emplace_back(epoch);
  array& drives = out["drives"].emplace_array();
  for (const DriveView& drive : view.drives) {
    if (!drive.out || drive.places != 0) drives.push_back(drive_json(drive));
  }
  return out;
}

object capacity_json(const ClusterView& view) {
  object out = document("Capacity");
  out["storageClass"] = fmt::format("{}+{}", view.data_shards, view.parity_shards);
  out["total"] = space_json(view, space_of(view, NodeId{}));
  array& nodes = out["nodes"].emplace_array();
  for (const NodeView& node : view.nodes) {
    if (node.out) continue;
    const Space space = space_of(view, node.id);
    object item = space_json(view, space);
    item["name"] = gabion::to_string(node.id);
    item["drives"] = space.drives;
    nodes.push_back(std::move(item));
  }
  return out;
}

object repair_json(const ClusterView& view) {
  object out = document("RepairStatus");
  out["waitingBlocks"] = view.repair.waiting_blocks;
  array& jobs = out["jobs"].emplace_array();
  for (const JobView& job : view.jobs) {
    const bool open = job.state == JobState::running || job.state == JobState::paused;
    if (job.kind == JobKind::rebalance && open) jobs.push_back(job_json(job));
  }
  return out;
}

object job_json(const JobView& job) {
  object out;
  out["name"] = fmt::format("J-{}", job.id);
  out["type"] = to_string(job.kind);
  out["state"] = to_string(job.state);
  out["reason"] = job.reason;
  if (job.next != 0) out["next"] = fmt::format("J-{}", job.next);
  out["started"] = iso_date(job.started);
  if (job.finished != 0) out["finished"] = iso_date(job.finished);
  out["blocksDone"] = job.blocks_done;
  out["blocksTotal"] = job.blocks_total;
  out["bytesMoved"] = job.bytes_moved;
  out["failedBlocks"] = job.failed_blocks;
  out["bytesPerSecond"] = job.bytes_per_second;
  const bool done = job.state == JobState::done;
  out["fraction"] = done ? 1.0 : job.fraction;
  if (job.seconds_left && !done) out["secondsLeft"] = *job.seconds_left;
  array& workers = out["workers"].emplace_array();
  for (const WorkerView& worker : job.workers) {
    object item;
    item["node"] = gabion::to_string(worker.node);
    item["finished"] = worker.finished;
    workers.push_back(std::move(item));
  }
  return out;
}

object raft_json(const RaftGroupView& group) {
  object out;
  out["group"] = group.group;
  out["leader"] = group.leader == NodeId{} ? "" : gabion::to_string(group.leader);
  out["term"] = group.term;
  out["lastIndex"] = group.last_index;
  out["committed"] = group.committed;
  out["applied"] = group.applied;
  array& members = out["members"].emplace_array();
  for (const RaftMemberView& member : group.members) {
    object item;
    item["node"] = gabion::to_string(member.node);
    item["role"] = to_string(member.role);
    item["leader"] = member.node == group.leader;
    if (member.matched) {
      item["matched"] = *member.matched;
      item["behind"] = group.last_index - std::min(group.last_index, *member.matched);
    }
    members.push_back(std::move(item));
  }
  return out;
}

object plan_json(const Plan& plan) {
  object out = document("Plan");
  out["id"] = plan.id;
  out["summary"] = plan.summary;
  out["changesNothing"] = plan.changes_nothing;
  out["before"] = layout_json(plan.before);
  out["after"] = layout_json(plan.after);
  out["placesTotal"] = plan.places_total;
  out["placesMoved"] = plan.places_moved;
  out["placesMinimum"] = plan.places_minimum;
  out["bytesToMove"] = plan.bytes_to_move;
  out["seconds"] = plan.seconds;
  array& warnings = out["warnings"].emplace_array();
  for (const std::string& warning : plan.warnings) warnings.emplace_back(warning);
  return out;
}

Result<NodeId> node_of(std::string_view name) {
  const auto number = name.starts_with('n') ? parse_u64(name.substr(1)) : std::nullopt;
  if (!number || *number == 0 || *number > UINT32_MAX) {
    return Error(Errc::invalid, fmt::format("'{}' is not the name of a node, as n3 is", name));
  }
  return NodeId{static_cast<std::uint32_t>(*number)};
}

Result<std::uint64_t> job_of(std::string_view name) {
  const auto number = parse_u64(name.starts_with("J-") ? name.substr(2) : name);
  if (!number || *number == 0) return Error(Errc::invalid, fmt::format("'{}' is not the name of a job, as J-12 is", name));
  return *number;
}

Result<Change> change_of(const object& request) {
  TRY(const std::string kind, text_of(request, "kind"));
  const auto known = std::find_if(kChanges.begin(), kChanges.end(), [&](const NamedKind& k) { return k.name == kind; });
  if (known == kChanges.end()) return Error(Errc::invalid, fmt::format("'{}' is no kind of change", kind));
  Change change;
  change.kind = known->kind;
  if (names_node(change.kind)) {
    TRY(const std::string node, text_of(request, "node"));
    TRY(change.node, node_of(node));
  }
  if (names_drive(change.kind)) {
    TRY(change.drive, text_of(request, "drive"));
  }
  if (change.kind == ChangeKind::add_drive || change.kind == ChangeKind::replace_drive) {
    TRY(change.path, text_of(request, "path"));
  }
  return change;
}

}  // namespace gabion::serve
