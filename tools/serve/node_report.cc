#include "tools/serve/node_report.h"

#include <algorithm>

#include "metadata/cluster/controller.h"

namespace gabion::serve {
namespace {

DriveReport drive_report(const metadata::cluster::DriveReport& heard) {
  DriveReport out;
  out.id = DriveId::from_raw(heard.id()).value_or(DriveId{});
  out.up = !heard.failed();
  out.capacity = heard.total_bytes();
  out.used = heard.shard_bytes();
  out.available = heard.available_bytes();
  out.shards = heard.shards();
  return out;
}

JobReport job_report(const metadata::cluster::JobReport& heard) {
  JobReport out;
  out.job = heard.job();
  out.blocks_done = heard.blocks_done();
  // What was counted at the start may be less than there was.
  out.blocks_total = heard.finished() ? heard.blocks_done() : heard.blocks_total();
  out.bytes_moved = heard.bytes_moved();
  out.failed_blocks = heard.failed_blocks();
  return out;
}

RaftRole role_of(metadata::cluster::GroupReport::Role role) {
  switch (role) {
    case metadata::cluster::GroupReport::STANDBY: return RaftRole::standby;
    case metadata::cluster::GroupReport::SPARE: return RaftRole::spare;
    default: return RaftRole::voter;
  }
}

RaftGroupView group_view(NodeId leader, const metadata::cluster::GroupReport& heard) {
  RaftGroupView out;
  out.group = heard.group();
  out.leader = leader;
  out.term = heard.term();
  out.last_index = heard.last_index();
  out.committed = heard.committed();
  out.applied = heard.applied();
  for (const auto& member : heard.members()) {
    out.members.push_back({NodeId{member.node()}, role_of(member.role()), member.matched()});
  }
  return out;
}

}  // namespace

std::vector<NodeReport> reports_of(const std::vector<metadata::cluster::NodeStatus>& nodes) {
  const Duration down_after = metadata::cluster::ControllerOptions().down_after;
  std::vector<NodeReport> out;
  for (const metadata::cluster::NodeStatus& status : nodes) {
    NodeReport report;
    report.node = status.node;
    // A new leader has not heard anybody at first and takes nobody for down before the time for that.
    const bool unheard = status.last.ByteSizeLong() == 0 && status.down_for < down_after;
    report.up = status.up || unheard;
    report.heard = !unheard;
    const Duration down = report.up ? Duration::zero() : std::max(Duration::zero(), status.down_for);
    report.down_seconds = static_cast<std::uint64_t>(down / std::chrono::seconds(1));
    for (const auto& drive : status.last.drives()) report.drives.push_back(drive_report(drive));
    for (const auto& group : status.last.groups()) report.groups.push_back(group_view(status.node, group));
    for (const auto& job : status.last.jobs()) report.jobs.push_back(job_report(job));
    out.push_back(std::move(report));
  }
  return out;
}

}  // namespace gabion::serve
