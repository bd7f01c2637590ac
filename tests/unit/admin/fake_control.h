// A cluster that exists on paper: a fixed view of six nodes, and changes that do what they say to it.
#pragma once

#include <fmt/format.h>

#include <mutex>

#include "common/bytes.h"
#include "tools/serve/admin_api.h"

namespace gabion::test {

inline constexpr WallMicros kTestTime = 1'369'353'600'000'000;  // 2013-05-24T00:00:00Z

inline serve::ClusterView example_view() {
  using namespace serve;
  ClusterView view;
  view.id = *ClusterId::from_hex("00112233445566778899aabbccddeeff");
  view.version = 41;
  view.clustered = true;
  view.leader = NodeId{2};
  view.data_shards = 4;
  view.parity_shards = 2;
  view.buckets = 3;
  view.objects = 1204;
  for (std::uint32_t n = 1; n <= 6; ++n) {
    NodeView node;
    node.id = NodeId{n};
    node.address = fmt::format("10.0.0.{}:9002", n);
    node.s3_endpoint = fmt::format("http://10.0.0.{}:9000", n);
    node.admin_endpoint = fmt::format("10.0.0.{}:9001", n);
    node.domain = {n <= 3 ? "east" : "west"};
    node.metadata = n <= 3;
    node.gateway = node.chunkserver = true;
    node.up = n != 5;
    node.down_seconds = n == 5 ? 754 : 0;
    view.nodes.push_back(node);
    DriveView drive;
    drive.id.bytes[0] = static_cast<std::uint8_t>(n);
    drive.name = fmt::format("n{}/disk1", n);
    drive.node = node.id;
    drive.path = "/mnt/disk1";
    drive.up = node.up;
    drive.capacity = 100 * GiB;
    drive.used = 10 * GiB;
    drive.available = 90 * GiB;
    drive.shards = 5000;
    drive.weight = 100;
    drive.places = 1024;
    view.drives.push_back(drive);
  }
  JobView job;
  job.id = 7;
  job.reason = "node n4 added";
  job.started = kTestTime - 90'000'000;
  job.workers = {{NodeId{1}, true}, {NodeId{2}, false}};
  job.fraction = 0.573;
  job.blocks_done = 573;
  job.blocks_total = 1000;
  job.bytes_moved = 3 * GiB;
  job.bytes_per_second = 128 * MiB;
  job.seconds_left = 125;
  view.jobs.push_back(job);
  view.ring.epoch = 9;
  view.ring.partitions = 1024;
  view.ring.width = 6;
  view.ring.imbalance = 0.012;
  view.ring.previous_epochs = {8};
  view.repair.waiting_blocks = 12;
  return view;
}

class FakeControl final : public serve::ClusterControl {
 public:
  NodeId self() const override { return self_node; }
  NodeId leader() const override { return leader_node; }

  task<Result<serve::ClusterView>> view(Context) override {
    const std::lock_guard lock(mutex);
    if (broken) co_return *broken;
    // A job that is looked at gets on.
    for (auto& job : cluster.jobs) {
      if (job.state == serve::JobState::running && job_step != 0) {
        job.blocks_done += job_step;
        job.fraction = static_cast<double>(job.blocks_done) / static_cast<double>(job.blocks_total);
        if (job.blocks_done >= job.blocks_total) job.state = serve::JobState::done;
      }
    }
    co_return cluster;
  }
  task<Result<std::vector<serve::RaftGroupView>>> raft(Context) override {
    const bool left = leaving != NodeId{} && looks_until_left-- <= 0;
    serve::RaftGroupView group;
    group.leader = NodeId{2};
    group.term = 5;
    group.last_index = 1000;
    group.committed = 998;
    group.applied = 997;
    group.members = {{NodeId{1}, serve::RaftRole::voter, 1000}, {NodeId{2}, serve::RaftRole::voter, 1000},
                     {NodeId{3}, serve::RaftRole::standby, 900}, {NodeId{4}, serve::RaftRole::spare, std::nullopt}};
    if (left) std::erase_if(group.members, [this](const serve::RaftMemberView& member) { return member.node == leaving; });
    std::vector<serve::RaftGroupView> groups;
    groups.push_back(std::move(group));
    co_return groups;
  }
  task<Result<void>> init(Context, std::string listen) override {
    if (cluster.clustered) co_return Error(Errc::already_exists, "this node is in a cluster already");
    cluster.clustered = true;
    listened = std::move(listen);
    co_return Result<void>();
  }
  task<Result<serve::JoinGrant>> grant_join(Context, Duration valid) override {
    serve::JoinGrant grant;
    grant.address = "10.0.0.2:9002";
    grant.token = "c2VjcmV0";
    grant.expires = kTestTime + static_cast<WallMicros>(valid / std::chrono::microseconds(1));
    co_return grant;
  }
  task<Result<serve::Plan>> plan(Context, serve::Change change) override {
    const std::lock_guard lock(mutex);
    if (change.node == NodeId{9}) co_return Error(Errc::not_found, "there is no node n9");
    if (change.kind == serve::ChangeKind::remove_node) {
      co_return Error(Errc::denied, "n4 still holds 10 GiB; drain it first: gabion admin node drain n4");
    }
    serve::Plan plan;
    plan.id = fmt::format("{:x}-{}", cluster.version, static_cast<int>(change.kind));
    plan.summary = change.kind == serve::ChangeKind::rebalance ? "the ring is as good as it can be" : "drain node n4: 1 drive";
    plan.changes_nothing = change.kind == serve::ChangeKind::rebalance;
    plan.before.drives = 6;
    plan.before.capacity = 600 * GiB;
    plan.before.imbalance = 0.012;
    plan.after = plan.before;
    plan.after.drives = 5;
    plan.after.capacity = 500 * GiB;
    plan.places_total = 6144;
    plan.places_moved = 1060;
    plan.places_minimum = 1024;
    plan.bytes_to_move = 10 * GiB;
    plan.seconds = 160;
    plan.warnings = {"5 drives hold 4+2 only when two shards share a drive's node"};
    co_return plan;
  }
  task<Result<serve::Applied>> apply(Context ctx, serve::Change change, std::string plan_id) override {
    CO_TRY(const serve::Plan current, co_await plan(ctx, change));
    const std::lock_guard lock(mutex);
    if (current.id != plan_id) co_return Error(Errc::conflict, "the plan is stale: the cluster has changed since; plan again");
    serve::Applied applied;
    applied.version = ++cluster.version;
    serve::JobView job;
    job.id = cluster.jobs.back().id + 1;
    job.reason = current.summary;
    job.blocks_total = 100;
    applied.job = job.id;
    cluster.jobs.push_back(job);
    co_return applied;
  }
  task<Result<std::uint64_t>> start_job(Context, serve::JobKind kind) override {
    const std::lock_guard lock(mutex);
    if (cluster.jobs.back().kind == kind) {
      co_return Error(Errc::conflict, "J-" + std::to_string(cluster.jobs.back().id) + " does that already");
    }
    serve::JobView job;
    job.id = cluster.jobs.back().id + 1;
    job.kind = kind;
    job.started = kTestTime;
    job.blocks_total = 100;
    cluster.jobs.push_back(job);
    co_return job.id;
  }
  task<Result<void>> act_on_job(Context, std::uint64_t id, serve::JobAction action) override {
    const std::lock_guard lock(mutex);
    for (auto& job : cluster.jobs) {
      if (job.id != id) continue;
      job.state = action == serve::JobAction::pause    ? serve::JobState::paused
                  : action == serve::JobAction::resume ? serve::JobState::running
                                                       : serve::JobState::cancelled;
      co_return Result<void>();
    }
    co_return Error(Errc::not_found, fmt::format("there is no job J-{}", id));
  }
  task<Result<void>> transfer(Context, std::uint32_t group, NodeId to) override {
    if (group != 0) co_return Error(Errc::not_found, "there is no such group");
    leader_node = to;
    co_return Result<void>();
  }
  task<Result<void>> hand_over(Context, std::uint32_t group, NodeId to) override {
    handed_over = {group, to};
    co_return Result<void>();
  }

  // "photos" was split at "m"; group 2 is about to take over what is left of it and follows.
  task<Result<serve::RangesView>> ranges(Context) override {
    serve::RangesView view;
    view.groups_max = 64;
    serve::RangeView first, second;
    first.end = second.start = serve::BoundaryView{5, "photos", "2026/m"};
    first.leader = NodeId{2};
    first.members = {NodeId{1}, NodeId{2}, NodeId{3}};
    first.objects = 1000;
    first.removing = true;
    second.group = 1;
    view.ranges = {first, second};
    view.splits.push_back({serve::BoundaryView{9, "", ""}, 1, 2, serve::SplitState::pending});
    co_return view;
  }
  task<Result<serve::SplitView>> split(Context, std::uint32_t child) override {
    if (child != 3) co_return Error(Errc::not_found, "no split makes such a group");
    const std::lock_guard lock(mutex);
    serve::SplitView view{{5, "photos", "a"}, 0, 3, split_state};
    // A split that is looked at gets on.
    if (split_state == serve::SplitState::pending) split_state = serve::SplitState::removing;
    else if (split_state == serve::SplitState::removing) split_state = serve::SplitState::done;
    co_return view;
  }
  task<Result<serve::SplitPlan>> plan_split(Context, serve::SplitWish wish) override {
    if (wish.bucket != "photos") co_return Error(Errc::not_found, fmt::format("there is no bucket '{}'", wish.bucket));
    if (wish.key == "2026/m") co_return Error(Errc::denied, "group 1's range begins there already");
    serve::SplitPlan plan;
    plan.id = "5b117";
    plan.split = {{5, wish.bucket, wish.key}, 0, 3, serve::SplitState::pending};
    plan.end = serve::BoundaryView{5, "photos", "2026/m"};
    plan.objects = 1000;
    plan.groups_after = 4;
    plan.groups_max = 64;
    co_return plan;
  }
  task<Result<serve::SplitView>> begin_split(Context ctx, serve::SplitWish wish, std::string plan_id) override {
    CO_TRY(const serve::SplitPlan current, co_await plan_split(ctx, wish));
    if (current.id != plan_id) co_return Error(Errc::conflict, "the plan is stale: the ranges have changed since");
    co_return current.split;
  }

  task<Result<serve::LocalDriveView>> local_drive(Context, std::string path, Drive what) override {
    serve::LocalDriveView drive;
    drive.id.bytes[0] = what == Drive::make ? 2 : 1;
    drive.path = std::move(path);
    drive.weight = 100;
    co_return drive;
  }

  std::mutex mutex;
  NodeId self_node{2}, leader_node{2};
  serve::ClusterView cluster = example_view();
  std::optional<Error> broken;
  NodeId leaving{};          // is no member of the metadata's group any more
  int looks_until_left = 0;  // when the group was looked at so many times
  std::uint64_t job_step = 0;
  std::string listened;
  serve::SplitState split_state = serve::SplitState::pending;
  std::pair<std::uint32_t, NodeId> handed_over;
};

}  // namespace gabion::test
