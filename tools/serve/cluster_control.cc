#include "tools/serve/cluster_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "common/pki/certificate.h"
#include "common/pki/join_token.h"
#include "metadata/cluster/edit_state.h"
#include "metadata/cluster/jobs.h"
#include "tools/serve/group_views.h"
#include "tools/serve/view_of_state.h"

namespace gabion::serve {
namespace {

namespace cluster = metadata::cluster;
using metadata::ClusterState;

// For the groups to say how many objects they have.
constexpr Duration kCountTime = std::chrono::seconds(4);
constexpr Duration kCountTimeOfOne = std::chrono::seconds(1);
constexpr Duration kLeaderPatience = std::chrono::seconds(3);

void drop_expired(ClusterState& state, WallMicros now) {
  for (int i = state.tokens_size(); i-- > 0;) {
    if (state.tokens(i).expires_us() <= now) state.mutable_tokens()->DeleteSubrange(i, 1);
  }
}

std::string text_in(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value == nullptr || !value->is_string() ? std::string() : std::string(value->get_string());
}

Error malformed_answer(NodeId node) {
  return {Errc::unavailable, fmt::format("{} gave an answer that is none", gabion::to_string(node))};
}

// What another node answered, or the error that it gave.
Result<boost::json::object> body_in(const AdminAnswer& answer, NodeId node) {
  boost::system::error_code code;
  auto parsed = boost::json::parse(answer.body, code);
  if (code || !parsed.is_object()) return malformed_answer(node);
  auto& body = parsed.get_object();
  if (answer.status < 300) return std::move(body);
  const auto* error = body.if_contains("error");
  if (error == nullptr || !error->is_object()) return malformed_answer(node);
  return Error(text_in(error->get_object(), "code") == "invalid" ? Errc::invalid : Errc::denied,
               fmt::format("{}: {}", gabion::to_string(node), text_in(error->get_object(), "message")));
}

Result<metadata::DriveInfo> drive_in(const boost::json::object& body, NodeId node) {
  const auto id = DriveId::from_hex(text_in(body, "id"));
  const auto* weight = body.if_contains("weight");
  if (!id || weight == nullptr || !weight->is_number()) return malformed_answer(node);
  metadata::DriveInfo out;
  out.set_id(std::string(id->raw()));
  out.set_path(text_in(body, "path"));
  out.set_weight(weight->to_number<double>());
  return out;
}

}  // namespace

// --- Looking ---

task<Result<ClusterView>> NodeClusterControl::view(Context ctx) {
  CO_TRY(const auto state, co_await options_.metadata->cluster_state(ctx));
  auto groups = group_views(state.state);
  metadata::Statistics all;
  for (const auto& [group, counted] : co_await count(ctx, groups)) {
    if (group == metadata::kRootGroup) all.buckets = counted.buckets;
    all.objects += counted.objects;
    all.repairs_pending += counted.repairs_pending;
    all.doomed_pending += counted.doomed_pending;
  }
  CO_TRY(ClusterView view, view_of_state(state, options_.reports(), all, leader(), options_.clock->wall()));
  view.groups = std::move(groups);
  co_return view;
}

// A cluster in trouble must be looked at above all: a group that does not answer is left out.
task<std::map<metadata::GroupId, metadata::Statistics>> NodeClusterControl::count(Context ctx,
                                                                                  std::vector<RaftGroupView> groups) {
  std::map<metadata::GroupId, metadata::Statistics> out;
  const TimePoint latest = std::min(ctx.deadline, options_.clock->now() + kCountTime);
  for (const RaftGroupView& group : groups) {
    if (group.leader == NodeId{} && group.group != metadata::kRootGroup) continue;
    ctx.deadline = std::min(latest, options_.clock->now() + kCountTimeOfOne);
    const auto counted = co_await options_.statistics(ctx, group.group);
    if (counted) out[group.group] = *counted;
  }
  co_return out;
}

task<Result<std::vector<RaftGroupView>>> NodeClusterControl::raft(Context ctx) {
  CO_TRY(const auto current, co_await options_.metadata->cluster_state(ctx));
  co_return group_views(current.state);
}

std::vector<RaftGroupView> NodeClusterControl::group_views(const ClusterState& state) const {
  std::vector<metadata::raft::GroupStatus> own;
  for (const metadata::raft::RaftGroup* group : options_.groups()) own.push_back(group->status());
  return serve::group_views(state, options_.reports(), own, self());
}

// --- Changing the state ---

task<Result<bool>> NodeClusterControl::commit(Context ctx, ClusterState state, std::uint64_t version) {
  metadata::Command command;
  auto* set = command.mutable_set_cluster_state();
  *set->mutable_state() = std::move(state);
  set->set_expected_version(version);
  CO_TRY(const metadata::CommandResult result, co_await options_.metadata->commit(ctx, std::move(command)));
  if (result.outcome() == metadata::STALE) co_return false;
  if (result.outcome() != metadata::APPLIED) co_return Error(Errc::internal, "the cluster's state was refused");
  co_return true;
}

task<Result<void>> NodeClusterControl::init(Context ctx, std::string listen) {
  co_return co_await options_.init(ctx, std::move(listen));
}

task<Result<JoinGrant>> NodeClusterControl::grant_join(Context ctx, Duration valid) {
  CO_TRY(const auto current, co_await options_.metadata->cluster_state(ctx));
  if (current.state.authority_certificate().empty()) {
    co_return Error(Errc::denied, "this node is alone and lets nobody join; make it a cluster first: gabion admin cluster init");
  }
  CO_TRY(const std::string fingerprint, pki::fingerprint(current.state.authority_certificate()));
  const pki::JoinToken token = pki::make_join_token(fingerprint, *options_.rng);
  JoinGrant grant;
  grant.token = pki::to_text(token);
  const WallMicros now = options_.clock->wall();
  grant.expires = now + static_cast<WallMicros>(valid / std::chrono::microseconds(1));
  const auto add_token = [&](ClusterState& state) -> Result<void> {
    drop_expired(state, now);
    auto* kept = state.add_tokens();
    kept->set_sha256(pki::digest_of_secret(token.secret));
    kept->set_expires_us(grant.expires);
    return {};
  };
  CO_TRY(const auto edited, co_await cluster::edit_state(*options_.metadata, ctx, add_token));
  const metadata::NodeInfo* node = cluster::find_node(edited.state, self());
  grant.address = node == nullptr ? "" : node->address();
  co_return grant;
}

// --- The layout ---

PlanFacts NodeClusterControl::facts(const ClusterState& state, std::uint64_t version) const {
  PlanFacts out;
  out.version = version;
  out.bytes_per_second = options_.bytes_per_second;
  out.facts.now_us = options_.clock->wall();
  for (const RaftGroupView& group : group_views(state)) {
    if (group.members.empty()) out.unknown_groups.push_back(group.group);
    for (const RaftMemberView& member : group.members) out.members.push_back(member.node);
  }
  for (const NodeReport& report : options_.reports()) {
    for (const DriveReport& drive : report.drives) {
      out.facts.stored_bytes += drive.used;
      out.capacities.emplace_back(drive.id, drive.capacity);
    }
    const metadata::NodeInfo* node = cluster::find_node(state, report.node);
    if (report.up && node != nullptr && node->chunkserver() && !node->out()) out.facts.workers.push_back(report.node);
  }
  return out;
}

task<Result<LocalDriveView>> NodeClusterControl::local_drive(Context, std::string path, Drive what) {
  co_return co_await options_.local_drive(std::move(path), what);
}

task<Result<metadata::DriveInfo>> NodeClusterControl::drive_of(Context ctx, NodeId node, std::string path, Drive what) {
  metadata::DriveInfo out;
  if (node == self()) {
    CO_TRY(const LocalDriveView drive, co_await local_drive(ctx, std::move(path), what));
    out.set_id(std::string(drive.id.raw()));
    out.set_path(drive.path);
    out.set_weight(drive.weight);
    co_return out;
  }
  boost::json::object body;
  body["path"] = path;
  body["make"] = what == Drive::make;
  CO_TRY(const auto answer, co_await ask_node(ctx, node, "self/drives", std::move(body)));
  co_return drive_in(answer, node);
}

task<Result<boost::json::object>> NodeClusterControl::ask_node(Context ctx, NodeId node, std::string path,
                                                               boost::json::object body) {
  AdminRequest request;
  request.method = "POST";
  request.path = "/admin/v1/" + path;
  request.body = boost::json::serialize(body);
  CO_TRY(const AdminAnswer answer, co_await options_.ask(ctx, node, std::move(request)));
  co_return body_in(answer, node);
}

task<Result<PlannedChange>> NodeClusterControl::planned(Context ctx, metadata::Metadata::VersionedClusterState current,
                                                        Change change, Drive what) {
  std::optional<metadata::DriveInfo> fresh;
  NodeId node = change.node;
  if (change.kind == ChangeKind::replace_drive) {
    CO_TRY(const DriveId id, find_drive_named(current.state, change.drive));
    node = NodeId{cluster::find_drive(current.state, id)->node()};
  }
  if (change.kind == ChangeKind::add_drive || change.kind == ChangeKind::replace_drive) {
    if (cluster::find_node(current.state, node) == nullptr) {
      co_return Error(Errc::not_found, fmt::format("there is no node {}", gabion::to_string(node)));
    }
    CO_TRY(fresh, co_await drive_of(ctx, node, change.path, what));
  }
  const PlanFacts known = facts(current.state, current.version);
  co_return plan_change(current.state, change, std::move(fresh), known);
}

task<Result<Plan>> NodeClusterControl::plan(Context ctx, Change change) {
  CO_TRY(auto current, co_await options_.metadata->cluster_state(ctx));
  CO_TRY(PlannedChange planned_change, co_await planned(ctx, std::move(current), std::move(change), Drive::look));
  co_return std::move(planned_change.plan);
}

task<Result<Applied>> NodeClusterControl::apply(Context ctx, Change change, std::string plan_id) {
  const Error stale(Errc::conflict, "the plan is stale: the cluster has changed since; look at the change again");
  CO_TRY(auto current, co_await options_.metadata->cluster_state(ctx));
  const std::uint64_t version = current.version, jobs = current.state.last_job();
  CO_TRY(const PlannedChange looked, co_await planned(ctx, current, change, Drive::look));
  if (looked.plan.id != plan_id) co_return stale;
  CO_TRY(PlannedChange opened, co_await planned(ctx, std::move(current), std::move(change), Drive::make));
  Applied applied;
  applied.version = version + 1;
  if (opened.state.last_job() != jobs) applied.job = opened.state.last_job();
  CO_TRY(const bool done, co_await commit(ctx, std::move(opened.state), version));
  if (!done) co_return stale;
  co_return applied;
}

// --- Jobs and groups ---

task<Result<std::uint64_t>> NodeClusterControl::start_job(Context ctx, JobKind kind) {
  const auto wanted = kind == JobKind::scrub ? metadata::JOB_SCRUB : metadata::JOB_ORPHANS;
  std::uint64_t job = 0;
  const auto start = [&](ClusterState& state) -> Result<void> {
    for (const metadata::Job& other : state.jobs()) {
      if (other.kind() != wanted || !cluster::active(other)) continue;
      return Error(Errc::conflict,
                   fmt::format("J-{0} does that already; watch it with: gabion admin job watch J-{0}", other.id()));
    }
    job = cluster::start_job(state, wanted, "asked for", facts(state, 0).facts);
    return {};
  };
  CO_CHECK(co_await cluster::edit_state(*options_.metadata, ctx, start));
  co_return job;
}

task<Result<void>> NodeClusterControl::act_on_job(Context ctx, std::uint64_t job, JobAction action) {
  const WallMicros now = options_.clock->wall();
  const auto act = [job, action, now](ClusterState& state) {
    switch (action) {
      case JobAction::pause: return cluster::pause_job(state, job);
      case JobAction::resume: return cluster::resume_job(state, job);
      case JobAction::cancel: return cluster::cancel_job(state, job, now);
    }
    return Result<void>(Error(Errc::internal, "no such action"));
  };
  CO_CHECK(co_await cluster::edit_state(*options_.metadata, ctx, act));
  co_return Result<void>();
}

// Who has just begun to lead group 0 hears from the leaders of the others within a moment.
task<Result<RaftGroupView>> NodeClusterControl::led_group(Context ctx, std::uint32_t group) {
  const TimePoint give_up = std::min(ctx.deadline, options_.clock->now() + kLeaderPatience);
  for (;;) {
    CO_TRY(const auto groups, co_await raft(ctx));
    const auto known = std::find_if(groups.begin(), groups.end(), [group](const RaftGroupView& g) { return g.group == group; });
    if (known == groups.end()) co_return Error(Errc::not_found, fmt::format("there is no group {}", group));
    if (known->leader != NodeId{}) co_return *known;
    if (options_.clock->now() >= give_up) {
      co_return Error(Errc::unavailable, fmt::format("group {} has no leader now", group));
    }
    co_await options_.clock->sleep(std::chrono::milliseconds(100));
  }
}

task<Result<void>> NodeClusterControl::transfer(Context ctx, std::uint32_t group, NodeId to) {
  CO_TRY(const RaftGroupView known, co_await led_group(ctx, group));
  const auto& members = known.members;
  const auto member = std::find_if(members.begin(), members.end(), [to](const RaftMemberView& m) { return m.node == to; });
  if (member == members.end() || member->role != RaftRole::voter) {
    co_return Error(Errc::denied, fmt::format("{} is no voting member of group {}; see: gabion admin raft status",
                                              gabion::to_string(to), group));
  }
  if (known.leader == self()) co_return co_await hand_over(ctx, group, to);
  boost::json::object body;
  body["group"] = group;
  body["to"] = gabion::to_string(to);
  CO_CHECK(co_await ask_node(ctx, known.leader, "self/transfer", std::move(body)));
  co_return Result<void>();
}

metadata::raft::RaftGroup* NodeClusterControl::own_group(std::uint32_t group) const {
  for (metadata::raft::RaftGroup* own : options_.groups()) {
    if (own->status().group == group) return own;
  }
  return nullptr;
}

task<Result<void>> NodeClusterControl::hand_over(Context ctx, std::uint32_t group, NodeId to) {
  metadata::raft::RaftGroup* const own = own_group(group);
  if (own == nullptr) co_return Error(Errc::not_found, fmt::format("this node has no part in group {}", group));
  co_return co_await own->transfer(ctx, to);
}

// --- Ranges of keys ---

task<Result<RangeFacts>> NodeClusterControl::range_facts(Context ctx, const ClusterState& state) {
  RangeFacts facts;
  CO_TRY(facts.buckets, co_await options_.metadata->buckets(ctx));
  facts.groups = group_views(state);
  facts.removing = options_.removing(state);
  for (const auto& [group, counted] : co_await count(ctx, facts.groups)) facts.objects[group] = counted.objects;
  co_return facts;
}

task<Result<RangesView>> NodeClusterControl::ranges(Context ctx) {
  CO_TRY(const auto current, co_await options_.metadata->cluster_state(ctx));
  CO_TRY(const RangeFacts facts, co_await range_facts(ctx, current.state));
  co_return ranges_view(current.state, facts);
}

task<Result<SplitView>> NodeClusterControl::split(Context ctx, std::uint32_t child) {
  CO_TRY(const auto current, co_await options_.metadata->cluster_state(ctx));
  RangeFacts facts;
  CO_TRY(facts.buckets, co_await options_.metadata->buckets(ctx));
  facts.removing = options_.removing(current.state);
  co_return split_view(current.state, child, facts);
}

task<Result<SplitPlan>> NodeClusterControl::plan_split(Context ctx, SplitWish wish) {
  CO_TRY(const auto current, co_await options_.metadata->cluster_state(ctx));
  CO_TRY(const RangeFacts facts, co_await range_facts(ctx, current.state));
  CO_TRY(PlannedSplit planned_split, serve::plan_split(current.state, wish, facts));
  co_return std::move(planned_split.plan);
}

task<Result<SplitView>> NodeClusterControl::begin_split(Context ctx, SplitWish wish, std::string plan_id) {
  RangeFacts facts;
  CO_TRY(facts.buckets, co_await options_.metadata->buckets(ctx));
  SplitView split;
  const auto begin = [&](ClusterState& state) -> Result<void> {
    TRY(PlannedSplit planned_split, serve::plan_split(state, wish, facts));
    if (planned_split.plan.id != plan_id) {
      return Error(Errc::conflict, "the plan is stale: the ranges have changed since; look at the split again");
    }
    split = std::move(planned_split.plan.split);
    state = std::move(planned_split.state);
    return {};
  };
  CO_CHECK(co_await cluster::edit_state(*options_.metadata, ctx, begin));
  co_return split;
}

}  // namespace gabion::serve
