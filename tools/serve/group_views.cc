#include "tools/serve/group_views.h"

#include <algorithm>
#include <set>

#include "metadata/cluster/layout.h"
#include "metadata/cluster/splits.h"

namespace gabion::serve {
namespace {

using metadata::raft::GroupStatus;

RaftRole role_of(metadata::raft::MemberRole role) {
  switch (role) {
    case metadata::raft::MemberRole::standby: return RaftRole::standby;
    case metadata::raft::MemberRole::spare: return RaftRole::spare;
    default: return RaftRole::voter;
  }
}

RaftGroupView view_of_status(const GroupStatus& status) {
  RaftGroupView view;
  view.group = status.group;
  view.leader = status.leader;
  view.term = status.term;
  view.last_index = status.last_index;
  view.committed = status.committed;
  view.applied = status.applied;
  for (std::size_t i = 0; i < status.members.size(); ++i) {
    RaftMemberView member;
    member.node = status.members[i].node;
    member.role = role_of(status.members[i].role);
    if (i < status.matched.size()) member.matched = status.matched[i];
    view.members.push_back(member);
  }
  return view;
}

// What the leader of the newest term says, of those who say that they lead.
const RaftGroupView* reported(const std::vector<NodeReport>& reports, std::uint32_t group) {
  const RaftGroupView* newest = nullptr;
  for (const NodeReport& report : reports) {
    for (const RaftGroupView& view : report.groups) {
      if (report.up && view.group == group && (newest == nullptr || view.term > newest->term)) newest = &view;
    }
  }
  return newest;
}

}  // namespace

std::vector<RaftGroupView> group_views(const metadata::ClusterState& state, const std::vector<NodeReport>& reports,
                                       const std::vector<GroupStatus>& own, NodeId self) {
  std::set<std::uint32_t> groups, founded;
  for (const auto& range : metadata::cluster::key_ranges(state)) founded.insert(range.group);
  founded.insert(metadata::kRootGroup);
  groups = founded;
  for (const metadata::PendingSplit& split : state.splits()) groups.insert(split.child());
  const bool all_heard = std::none_of(reports.begin(), reports.end(), [](const NodeReport& r) { return r.up && !r.heard; });
  std::vector<RaftGroupView> out;
  for (const std::uint32_t group : groups) {
    const auto status = std::find_if(own.begin(), own.end(), [group](const GroupStatus& s) { return s.group == group; });
    const RaftGroupView* const heard = reported(reports, group);
    RaftGroupView view;
    view.group = group;
    if (status != own.end() && (status->leads || heard == nullptr)) view = view_of_status(*status);
    else if (heard != nullptr) view = *heard;
    const auto leader = std::find_if(reports.begin(), reports.end(), [&](const NodeReport& r) { return r.node == view.leader; });
    const bool led = view.leader == self || (leader != reports.end() && leader->up);
    if (!led) view.leader = NodeId{};
    view.lost = !led && all_heard && founded.contains(group);
    out.push_back(std::move(view));
  }
  return out;
}

}  // namespace gabion::serve
