// ClusterControl over this node's metadata: reads the cluster's state, computes the next one and commits it against the version
// that it was computed from, so that of two operators one is told to look again.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <map>

#include "common/rng.h"
#include "metadata/metadata.h"
#include "metadata/raft/raft.h"
#include "tools/serve/admin_api.h"
#include "tools/serve/cluster_ranges.h"
#include "tools/serve/layout_change.h"
#include "tools/serve/node_report.h"

namespace gabion::serve {

// What the node gives. Everything is thread-safe and outlives the control.
struct ClusterControlOptions {
  std::function<NodeId()> self;
  std::function<NodeId()> leader;
  std::function<std::vector<NodeReport>()> reports;           // what this node has heard while it led
  std::function<std::vector<metadata::raft::RaftGroup*>()> groups;  // that this node is a member of
  // Groups of the state that may have rows which are not their own, as far as this node knows that leads.
  std::function<std::vector<metadata::GroupId>(const metadata::ClusterState&)> removing;
  // Of one group alone, wherever it is led.
  std::function<task<Result<metadata::Statistics>>(Context, metadata::GroupId)> statistics;
  std::function<task<Result<void>>(Context, std::string)> init;
  std::function<task<Result<LocalDriveView>>(std::string, ClusterControl::Drive)> local_drive;
  AskNode ask;
  metadata::Metadata* metadata = nullptr;
  Clock* clock = nullptr;
  Rng* rng = nullptr;
  std::uint64_t bytes_per_second = 0;  // that one node moves
};

class NodeClusterControl final : public ClusterControl {
 public:
  explicit NodeClusterControl(ClusterControlOptions options) : options_(std::move(options)) {}

  NodeId self() const override { return options_.self(); }
  NodeId leader() const override { return options_.leader(); }
  task<Result<ClusterView>> view(Context ctx) override;
  task<Result<std::vector<RaftGroupView>>> raft(Context ctx) override;
  task<Result<void>> init(Context ctx, std::string listen) override;
  task<Result<JoinGrant>> grant_join(Context ctx, Duration valid) override;
  task<Result<Plan>> plan(Context ctx, Change change) override;
  task<Result<Applied>> apply(Context ctx, Change change, std::string plan_id) override;
  task<Result<std::uint64_t>> start_job(Context ctx, JobKind kind) override;
  task<Result<void>> act_on_job(Context ctx, std::uint64_t job, JobAction action) override;
  task<Result<void>> transfer(Context ctx, std::uint32_t group, NodeId to) override;
  task<Result<RangesView>> ranges(Context ctx) override;
  task<Result<SplitView>> split(Context ctx, std::uint32_t child) override;
  task<Result<SplitPlan>> plan_split(Context ctx, SplitWish wish) override;
  task<Result<SplitView>> begin_split(Context ctx, SplitWish wish, std::string plan_id) override;
  task<Result<void>> hand_over(Context ctx, std::uint32_t group, NodeId to) override;
  task<Result<LocalDriveView>> local_drive(Context ctx, std::string path, Drive what) override;

 private:
  // What the groups count that answer soon.
  task<std::map<metadata::GroupId, metadata::Statistics>> count(Context ctx, std::vector<RaftGroupView> groups);
  std::vector<RaftGroupView> group_views(const metadata::ClusterState& state) const;
  task<Result<RaftGroupView>> led_group(Context ctx, std::uint32_t group);  // unavailable: nobody leads it
  metadata::raft::RaftGroup* own_group(std::uint32_t group) const;  // nullptr: this node is no member of it
  task<Result<RangeFacts>> range_facts(Context ctx, const metadata::ClusterState& state);
  task<Result<boost::json::object>> ask_node(Context ctx, NodeId node, std::string path, boost::json::object body);
  task<Result<bool>> commit(Context ctx, metadata::ClusterState state, std::uint64_t version);  // false: another was faster
  PlanFacts facts(const metadata::ClusterState& state, std::uint64_t version) const;
  // The change against this state, with the drive that it brings, which is only looked at or made as well.
  task<Result<PlannedChange>> planned(Context ctx, metadata::Metadata::VersionedClusterState current, Change change, Drive what);
  task<Result<metadata::DriveInfo>> drive_of(Context ctx, NodeId node, std::string path, Drive what);

  const ClusterControlOptions options_;
};

}  // namespace gabion::serve
