#include "tools/serve/layout_change.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/check.h"
#include "common/digest.h"
#include "common/encoding.h"
#include "common/text.h"
#include "tools/serve/view_of_state.h"

namespace gabion::serve {
namespace {

namespace cluster = metadata::cluster;
using metadata::ClusterState;

// A drive keeps a reserve, and shards are not spread to the last byte.
constexpr std::uint64_t kFillPercentMax = 90;

// A node that drains keeps the role, so that it takes it up again when it is taken back; what counts are the groups.
Result<cluster::Change> without_node(ClusterState state, NodeId node, const PlanFacts& known) {
  if (!known.unknown_groups.empty()) {
    return Error(Errc::denied, fmt::format("nobody tells who the members of group {} are, and {} may be one of them; see: gabion "
                                           "admin raft status", known.unknown_groups.front(), to_string(node)));
  }
  if (std::find(known.members.begin(), known.members.end(), node) != known.members.end()) {
    const metadata::NodeInfo* info = cluster::find_node(state, node);
    if (info != nullptr && (info->draining() || info->out())) {
      return Error(Errc::denied, fmt::format("{} is still leaving the metadata's groups; see: gabion admin raft status",
                                             to_string(node)));
    }
  } else {
    for (metadata::NodeInfo& info : *state.mutable_nodes()) {
      if (NodeId{info.id()} == node) info.set_metadata(false);
    }
  }
  return cluster::remove_node(std::move(state), node, known.facts);
}

Result<cluster::Change> changed(const ClusterState& state, const Change& change, std::optional<metadata::DriveInfo> fresh,
                                const PlanFacts& known) {
  const cluster::Facts& facts = known.facts;
  switch (change.kind) {
    case ChangeKind::drain_node: return cluster::drain_node(state, change.node, facts);
    case ChangeKind::undrain_node: return cluster::undrain_node(state, change.node, facts);
    case ChangeKind::remove_node: return without_node(state, change.node, known);
    case ChangeKind::rebalance: return cluster::rebalance(state, facts);
    case ChangeKind::add_drive: {
      GABION_CHECK(fresh.has_value(), "a drive is added with what is known of it");
      std::vector<metadata::DriveInfo> drives;
      drives.push_back(std::move(*fresh));
      return cluster::add_drives(state, change.node, std::move(drives), facts);
    }
    default: break;
  }
  TRY(const DriveId drive, find_drive_named(state, change.drive));
  switch (change.kind) {
    case ChangeKind::drain_drive: return cluster::drain_drive(state, drive, facts);
    case ChangeKind::undrain_drive: return cluster::undrain_drive(state, drive, facts);
    case ChangeKind::remove_drive: return cluster::remove_drive(state, drive, facts);
    case ChangeKind::replace_drive:
      GABION_CHECK(fresh.has_value(), "a drive is replaced by one that is known");
      return cluster::replace_drive(state, drive, std::move(*fresh), facts);
    default: return Error(Errc::internal, "a change without a meaning");
  }
}

std::string plan_id(const Change& change, std::uint64_t version) {
  const std::string text = fmt::format("{}\n{}\n{}\n{}\n{}", version, static_cast<int>(change.kind), to_string(change.node),
                                       change.drive, change.path);
  return hex_encode(as_bytes(sha256(as_bytes(text)))).substr(0, 12);
}

// The most shards of one block that a node may have to hold, when the nodes that take data share them as evenly as they can.
void warn_of_few_nodes(const ClusterState& state, std::vector<std::string>& warnings) {
  const auto nodes = std::count_if(state.nodes().begin(), state.nodes().end(), [&](const metadata::NodeInfo& node) {
    return std::any_of(state.drives().begin(), state.drives().end(), [&](const metadata::DriveInfo& drive) {
      return drive.node() == node.id() && cluster::in_use(state, drive);
    });
  });
  const unsigned total = state.data_shards() + state.parity_shards();
  if (nodes == 0) return;
  const auto on_one = (total + static_cast<unsigned>(nodes) - 1) / static_cast<unsigned>(nodes);
  if (on_one <= state.parity_shards()) return;
  warnings.push_back(fmt::format("{} nodes take data: one that is lost takes {} of the {} shards of a block, and {} may be lost",
                                 nodes, on_one, total, state.parity_shards()));
}

Result<void> check_room(const ClusterState& after, const PlanFacts& facts, bool shrinks, std::vector<std::string>& warnings) {
  const std::uint64_t capacity = facts.capacity_of(after);
  const std::uint64_t stored = facts.facts.stored_bytes;
  if (!shrinks || capacity == 0 || stored <= capacity / 100 * kFillPercentMax) {
    if (shrinks && capacity != 0 && stored > capacity / 100 * 75) {
      const std::uint64_t percent = stored / std::max<std::uint64_t>(1, capacity / 100);
      warnings.push_back(fmt::format("the drives that stay will be {}% full", percent));
    }
    return {};
  }
  return Error(Errc::denied, fmt::format("{} are stored and the drives that stay have {}: add drives first", format_size(stored),
                                         format_size(capacity)));
}

bool shrinks(ChangeKind kind) { return kind == ChangeKind::drain_node || kind == ChangeKind::drain_drive; }

}  // namespace

std::uint64_t PlanFacts::capacity_of(const ClusterState& state) const {
  std::uint64_t sum = 0;
  for (const auto& [id, capacity] : capacities) {
    const metadata::DriveInfo* drive = cluster::find_drive(state, id);
    if (drive != nullptr && cluster::in_use(state, *drive)) sum += capacity;
  }
  return sum;
}

Result<PlannedChange> plan_change(const ClusterState& state, const Change& change, std::optional<metadata::DriveInfo> fresh,
                                  const PlanFacts& facts) {
  TRY(cluster::Change next, changed(state, change, std::move(fresh), facts));
  PlannedChange out;
  Plan& plan = out.plan;
  TRY_OK(check_room(next.state, facts, shrinks(change.kind), plan.warnings));
  if (shrinks(change.kind)) warn_of_few_nodes(next.state, plan.warnings);
  plan.id = plan_id(change, facts.version);
  plan.summary = next.plan.summary;
  plan.changes_nothing = next.state.SerializeAsString() == state.SerializeAsString();
  plan.before.drives = static_cast<std::uint32_t>(next.plan.drives_before);
  plan.before.capacity = facts.capacity_of(state);
  plan.before.imbalance = next.plan.before.imbalance;
  plan.before.crowded_rows = next.plan.before.crowded_rows;
  plan.after.drives = static_cast<std::uint32_t>(next.plan.drives_after);
  plan.after.capacity = facts.capacity_of(next.state);
  plan.after.imbalance = next.plan.after.imbalance;
  plan.after.crowded_rows = next.plan.after.crowded_rows;
  plan.places_total = next.plan.places;
  plan.places_moved = next.plan.movement.moved;
  plan.places_minimum = next.plan.movement.minimum;
  plan.bytes_to_move = next.plan.bytes_to_move;
  const std::uint64_t rate = facts.bytes_per_second * std::max<std::size_t>(1, facts.facts.workers.size());
  plan.seconds = rate == 0 ? 0 : plan.bytes_to_move / rate;
  if (plan.changes_nothing && plan.summary.empty()) plan.summary = "it is so already";
  out.state = std::move(next.state);
  return out;
}

}  // namespace gabion::serve
