#include "tools/serve/view_of_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "metadata/cluster/layout.h"
#include "ring/ring.h"

namespace gabion::serve {
namespace {

namespace cluster = metadata::cluster;
using metadata::ClusterState;

const NodeReport* report_of(const std::vector<NodeReport>& reports, std::uint32_t node) {
  const auto found = std::find_if(reports.begin(), reports.end(), [&](const NodeReport& r) { return r.node == NodeId{node}; });
  return found == reports.end() ? nullptr : &*found;
}

NodeView node_view(const metadata::NodeInfo& info, const NodeReport* report) {
  NodeView out;
  out.id = NodeId{info.id()};
  out.address = info.address();
  out.s3_endpoint = info.s3_endpoint();
  out.admin_endpoint = info.admin_endpoint();
  out.domain.assign(info.domain().begin(), info.domain().end());
  out.metadata = info.metadata();
  out.gateway = info.gateway();
  out.chunkserver = info.chunkserver();
  out.draining = info.draining();
  out.out = info.out();
  out.up = report != nullptr && report->up;
  out.down_seconds = report == nullptr || report->up ? 0 : report->down_seconds;
  return out;
}

DriveView drive_view(const ClusterState& state, const metadata::DriveInfo& info, const NodeReport* report) {
  DriveView out;
  out.id = DriveId::from_raw(info.id()).value_or(DriveId{});
  out.name = cluster::drive_name(info);
  // The one that was put in the place of a lost drive has its name.
  const auto same = std::count_if(state.drives().begin(), state.drives().end(), [&](const metadata::DriveInfo& d) {
    return cluster::drive_name(d) == out.name && (info.out() || !d.out());
  });
  if (same > 1) out.name = out.id.to_hex();
  out.node = NodeId{info.node()};
  out.path = info.path();
  const metadata::NodeInfo* node = cluster::find_node(state, out.node);
  out.draining = info.draining() || (node != nullptr && node->draining());
  out.out = info.out() || (node != nullptr && node->out());
  out.weight = info.weight();
  if (report == nullptr) return out;
  out.up = report->up && report->drives.empty();  // not heard of yet
  for (const DriveReport& drive : report->drives) {
    if (drive.id != out.id) continue;
    out.up = report->up && drive.up;
    out.capacity = drive.capacity;
    out.used = drive.used;
    out.available = drive.available;
    out.shards = drive.shards;
  }
  return out;
}

JobState state_of(metadata::JobState state) {
  switch (state) {
    case metadata::JOB_PAUSED: return JobState::paused;
    case metadata::JOB_DONE: return JobState::done;
    case metadata::JOB_CANCELLED: return JobState::cancelled;
    default: return JobState::running;
  }
}

JobKind kind_of(metadata::JobKind kind) {
  switch (kind) {
    case metadata::JOB_SCRUB: return JobKind::scrub;
    case metadata::JOB_REENCODE: return JobKind::reencode;
    case metadata::JOB_ORPHANS: return JobKind::orphans;
    default: return JobKind::rebalance;
  }
}

const JobReport* progress_of(const NodeReport* report, std::uint64_t job) {
  if (report == nullptr) return nullptr;
  const auto found = std::find_if(report->jobs.begin(), report->jobs.end(), [&](const JobReport& j) { return j.job == job; });
  return found == report->jobs.end() ? nullptr : &*found;
}

// How far one worker is, of 1, and how long it will still take where that can be told.
double add_worker(JobView& view, const JobReport& progress) {
  view.blocks_done += progress.blocks_done;
  view.blocks_total += progress.blocks_total;
  view.bytes_moved += progress.bytes_moved;
  view.failed_blocks += progress.failed_blocks;
  if (progress.blocks_total == 0) return 0;
  // What was counted at the start may be less than there is by now; only a worker that is finished says so.
  return std::min(0.999, static_cast<double>(progress.blocks_done) / static_cast<double>(progress.blocks_total));
}

JobView job_view(const metadata::Job& job, const std::vector<NodeReport>& reports, WallMicros now) {
  JobView out;
  out.id = job.id();
  out.kind = kind_of(job.kind());
  out.state = state_of(job.state());
  out.reason = job.reason();
  out.next = job.next();
  out.started = job.started_us();
  out.finished = job.finished_us();
  double slowest = 1;
  for (const std::uint32_t worker : job.workers()) {
    const auto& ended = job.finished_workers();
    WorkerView view;
    view.node = NodeId{worker};
    view.finished = std::find(ended.begin(), ended.end(), worker) != ended.end();
    const JobReport* progress = progress_of(report_of(reports, worker), job.id());
    double part = progress == nullptr ? 0 : add_worker(out, *progress);
    if (view.finished) part = 1;
    out.fraction += part / job.workers_size();
    slowest = std::min(slowest, part);
    out.workers.push_back(view);
  }
  out.failed_blocks = std::max<std::uint64_t>(out.failed_blocks, job.failed_blocks());
  out.bytes_moved = std::max<std::uint64_t>(out.bytes_moved, job.bytes());
  constexpr double kTooEarly = 0.01;  // to tell how long it takes
  if (out.state == JobState::running && slowest >= kTooEarly && now > out.started) {
    const double seconds = static_cast<double>(now - out.started) / 1e6;
    out.bytes_per_second = static_cast<std::uint64_t>(static_cast<double>(out.bytes_moved) / seconds);
    out.seconds_left = static_cast<std::uint64_t>(seconds / slowest * (1 - slowest));
  }
  return out;
}

Result<void> add_ring(const ClusterState& state, ClusterView& view) {
  if (state.ring().empty()) return {};
  TRY(const ring::Ring ring, ring::Ring::decode(state.ring()));
  view.ring.epoch = ring.epoch();
  view.ring.partitions = ring.partitions();
  view.ring.width = ring.width();
  const ring::Quality quality = ring::quality(ring);
  view.ring.imbalance = quality.imbalance;
  view.ring.crowded_rows = quality.crowded_rows;
  std::map<DriveId, std::uint32_t> places;
  for (std::uint32_t partition = 0; partition < ring.partitions(); ++partition) {
    for (const ring::DriveIndex index : ring.row(partition)) ++places[ring.drives()[index].id];
  }
  for (DriveView& drive : view.drives) {
    const auto found = places.find(drive.id);
    drive.places = found == places.end() ? 0 : found->second;
  }
  for (const std::string& encoded : state.previous_rings()) {
    TRY(const ring::Ring previous, ring::Ring::decode(encoded));
    view.ring.previous_epochs.push_back(previous.epoch());
  }
  return {};
}

}  // namespace

Result<ClusterView> view_of_state(const metadata::Metadata::VersionedClusterState& versioned,
                                  const std::vector<NodeReport>& reports, const metadata::Statistics& statistics, NodeId leader,
                                  WallMicros now) {
  const ClusterState& state = versioned.state;
  ClusterView out;
  out.id = ClusterId::from_raw(state.cluster_id()).value_or(ClusterId{});
  out.version = versioned.version;
  out.clustered = !state.authority_certificate().empty();
  out.leader = leader;
  out.data_shards = state.data_shards();
  out.parity_shards = state.parity_shards();
  out.buckets = statistics.buckets;
  out.objects = statistics.objects;
  out.repair.waiting_blocks = statistics.repairs_pending;
  for (const auto& node : state.nodes()) out.nodes.push_back(node_view(node, report_of(reports, node.id())));
  for (const auto& drive : state.drives()) out.drives.push_back(drive_view(state, drive, report_of(reports, drive.node())));
  for (const auto& job : state.jobs()) out.jobs.push_back(job_view(job, reports, now));
  TRY_OK(add_ring(state, out));
  return out;
}

Result<DriveId> find_drive_named(const ClusterState& state, const std::string& name) {
  std::vector<DriveId> found, given_up;
  for (const auto& drive : state.drives()) {
    const auto id = DriveId::from_raw(drive.id());
    if (!id) continue;
    if (id->to_hex() == name) return *id;
    if (cluster::drive_name(drive) != name && fmt::format("n{}:{}", drive.node(), drive.path()) != name) continue;
    (drive.out() ? given_up : found).push_back(*id);
  }
  if (found.empty()) found = std::move(given_up);
  if (found.size() == 1) return found.front();
  if (found.empty()) return Error(Errc::not_found, fmt::format("there is no drive {}; see: gabion admin drive ls", name));
  return Error(Errc::invalid,
               fmt::format("{} names {} drives; take the id that `gabion admin drive ls` shows", name, found.size()));
}

}  // namespace gabion::serve
