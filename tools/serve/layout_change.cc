#include "tools/serve/layout_change.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/check.h"
#include "common/digest.h"
#include "common/encoding.h"
#include "common/text.h"
#include "metadata/cluster/narrowing.h"
#include "tools/serve/view_of_state.h"

namespace gabion::serve {
namespace {

namespace cluster = metadata::cluster;
using metadata::ClusterState;

// A drive keeps a reserve, and shards are not spread to the last byte.
constexpr std::uint64_t kFillPercentMax = 90;
constexpr std::uint64_t kFillPercentTold = 75;

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

// Where the loss of one node would be that of data, with the nodes and drives that take data in the end.
void warn_of_few_nodes(const ClusterState& state, std::vector<std::string>& warnings) {
  const std::vector<std::size_t> nodes = cluster::drives_by_node(state);
  const unsigned total = state.data_shards() + state.parity_shards();
  const auto on_one = erasure::most_in_one(nodes, total);
  if (nodes.size() < 2 || !on_one || *on_one <= state.parity_shards()) return;
  warnings.push_back(fmt::format("{} nodes take data: one that is lost takes {} of the {} shards of a block, and {} may be lost",
                                 nodes.size(), *on_one, total, state.parity_shards()));
}

// What all that is stored takes when it is coded as the class is after the change.
std::uint64_t stored_after(const cluster::Plan& plan, std::uint64_t stored) {
  const auto overhead = [](erasure::Profile profile) { return static_cast<double>(profile.total()) / profile.data; };
  if (plan.profile_after.total() >= plan.profile_before.total()) return stored;
  return static_cast<std::uint64_t>(static_cast<double>(stored) * overhead(plan.profile_after) / overhead(plan.profile_before));
}

Result<void> check_room(const cluster::Plan& plan, const ClusterState& after, const PlanFacts& facts,
                        std::vector<std::string>& warnings) {
  const std::uint64_t capacity = facts.capacity_of(after);
  const std::uint64_t stored = stored_after(plan, facts.facts.stored_bytes);
  if (capacity == 0) return {};
  if (stored > capacity / 100 * kFillPercentMax) {
    return Error(Errc::denied, fmt::format("{} are stored then and the drives that stay have {}: add drives first",
                                           format_size(stored), format_size(capacity)));
  }
  if (stored > capacity / 100 * kFillPercentTold) {
    const std::uint64_t percent = stored / std::max<std::uint64_t>(1, capacity / 100);
    warnings.push_back(fmt::format("the drives that stay will be {}% full", percent));
  }
  return {};
}

void warn_of_class(const cluster::Plan& plan, const PlanFacts& facts, std::uint64_t capacity,
                   std::vector<std::string>& warnings) {
  const unsigned before = plan.profile_before.parity, after = plan.profile_after.parity;
  if (after < before) warnings.push_back(fmt::format("{} instead of {} shards of a block may be lost then", after, before));
  if (plan.profile_after.total() >= plan.profile_before.total()) return;
  // What was coded before goes when its grace period is over.
  const std::uint64_t most = facts.facts.stored_bytes + stored_after(plan, facts.facts.stored_bytes);
  if (most <= capacity / 100 * kFillPercentMax) return;
  warnings.push_back(fmt::format("old and new blocks together take up to {} for a while, and the drives have {}: it goes on as "
                                 "room is made",
                                 format_size(most), format_size(capacity)));
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
  const ClusterState after = cluster::when_narrow(next.state);
  if (shrinks(change.kind)) TRY_OK(check_room(next.plan, after, facts, plan.warnings));
  if (next.plan.ring_changes) warn_of_few_nodes(after, plan.warnings);
  warn_of_class(next.plan, facts, facts.capacity_of(state), plan.warnings);
  plan.id = plan_id(change, facts.version);
  plan.summary = next.plan.summary;
  plan.changes_nothing = next.state.SerializeAsString() == state.SerializeAsString();
  plan.before.drives = static_cast<std::uint32_t>(next.plan.drives_before);
  plan.before.capacity = facts.capacity_of(state);
  plan.before.imbalance = next.plan.before.imbalance;
  plan.before.crowded_rows = next.plan.before.crowded_rows;
  plan.after.drives = static_cast<std::uint32_t>(next.plan.drives_after);
  plan.after.capacity = facts.capacity_of(after);
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
