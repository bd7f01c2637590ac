#include "tools/serve/leader_spread.h"

#include <algorithm>

#include "common/log.h"

namespace gabion::serve {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(100);
constexpr Duration kHandoverTime = std::chrono::seconds(10);

using metadata::raft::GroupStatus;
using metadata::raft::MemberRole;

}  // namespace

std::optional<Handover> next_handover(NodeId self, const std::vector<GroupStatus>& groups,
                                      const std::map<NodeId, unsigned>& leading, const std::set<NodeId>& leaving) {
  const auto own = static_cast<unsigned>(std::count_if(groups.begin(), groups.end(), [](const auto& g) { return g.leads; }));
  std::optional<Handover> out;
  unsigned fewest = own;
  // Group 0 last: whoever leads that has to hear of everybody anew.
  for (auto next = groups.rbegin(); next != groups.rend(); ++next) {
    const GroupStatus& group = *next;
    if (!group.leads) continue;
    for (const auto& member : group.members) {
      const auto known = leading.find(member.node);
      if (member.role != MemberRole::voter || member.node == self || leaving.contains(member.node) || known == leading.end()) {
        continue;
      }
      if (known->second + 2 > own || known->second >= fewest) continue;
      fewest = known->second;
      out = Handover{group.group, member.node};
    }
  }
  return out;
}

void LeaderSpread::follow(const metadata::ClusterState& state) {
  const std::lock_guard lock(mutex_);
  leaving_.clear();
  for (const metadata::NodeInfo& node : state.nodes()) {
    if (node.draining() || node.out() || !node.metadata()) leaving_.insert(NodeId{node.id()});
  }
}

void LeaderSpread::hear(std::map<NodeId, unsigned> leading) {
  const std::lock_guard lock(mutex_);
  leading_ = std::move(leading);
}

task<void> LeaderSpread::run() {
  while (!stopping_) {
    co_await look();
    for (Duration slept{}; slept < options_.interval && !stopping_; slept += kTick) co_await options_.clock->sleep(kTick);
  }
}

task<void> LeaderSpread::look() {
  std::optional<Handover> next;
  {
    const std::lock_guard lock(mutex_);
    next = next_handover(options_.self, options_.groups(), leading_, leaving_);
  }
  if (!next) {
    since_.reset();
    co_return;
  }
  if (!since_) since_ = options_.clock->now();
  if (options_.clock->now() - *since_ < options_.patience) co_return;
  since_.reset();
  Context ctx;
  ctx.deadline = options_.clock->now() + kHandoverTime;
  const auto done = co_await options_.hand_over(ctx, *next);
  if (done) {
    LOG(info, "cluster", "a group was handed over to a node that leads fewer", field("group", next->group),
        field("node", to_string(next->to)));
  } else {
    LOG(debug, "cluster", "a group was not handed over", field("group", next->group), field("error", done.error().message));
  }
}

}  // namespace gabion::serve
