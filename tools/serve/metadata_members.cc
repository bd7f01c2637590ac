#include "tools/serve/metadata_members.h"

#include <algorithm>

#include "common/log.h"

namespace gabion::serve {
namespace {

constexpr Duration kInterval = std::chrono::seconds(1);
constexpr Duration kStepTime = std::chrono::seconds(30);
constexpr Duration kHeardFor = std::chrono::seconds(3);  // heartbeats come twice a second

using metadata::raft::Member;
using metadata::raft::MemberRole;

const MemberCandidate* find(const std::vector<MemberCandidate>& candidates, NodeId node) {
  const auto it = std::find_if(candidates.begin(), candidates.end(), [&](const MemberCandidate& c) { return c.node == node; });
  return it == candidates.end() ? nullptr : &*it;
}

bool leaving(const std::vector<MemberCandidate>& candidates, NodeId node) {
  const MemberCandidate* const known = find(candidates, node);
  return known == nullptr || known->leaving;
}

bool up(const std::vector<MemberCandidate>& candidates, NodeId node) {
  const MemberCandidate* const known = find(candidates, node);
  return known != nullptr && known->up;
}

// The members that would be left could still decide.
bool can_go(NodeId node, const std::vector<Member>& members, const std::vector<MemberCandidate>& candidates) {
  std::size_t voters = 0, working = 0;
  for (const Member& member : members) {
    if (member.role != MemberRole::voter || member.node == node) continue;
    ++voters;
    working += up(candidates, member.node);
  }
  return voters != 0 && working > voters / 2;
}

}  // namespace

MemberStep next_member_step(NodeId self, const std::vector<Member>& members, const std::vector<MemberCandidate>& candidates) {
  std::size_t staying = 0;  // voters
  for (const Member& member : members) staying += member.role == MemberRole::voter && !leaving(candidates, member.node);
  // Two voters are worse than one: either alone stops them. So there are three as soon as there can be, and until then one.
  std::size_t possible = 0;
  for (const MemberCandidate& candidate : candidates) {
    const bool member = std::any_of(members.begin(), members.end(), [&](const Member& m) { return m.node == candidate.node; });
    possible += !candidate.leaving && (candidate.up || member);
  }
  const std::size_t wanted = possible >= kVotersWanted ? kVotersWanted : 1;
  for (const Member& member : members) {
    if (member.role == MemberRole::voter || leaving(candidates, member.node)) continue;
    if (staying < wanted && up(candidates, member.node)) return {MemberStep::Kind::promote, member.node};
  }
  if (staying < wanted) {
    for (const MemberCandidate& candidate : candidates) {
      const bool member = std::any_of(members.begin(), members.end(), [&](const Member& m) { return m.node == candidate.node; });
      if (!member && candidate.up && !candidate.leaving) return {MemberStep::Kind::add, candidate.node};
    }
  }
  for (const Member& member : members) {
    if (!leaving(candidates, member.node) || !can_go(member.node, members, candidates)) continue;
    if (member.node != self) return {MemberStep::Kind::remove, member.node};
    for (const Member& heir : members) {
      if (heir.role == MemberRole::voter && heir.node != self && !leaving(candidates, heir.node) && up(candidates, heir.node)) {
        return {MemberStep::Kind::transfer, heir.node};
      }
    }
  }
  return {};
}

void MetadataMembers::follow(const metadata::ClusterState& state) {
  std::vector<MemberCandidate> nodes;
  for (const metadata::NodeInfo& node : state.nodes()) {
    if (node.metadata()) nodes.push_back({NodeId{node.id()}, false, node.draining() || node.out()});
  }
  const std::lock_guard lock(mutex_);
  nodes_ = std::move(nodes);
}

void MetadataMembers::hear(std::vector<NodeId> up) {
  const std::lock_guard lock(mutex_);
  up_ = std::move(up);
  heard_ = clock_.now();
}

std::vector<MemberCandidate> MetadataMembers::candidates() const {
  const std::lock_guard lock(mutex_);
  if (!heard_ || clock_.now() - *heard_ > kHeardFor) return {};
  std::vector<MemberCandidate> nodes = nodes_;
  for (MemberCandidate& node : nodes) {
    node.up = node.node == self_ || std::find(up_.begin(), up_.end(), node.node) != up_.end();
  }
  return nodes;
}

task<void> MetadataMembers::run() {
  while (!stopping_) {
    for (metadata::raft::RaftGroup* const group : groups_()) {
      if (!stopping_) co_await take_step(*group);
    }
    for (Duration slept{}; slept < kInterval && !stopping_; slept += std::chrono::milliseconds(100)) {
      co_await clock_.sleep(std::chrono::milliseconds(100));
    }
  }
}

task<void> MetadataMembers::take_step(metadata::raft::RaftGroup& group) {
  const auto known = candidates();
  const auto status = group.status();
  if (known.empty() || !status.leads) co_return;
  const MemberStep step = next_member_step(self_, status.members, known);
  Context ctx;
  ctx.deadline = clock_.now() + kStepTime;
  Result<void> done;
  const char* what = "";
  switch (step.kind) {
    case MemberStep::Kind::none: co_return;
    case MemberStep::Kind::add: what = "added"; done = co_await group.add(ctx, step.node); break;
    case MemberStep::Kind::promote: what = "has a vote"; done = co_await group.promote(ctx, step.node); break;
    case MemberStep::Kind::remove: what = "removed"; done = co_await group.remove(ctx, step.node); break;
    case MemberStep::Kind::transfer: what = "to lead"; done = co_await group.transfer(ctx, step.node); break;
  }
  if (done) {
    LOG(info, "cluster", "a member of the metadata has changed", field("group", status.group),
        field("node", to_string(step.node)), field("change", what));
  } else {
    LOG(warn, "cluster", "a member of the metadata could not be changed yet", field("group", status.group),
        field("node", to_string(step.node)), field("change", what), field("error", done.error().message));
  }
}

}  // namespace gabion::serve
