#include "metadata/cluster/ring_change.h"

#include <fmt/format.h>

#include <algorithm>

#include "metadata/cluster/jobs.h"
#include "metadata/cluster/narrowing.h"

namespace gabion::metadata::cluster {
namespace {

std::size_t count_in_use(const ClusterState& state) {
  return static_cast<std::size_t>(
      std::count_if(state.drives().begin(), state.drives().end(), [&](const DriveInfo& d) { return in_use(state, d); }));
}

void set_profile(ClusterState& state, erasure::Profile profile) {
  state.set_data_shards(profile.data);
  state.set_parity_shards(profile.parity);
}

Error too_few_drives(const ClusterState& state, std::size_t left) {
  const erasure::Profile profile = profile_of(state);
  const std::string_view how = state.automatic_class() ? "" : ", as it was configured to be,";
  return {Errc::denied, fmt::format("storage class {}{} has blocks on {} different drives each, so that many must take data: "
                                    "{} would be left. Add drives first",
                                    erasure::to_string(profile), how, profile.total(), left)};
}

// What is known before the new ring.
Plan plan_for(const ClusterState& before, const ClusterState& state, const ring::Ring& old, std::string summary) {
  Plan plan;
  plan.summary = std::move(summary);
  plan.profile_before = profile_of(before);
  plan.profile_after = profile_of(state);
  plan.drives_before = count_in_use(before);
  plan.drives_after = count_in_use(state);
  if (old.width() != 0) plan.before = plan.after = ring::quality(old);
  plan.places = std::uint64_t{old.partitions()} * old.width();
  return plan;
}

// Where places move, the old ring is kept and a job carries them over.
Result<Change> with_width(const ClusterState& before, ClusterState state, Plan plan, unsigned width, const Facts& facts) {
  Change change;
  TRY(const ring::Ring old, current_ring(before));
  TRY(auto drives, ring_drives(state));
  if (old.width() == width && old.drives() == drives) {
    change.plan = std::move(plan);
    change.state = std::move(state);
    return change;
  }
  const unsigned bits = old.width() == 0 ? kPartitionBits : old.partition_bits();
  TRY(const ring::Ring fresh, ring::build(old, std::move(drives), width, bits));
  plan.ring_changes = true;
  plan.after = ring::quality(fresh);
  plan.movement = ring::movement(old, fresh);
  plan.places = std::uint64_t{fresh.partitions()} * fresh.width();
  plan.bytes_to_move = share_of(facts.stored_bytes, plan.movement.moved, plan.places);
  state.set_ring(fresh.encode());
  state.set_ring_epoch(fresh.epoch());
  if (old.width() != 0 && plan.movement.moved != 0) {
    TRY_OK(keep_ring(state, before.ring()));
    plan.job = start_job(state, JOB_REBALANCE, plan.summary, facts);
  }
  change.plan = std::move(plan);
  change.state = std::move(state);
  return change;
}

}  // namespace

erasure::Profile profile_of(const ClusterState& state) { return {state.data_shards(), state.parity_shards()}; }

Result<ring::Ring> current_ring(const ClusterState& state) {
  if (state.ring().empty()) return ring::Ring();
  return ring::Ring::decode(state.ring());
}

Result<std::vector<ring::Drive>> ring_drives(const ClusterState& state) {
  std::vector<ring::Drive> out;
  for (const DriveInfo& drive : state.drives()) {
    const auto id = DriveId::from_raw(drive.id());
    if (!id) return Error(Errc::corrupt, "the cluster's state has a drive without an id");
    const NodeInfo* const node = find_node(state, NodeId{drive.node()});
    if (node == nullptr) return Error(Errc::corrupt, fmt::format("drive {} is of no node", drive_name(drive)));
    if (drive.out() || node->out()) continue;
    ring::Drive entry;
    entry.id = *id;
    entry.weight = drive.draining() || node->draining() ? 0 : drive.weight();
    entry.domain.assign(node->domain().begin(), node->domain().end());
    entry.domain.push_back(to_string(NodeId{node->id()}));
    out.push_back(std::move(entry));
  }
  std::sort(out.begin(), out.end(), [](const ring::Drive& a, const ring::Drive& b) { return a.id < b.id; });
  return out;
}

Result<void> keep_ring(ClusterState& state, const std::string& ring) {
  auto& rings = *state.mutable_previous_rings();
  if (rings.size() >= kPreviousRingsMax) {
    return Error(Errc::conflict, "too many changes of the layout are still being carried out: wait for the rebalance");
  }
  rings.Add(std::string(ring));
  std::rotate(rings.pointer_begin(), rings.pointer_end() - 1, rings.pointer_end());
  return {};
}

std::uint64_t share_of(std::uint64_t bytes, std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<std::uint64_t>(static_cast<double>(bytes) * static_cast<double>(part) /
                                                     static_cast<double>(whole));
}

Result<void> renew_ring(ClusterState& state) {
  TRY(const ring::Ring old, current_ring(state));
  std::vector<ring::DriveIndex> table;
  for (std::uint32_t partition = 0; partition < old.partitions(); ++partition) {
    table.insert(table.end(), old.row(partition).begin(), old.row(partition).end());
  }
  const ring::Ring fresh(old.epoch() + 1, old.partition_bits(), old.width(), old.drives(), std::move(table));
  TRY_OK(keep_ring(state, state.ring()));
  state.set_ring(fresh.encode());
  state.set_ring_epoch(fresh.epoch());
  return {};
}

Result<Change> with_ring(const ClusterState& before, ClusterState state, std::string summary, const Facts& facts,
                         FollowClass follow) {
  TRY(const ring::Ring old, current_ring(before));
  const erasure::Profile was = profile_of(state);
  erasure::Profile is = fitting_class(state);
  if (is.total() < was.total() && follow == FollowClass::wider_only) is = was;
  set_profile(state, is);
  const std::size_t left = count_in_use(state);
  if (left < is.total()) return too_few_drives(state, left);
  Plan plan = plan_for(before, state, old, std::move(summary));
  if (left < old.width()) {
    // Only a drain can wait: what else there is in the change would be forgotten.
    if (follow == FollowClass::wider_only || left >= plan.drives_before) return too_few_drives(before, left);
    return begin_narrowing(before, state, std::move(plan), facts);
  }
  const unsigned width = std::max(old.width(), is.total());
  TRY(Change change, with_width(before, std::move(state), std::move(plan), width, facts));
  if (is.total() < was.total()) TRY_OK(narrow_later(change, facts));
  return change;
}

Result<Change> with_narrow_ring(const ClusterState& before, ClusterState state, std::string summary, const Facts& facts) {
  TRY(const ring::Ring old, current_ring(before));
  // Never narrower: that is stored.
  if (const erasure::Profile fits = fitting_class(state); fits.total() > profile_of(state).total()) set_profile(state, fits);
  const std::size_t left = count_in_use(state);
  const unsigned width = profile_of(state).total();
  if (left < width) return too_few_drives(state, left);
  Plan plan = plan_for(before, state, old, std::move(summary));
  return with_width(before, std::move(state), std::move(plan), width, facts);
}

}  // namespace gabion::metadata::cluster
