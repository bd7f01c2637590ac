#include "tools/serve/cluster_ranges.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/digest.h"
#include "common/encoding.h"
#include "gateway/s3/names.h"
#include "metadata/cluster/splits.h"

namespace gabion::serve {
namespace {

namespace cluster = metadata::cluster;
using metadata::ClusterState;
using metadata::GroupId;

BoundaryView boundary_view(const std::string& start, const RangeFacts& facts) {
  const cluster::Boundary boundary = cluster::boundary_of(start);
  const auto bucket = std::find_if(facts.buckets.begin(), facts.buckets.end(),
                                   [&](const metadata::Bucket& b) { return b.id() == boundary.bucket; });
  return {boundary.bucket, bucket == facts.buckets.end() ? std::string() : bucket->name(), boundary.key};
}

std::optional<BoundaryView> bound(const std::string& start, const RangeFacts& facts) {
  if (start.empty()) return std::nullopt;
  return boundary_view(start, facts);
}

bool is_removing(const RangeFacts& facts, GroupId group) {
  return std::find(facts.removing.begin(), facts.removing.end(), group) != facts.removing.end();
}

RangeView range_view(const cluster::KeyRange& range, const RangeFacts& facts) {
  RangeView out;
  out.start = bound(range.start, facts);
  out.end = bound(range.end, facts);
  out.group = range.group;
  out.removing = is_removing(facts, range.group);
  if (const auto counted = facts.objects.find(range.group); counted != facts.objects.end()) out.objects = counted->second;
  const auto group =
      std::find_if(facts.groups.begin(), facts.groups.end(), [&](const RaftGroupView& g) { return g.group == range.group; });
  if (group == facts.groups.end()) return out;
  out.leader = group->leader;
  for (const RaftMemberView& member : group->members) {
    if (member.role == RaftRole::voter) out.members.push_back(member.node);
  }
  return out;
}

SplitView pending_view(const metadata::PendingSplit& split, const RangeFacts& facts) {
  return {boundary_view(split.at(), facts), split.parent(), split.child(), SplitState::pending};
}

// Of the split alone: whatever else changes in the cluster meanwhile does not matter to it, as begin_split() looks again.
std::string plan_id(const metadata::PendingSplit& split) {
  const std::string text = fmt::format("split\n{}\n{}\n{}", split.parent(), split.child(), split.at());
  return hex_encode(as_bytes(sha256(as_bytes(text)))).substr(0, 12);
}

}  // namespace

RangesView ranges_view(const ClusterState& state, const RangeFacts& facts) {
  RangesView out;
  out.groups_max = cluster::kGroupsMax;
  for (const cluster::KeyRange& range : cluster::key_ranges(state)) out.ranges.push_back(range_view(range, facts));
  for (const metadata::PendingSplit& split : state.splits()) out.splits.push_back(pending_view(split, facts));
  return out;
}

Result<SplitView> split_view(const ClusterState& state, GroupId child, const RangeFacts& facts) {
  for (const metadata::PendingSplit& split : state.splits()) {
    if (split.child() == child) return pending_view(split, facts);
  }
  const auto ranges = cluster::key_ranges(state);
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].group != child) continue;
    // What is before it is what it was split from, or was split from that since.
    const bool removing = is_removing(facts, child) || is_removing(facts, ranges[i - 1].group);
    return SplitView{boundary_view(ranges[i].start, facts), ranges[i - 1].group, child,
                     removing ? SplitState::removing : SplitState::done};
  }
  return Error(Errc::not_found, fmt::format("no split makes a group {}; see: gabion admin range ls", child));
}

Result<PlannedSplit> plan_split(const ClusterState& state, const SplitWish& wish, const RangeFacts& facts) {
  const auto bucket = std::find_if(facts.buckets.begin(), facts.buckets.end(),
                                   [&](const metadata::Bucket& b) { return b.name() == wish.bucket; });
  if (bucket == facts.buckets.end()) return Error(Errc::not_found, fmt::format("there is no bucket '{}'", wish.bucket));
  if (wish.key.size() > gateway::s3::kKeyBytesMax || wish.key.find('\0') != wish.key.npos) {
    return Error(Errc::invalid, fmt::format("no object has such a key: it has {} bytes at most, and none of them is 0",
                                            gateway::s3::kKeyBytesMax));
  }
  PlannedSplit out;
  out.state = state;
  TRY(const metadata::PendingSplit split, cluster::begin_split(out.state, cluster::boundary_at(bucket->id(), wish.key)));
  SplitPlan& plan = out.plan;
  plan.id = plan_id(split);
  plan.split = pending_view(split, facts);
  for (const cluster::KeyRange& range : cluster::key_ranges(state)) {
    if (range.group != split.parent()) continue;
    const RangeView parent = range_view(range, facts);
    plan.start = parent.start;
    plan.end = parent.end;
    plan.objects = parent.objects;
  }
  plan.groups_after = static_cast<int>(cluster::key_ranges(out.state).size()) + out.state.splits_size();
  plan.groups_max = cluster::kGroupsMax;
  return out;
}

}  // namespace gabion::serve
