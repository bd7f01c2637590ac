#include "tools/serve/cluster_health.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/span_text.h"

namespace gabion::serve {
namespace {

constexpr std::uint64_t kNearlyFullPercent = 90;

void availability_problems(const ClusterView& view, std::vector<Problem>& out) {
  unsigned unavailable = 0;
  for (const DriveView& drive : view.drives) unavailable += drive.up || drive.out ? 0 : 1;
  if (unavailable > view.parity_shards && !view.drives.empty()) {
    out.push_back({Health::error, "DATA_UNAVAILABLE",
                   fmt::format("{} drives are down, objects survive {}: some may be unreadable until drives are back",
                               unavailable, view.parity_shards),
                   "start the nodes and drives that are down"});
  }
}

bool node_up(const ClusterView& view, NodeId id) {
  const auto node = std::find_if(view.nodes.begin(), view.nodes.end(), [&](const NodeView& n) { return n.id == id; });
  return node != view.nodes.end() && node->up;
}

void leader_problems(const ClusterView& view, std::vector<Problem>& out) {
  for (const RaftGroupView& group : view.groups) {
    if (!group.lost) continue;
    out.push_back({Health::error, "GROUP_WITHOUT_LEADER",
                   fmt::format("group {} of the metadata has no leader: its keys can neither be read nor written", group.group),
                   "start the members that are down"});
  }
}

// Voters of a group, or of what the roles say where no group tells. One that has nothing of the group yet is no help to it.
struct Voters {
  std::uint32_t group = 0;
  unsigned all = 0, up = 0;
  unsigned may_fail() const { return up > all / 2 ? up - all / 2 - 1 : 0; }
};

std::vector<Voters> voters_of(const ClusterView& view) {
  std::vector<Voters> out;
  for (const RaftGroupView& group : view.groups) {
    Voters voters;
    voters.group = group.group;
    for (const RaftMemberView& member : group.members) {
      if (member.role != RaftRole::voter) continue;
      ++voters.all;
      voters.up += node_up(view, member.node) && member.matched != 0 ? 1 : 0;
    }
    if (voters.all != 0) out.push_back(voters);
  }
  if (!out.empty()) return out;
  Voters roles;
  for (const NodeView& node : view.nodes) {
    roles.all += node.metadata ? 1 : 0;
    roles.up += node.metadata && node.up ? 1 : 0;
  }
  out.push_back(roles);
  return out;
}

void metadata_problems(const ClusterView& view, std::vector<Problem>& out) {
  const auto groups = voters_of(view);
  const auto less = [](const Voters& a, const Voters& b) { return a.may_fail() < b.may_fail(); };
  const auto worst = std::min_element(groups.begin(), groups.end(), less);
  const auto degraded = std::count_if(groups.begin(), groups.end(), [](const Voters& v) { return v.up < v.all; });
  if (worst->all > 1 && worst->up < worst->all) {
    const std::string where = groups.size() == 1 ? "" : fmt::format(" in {} of {} groups", degraded, groups.size());
    out.push_back({Health::warn, "METADATA_DEGRADED",
                   fmt::format("{} of {} metadata members are up{}; {} more may fail", worst->up, worst->all, where,
                               worst->may_fail()),
                   "start the members that are down"});
  }
  const auto members = std::count_if(view.nodes.begin(), view.nodes.end(), [](const NodeView& n) { return n.metadata; });
  if (members == 2) {
    out.push_back({Health::warn, "METADATA_TWO_MEMBERS", "with two metadata members neither may fail",
                   "let a third node with the role metadata join: gabion admin node add"});
  }
}

void node_problems(const ClusterView& view, std::vector<Problem>& out) {
  for (const NodeView& node : view.nodes) {
    if (node.out || node.up) continue;
    out.push_back({Health::warn, "NODE_DOWN", fmt::format("{} is down for {}", to_string(node.id), span_text(node.down_seconds)),
                   fmt::format("start it, or give it up: gabion admin node drain {}", to_string(node.id))});
  }
}

void drive_problems(const ClusterView& view, std::vector<Problem>& out) {
  for (const DriveView& drive : view.drives) {
    if (drive.out) continue;
    // A node that is down explains its drives.
    if (!drive.up && node_up(view, drive.node)) {
      out.push_back({Health::warn, "DRIVE_DOWN", fmt::format("{} ({}) is down", drive.name, drive.path),
                     fmt::format("replace it: gabion admin drive replace {} --with PATH", drive.name)});
    }
    if (drive.up && drive.capacity != 0 && drive.used >= drive.capacity / 100 * kNearlyFullPercent) {
      out.push_back({Health::warn, "DRIVE_NEARLY_FULL",
                     fmt::format("{} is {}% full", drive.name, drive.used / std::max<std::uint64_t>(1, drive.capacity / 100)),
                     "add drives or nodes, or delete data"});
    }
  }
}

void job_problems(const ClusterView& view, std::vector<Problem>& out) {
  for (const JobView& job : view.jobs) {
    if (job.failed_blocks == 0) continue;
    out.push_back({Health::warn, "JOB_FAILED_BLOCKS", fmt::format("J-{} could not do {} blocks", job.id, job.failed_blocks),
                   fmt::format("see: gabion admin job show J-{}", job.id)});
  }
  if (view.repair.waiting_blocks != 0) {
    out.push_back({Health::warn, "REPAIR_WAITING", fmt::format("{} blocks wait for repair", view.repair.waiting_blocks), ""});
  }
}

}  // namespace

std::vector<Problem> problems(const ClusterView& view) {
  std::vector<Problem> out;
  availability_problems(view, out);  // the errors come first
  leader_problems(view, out);
  metadata_problems(view, out);
  node_problems(view, out);
  drive_problems(view, out);
  job_problems(view, out);
  return out;
}

Health health(const std::vector<Problem>& problems) {
  return problems.empty() ? Health::ok : problems.front().severity;
}

}  // namespace gabion::serve
