// Ranges of keys and groups of the metadata as operators see them: from the cluster's state and what nodes reported.
#include <boost/json.hpp>
#include <catch2/catch_test_macros.hpp>

#include "fake_control.h"
#include "metadata/cluster/splits.h"
#include "tests/support/run.h"
#include "tools/serve/cluster_health.h"
#include "tools/serve/cluster_ranges.h"
#include "tools/serve/group_views.h"
#include "tools/serve/layout_change.h"

namespace gabion::test {
namespace {

namespace cluster = metadata::cluster;
using metadata::raft::GroupStatus;
using metadata::raft::MemberRole;

serve::NodeReport report(std::uint32_t node, bool up = true) {
  serve::NodeReport out;
  out.node = NodeId{node};
  out.up = out.heard = up;
  return out;
}

serve::RaftGroupView led(std::uint32_t group, std::uint32_t leader, std::uint64_t term) {
  serve::RaftGroupView out;
  out.group = group;
  out.leader = NodeId{leader};
  out.term = term;
  for (std::uint32_t n = 1; n <= 3; ++n) out.members.push_back({NodeId{n}, serve::RaftRole::voter, 10});
  return out;
}

GroupStatus own(std::uint32_t group, std::uint32_t leader, bool leads) {
  GroupStatus out;
  out.group = group;
  out.leader = NodeId{leader};
  out.leads = leads;
  out.members = {{NodeId{1}}, {NodeId{2}}, {NodeId{4}, MemberRole::standby}};
  if (leads) out.matched = {7, 6, 5};
  return out;
}

// Bucket 5 is "photos", split at "m"; what is after bucket 9, which was deleted, is being split off.
metadata::ClusterState split_state() {
  metadata::ClusterState state;
  REQUIRE(cluster::begin_split(state, cluster::boundary_at(5, "m")).has_value());
  cluster::finish_split(state, 1);
  REQUIRE(cluster::begin_split(state, cluster::boundary_at(9, "")).has_value());
  return state;
}

serve::RangeFacts facts() {
  serve::RangeFacts out;
  metadata::Bucket bucket;
  bucket.set_id(5);
  bucket.set_name("photos");
  out.buckets = {bucket};
  out.groups = {led(0, 2, 4)};
  out.objects = {{0, 1000}};
  out.removing = {1};
  return out;
}

}  // namespace

TEST_CASE("ranges are shown by the names of their buckets, in order") {
  const serve::RangesView view = serve::ranges_view(split_state(), facts());
  REQUIRE(view.ranges.size() == 2);
  CHECK_FALSE(view.ranges[0].start.has_value());
  CHECK(view.ranges[0].end->bucket == "photos");
  CHECK(view.ranges[0].end->key == "m");
  CHECK(view.ranges[0].leader == NodeId{2});
  CHECK(view.ranges[0].members.size() == 3);
  CHECK(view.ranges[0].objects == 1000);
  CHECK_FALSE(view.ranges[0].removing);
  CHECK(view.ranges[1].start->key == "m");
  CHECK_FALSE(view.ranges[1].end.has_value());
  CHECK(view.ranges[1].removing);
  CHECK_FALSE(view.ranges[1].objects.has_value());
  REQUIRE(view.splits.size() == 1);
  CHECK(view.splits[0].parent == 1);
  CHECK(view.splits[0].child == 2);
  CHECK(view.splits[0].at.bucket.empty());
  CHECK(view.splits[0].at.bucket_id == 9);
}

TEST_CASE("a split is pending, then what moved is removed, then it is done") {
  metadata::ClusterState state = split_state();
  serve::RangeFacts known = facts();
  CHECK(serve::split_view(state, 2, known)->state == serve::SplitState::pending);
  CHECK(serve::split_view(state, 7, known).error().code == Errc::not_found);
  cluster::finish_split(state, 2);
  CHECK(serve::split_view(state, 2, known)->state == serve::SplitState::removing);  // its parent still is
  known.removing.clear();
  CHECK(serve::split_view(state, 2, known)->state == serve::SplitState::done);
}

TEST_CASE("a split is planned where it can be, and its plan is of these groups alone") {
  const metadata::ClusterState state = split_state();
  const auto plan = serve::plan_split(state, {"photos", "f"}, facts());
  REQUIRE(plan.has_value());
  CHECK(plan->plan.split.parent == 0);
  CHECK(plan->plan.split.child == 3);
  CHECK(plan->plan.objects == 1000);
  CHECK(plan->plan.groups_after == 4);
  CHECK(plan->state.splits_size() == 2);
  CHECK(serve::plan_split(state, {"photos", "g"}, facts())->plan.id != plan->plan.id);
  metadata::ClusterState later = state;
  later.set_ring_epoch(9);
  CHECK(serve::plan_split(later, {"photos", "f"}, facts())->plan.id == plan->plan.id);
  later.set_last_group(5);
  CHECK(serve::plan_split(later, {"photos", "f"}, facts())->plan.id != plan->plan.id);
  CHECK(serve::plan_split(state, {"music", ""}, facts()).error().code == Errc::not_found);
  CHECK(serve::plan_split(state, {"photos", "m"}, facts()).error().code == Errc::denied);
  CHECK(serve::plan_split(state, {"photos", "z"}, facts()).error().code == Errc::conflict);
  CHECK(serve::plan_split(state, {"photos", std::string(1025, 'k')}, facts()).error().code == Errc::invalid);
  CHECK(serve::plan_split(state, {"photos", std::string("a\0b", 3)}, facts()).error().code == Errc::invalid);
}

TEST_CASE("who leads a group knows it best, here or elsewhere") {
  metadata::ClusterState state = split_state();
  cluster::finish_split(state, 2);
  std::vector<serve::NodeReport> reports = {report(1), report(2), report(3)};
  reports[1].groups = {led(0, 2, 4), led(1, 2, 9)};
  reports[2].groups = {led(1, 3, 8)};  // an older leader that does not know yet
  const auto views = serve::group_views(state, reports, {own(0, 1, true), own(1, 3, false), own(2, 3, false)}, NodeId{1});
  REQUIRE(views.size() == 3);
  CHECK(views[0].leader == NodeId{1});
  CHECK(views[0].members[0].matched == 7);
  CHECK(views[1].leader == NodeId{2});
  CHECK(views[1].members.size() == 3);
  CHECK(views[2].leader == NodeId{3});  // as a member knows that does not lead
  CHECK_FALSE(views[2].members[0].matched.has_value());
  for (const auto& view : views) CHECK_FALSE(view.lost);
}

TEST_CASE("a group without a leader is an error, unless somebody was not heard yet") {
  const metadata::ClusterState state = split_state();
  std::vector<serve::NodeReport> reports = {report(1), report(2), report(3, false)};
  reports[0].groups = {led(0, 1, 4)};
  auto views = serve::group_views(state, reports, {own(1, 3, false)}, NodeId{1});  // n3, which led it, is down
  REQUIRE(views.size() == 3);
  CHECK(views[1].lost);
  CHECK(views[1].leader == NodeId{});
  CHECK_FALSE(views[2].lost);  // its split is pending
  serve::ClusterView view = example_view();
  view.groups = views;
  const auto problems = serve::problems(view);
  CHECK(serve::health(problems) == serve::Health::error);
  CHECK(problems[0].code == "GROUP_WITHOUT_LEADER");
  reports[1].heard = false;
  views = serve::group_views(state, reports, {own(1, 3, false)}, NodeId{1});
  CHECK_FALSE(views[1].lost);
}

TEST_CASE("the group that can lose the fewest members is told") {
  serve::ClusterView view = example_view();
  view.groups = {led(0, 2, 4), led(1, 2, 4)};
  view.groups[1].members[2].node = NodeId{5};  // which is down
  for (const auto& problem : serve::problems(view)) {
    if (problem.code == "METADATA_DEGRADED") {
      CHECK(problem.message == "2 of 3 metadata members are up in 1 of 2 groups; 0 more may fail");
      return;
    }
  }
  FAIL("no word of the member that is down");
}

TEST_CASE("a member that has nothing of a group yet does not count as one that is up") {
  serve::ClusterView view = example_view();
  view.nodes[4].up = true;
  view.groups = {led(0, 2, 4)};
  const auto degraded = [&] {
    const auto problems = serve::problems(view);
    return std::any_of(problems.begin(), problems.end(), [](const auto& p) { return p.code == "METADATA_DEGRADED"; });
  };
  CHECK_FALSE(degraded());
  view.groups[0].members[2].matched = std::nullopt;  // who does not lead does not know
  CHECK_FALSE(degraded());
  view.groups[0].members[2].matched = 0;
  CHECK(degraded());
}

TEST_CASE("a node is not removed while it may be a member of any group") {
  metadata::ClusterState state;
  metadata::NodeInfo& node = *state.add_nodes();
  node.set_id(3);
  node.set_metadata(true);
  node.set_out(true);
  serve::Change change;
  change.kind = serve::ChangeKind::remove_node;
  change.node = NodeId{3};
  serve::PlanFacts known;
  known.unknown_groups = {4};
  const auto refused = serve::plan_change(state, change, std::nullopt, known);
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == Errc::denied);
  CHECK(refused.error().message.find("group 4") != std::string::npos);
}

TEST_CASE("the API of ranges") {
  FakeControl control;
  serve::AdminApi api(control, [](Context, NodeId, serve::AdminRequest) -> task<Result<serve::AdminAnswer>> {
    co_return Error(Errc::unavailable, "nobody is asked");
  });
  const auto ask = [&](std::string method, std::string path, std::string body = "") {
    serve::AdminRequest request;
    request.method = std::move(method);
    request.path = "/admin/v1/" + path;
    request.body = std::move(body);
    const serve::AdminAnswer answer = run(api.answer(Context{}, std::move(request)));
    return std::pair(answer.status, boost::json::parse(answer.body).as_object());
  };
  const auto list = ask("GET", "ranges").second;
  CHECK(list.at("kind") == "RangeList");
  CHECK(list.at("groupsMax") == 64);
  const auto& first = list.at("items").at(0).as_object();
  CHECK_FALSE(first.contains("start"));
  CHECK(first.at("end").at("bucket") == "photos");
  CHECK(first.at("end").at("key") == "2026/m");
  CHECK(first.at("members").as_array().size() == 3);
  CHECK(list.at("splits").at(0).at("at").at("bucketId") == 9);
  CHECK(ask("POST", "ranges/plans", R"({"key":"a"})").first == 400);
  CHECK(ask("POST", "ranges/plans", R"({"bucket":"photos","key":7})").first == 400);
  CHECK(ask("POST", "ranges/plans", R"({"bucket":"photos","key":"2026/m"})").first == 409);
  const auto plan = ask("POST", "ranges/plans", R"({"bucket":"photos","key":"a"})").second;
  CHECK(plan.at("kind") == "SplitPlan");
  CHECK(plan.at("range").at("objects") == 1000);
  CHECK(ask("POST", "ranges/splits", R"({"bucket":"photos","key":"a"})").first == 400);
  CHECK(ask("POST", "ranges/splits", R"({"bucket":"photos","key":"a","planId":"old"})").first == 409);
  CHECK(ask("POST", "ranges/splits", R"({"bucket":"photos","key":"a","planId":"5b117"})").second.at("group") == 3);
  CHECK(ask("GET", "ranges/splits/3").second.at("state") == "pending");
  CHECK(ask("GET", "ranges/splits/8").first == 404);
  CHECK(ask("GET", "ranges/splits/x").first == 400);
  // What nodes ask each other is nothing for anybody else.
  const std::string handover = R"({"group":3,"to":"n2"})";
  CHECK(ask("POST", "self/transfer", handover).first == 404);
  serve::AdminRequest request;
  request.method = "POST";
  request.path = "/admin/v1/self/transfer";
  request.body = handover;
  CHECK(run(api.answer_here(Context{}, request)).status == 200);
  CHECK(control.handed_over == std::pair(std::uint32_t{3}, NodeId{2}));
}

}  // namespace gabion::test
