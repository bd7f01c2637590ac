// The admin API: what each path answers, in JSON; errors by their code; requests that another node answers.
#include "tools/serve/admin_api.h"

#include <boost/json.hpp>
#include <catch2/catch_test_macros.hpp>

#include "fake_control.h"
#include "tests/support/run.h"
#include "tools/serve/cluster_health.h"

namespace gabion::test {
namespace {

struct Asked {
  int status = 0;
  boost::json::object body;
  std::string code() const { return std::string(body.at("error").at("code").as_string()); }
  std::string message() const { return std::string(body.at("error").at("message").as_string()); }
};

class Rig {
 public:
  Asked ask(std::string method, std::string path, std::string body = "") {
    serve::AdminRequest request;
    request.method = std::move(method);
    request.path = "/admin/v1/" + path;
    request.body = std::move(body);
    const serve::AdminAnswer answer = run(api.answer(Context{}, std::move(request)));
    Asked asked;
    asked.status = answer.status;
    asked.body = boost::json::parse(answer.body).as_object();
    CHECK(asked.body.at("apiVersion") == "gabion.admin/v1");
    return asked;
  }

  FakeControl control;
  std::vector<std::pair<NodeId, serve::AdminRequest>> forwarded;
  serve::AdminApi api{control, [this](Context, NodeId node, serve::AdminRequest request) { return forward(node, request); }};

 private:
  task<Result<serve::AdminAnswer>> forward(NodeId node, serve::AdminRequest request) {
    forwarded.emplace_back(node, std::move(request));
    serve::AdminAnswer answer;
    answer.body = R"({"apiVersion":"gabion.admin/v1","kind":"FromAfar"})";
    co_return answer;
  }
};

}  // namespace

TEST_CASE("the cluster's status tells health, problems and open jobs") {
  Rig rig;
  const auto asked = rig.ask("GET", "cluster");
  CHECK(asked.status == 200);
  CHECK(asked.body.at("kind") == "ClusterStatus");
  CHECK(asked.body.at("leader") == "n2");
  CHECK(asked.body.at("nodes") == 6);
  CHECK(asked.body.at("nodesUp") == 5);
  CHECK(asked.body.at("metadataMembersUp") == 3);
  CHECK(asked.body.at("storageClass") == "4+2");
  CHECK(asked.body.at("health") == "warn");
  CHECK(asked.body.at("problems").at(0).at("code") == "NODE_DOWN");
  CHECK(asked.body.at("problems").at(0).at("message") == "n5 is down for 12m");
  CHECK(asked.body.at("jobs").as_array().size() == 1);
  CHECK(asked.body.at("capacity").at("rawBytes") == 600 * GiB);
  CHECK(asked.body.at("capacity").at("usableBytes") == 400 * GiB);
}

TEST_CASE("nodes, drives, ring, capacity, repair and raft are told") {
  Rig rig;
  const auto nodes = rig.ask("GET", "nodes");
  CHECK(nodes.body.at("items").as_array().size() == 6);
  CHECK(nodes.body.at("items").at(4).at("state") == "down");
  CHECK(nodes.body.at("items").at(1).at("leader") == true);
  rig.control.cluster.drives[3].draining = true;
  rig.control.cluster.drives[0].out = true;
  const auto drives = rig.ask("GET", "drives");
  CHECK(drives.body.at("items").at(3).at("state") == "draining");
  CHECK(drives.body.at("items").at(0).at("state") == "out");
  CHECK(drives.body.at("items").at(4).at("state") == "down");
  CHECK(rig.ask("GET", "ring").body.at("previousEpochs").at(0) == 8);
  CHECK(rig.ask("GET", "capacity").body.at("total").at("rawBytes") == 500 * GiB);  // what is out does not count
  CHECK(rig.ask("GET", "repair").body.at("waitingBlocks") == 12);
  const auto raft = rig.ask("GET", "raft");
  CHECK(raft.body.at("items").at(0).at("members").at(2).at("behind") == 100);
  CHECK(raft.body.at("items").at(0).at("members").at(3).as_object().contains("behind") == false);
}

TEST_CASE("a plan is applied by its id, and not when it is stale") {
  Rig rig;
  const auto plan = rig.ask("POST", "plans", R"({"change":{"kind":"drain-node","node":"n4"}})");
  REQUIRE(plan.status == 200);
  CHECK(plan.body.at("after").at("drives") == 5);
  const std::string id(plan.body.at("id").as_string());
  const std::string apply = fmt::format(R"({{"change":{{"kind":"drain-node","node":"n4"}},"planId":"{}"}})", id);
  const auto applied = rig.ask("POST", "changes", apply);
  CHECK(applied.status == 200);
  CHECK(applied.body.at("job") == "J-8");
  const auto again = rig.ask("POST", "changes", apply);
  CHECK(again.status == 409);
  CHECK(again.code() == "conflict");
}

TEST_CASE("a refusal says so and what to do") {
  Rig rig;
  const auto asked = rig.ask("POST", "plans", R"({"change":{"kind":"remove-node","node":"n4"}})");
  CHECK(asked.status == 409);
  CHECK(asked.code() == "refused");
  CHECK(asked.message() == "n4 still holds 10 GiB; drain it first: gabion admin node drain n4");
}

TEST_CASE("wrong requests are told what is wrong") {
  Rig rig;
  const auto invalid = [&](std::string path, std::string body) {
    const auto asked = rig.ask("POST", path, body);
    CHECK(asked.status == 400);
    return asked.message();
  };
  CHECK(invalid("plans", "{") == "the body is not a JSON object");
  CHECK(invalid("plans", "[]") == "the body is not a JSON object");
  CHECK(invalid("plans", std::string(2000, '[')) == "the body is not a JSON object");
  CHECK(invalid("plans", "") == "\"change\" must be an object");
  CHECK(invalid("plans", R"({"change":{"kind":"explode"}})") == "'explode' is no kind of change");
  CHECK(invalid("plans", R"({"change":{"kind":"drain-node"}})") == "\"node\" must be a text that is not empty");
  CHECK(invalid("plans", R"({"change":{"kind":"drain-node","node":"four"}})") == "'four' is not the name of a node, as n3 is");
  CHECK(invalid("plans", R"({"change":{"kind":"drain-node","node":"n0"}})") == "'n0' is not the name of a node, as n3 is");
  CHECK(invalid("changes", R"({"change":{"kind":"rebalance"}})") == "\"planId\" must be the id of a plan of this change");
  CHECK(invalid("raft/transfer", R"({"to":3})") == "\"to\" must be a node, as n3 is");
  CHECK(invalid("raft/transfer", R"({"group":-1,"to":"n3"})") == "\"group\" must be a number up to 4294967295");
  CHECK(invalid("cluster/tokens", R"({"validSeconds":99999999})") == "\"validSeconds\" must be a number up to 604800");
  CHECK(invalid("nodes", "") == "POST is not what /admin/v1/nodes is for");
  CHECK(rig.ask("GET", "nothing").status == 404);
  CHECK(rig.ask("GET", "no\xfftext").message() == "there is no /admin/v1/no?text");
  CHECK(rig.ask("GET", "jobs/J-7/x/y").status == 404);
  CHECK(rig.ask("GET", "jobs/what").status == 400);
  CHECK(rig.ask("GET", "jobs/J-99").status == 404);
  CHECK(rig.ask("POST", "plans", R"({"change":{"kind":"drain-node","node":"n9"}})").status == 404);
}

TEST_CASE("jobs are shown, paused, resumed and cancelled by their name") {
  Rig rig;
  CHECK(rig.ask("GET", "jobs/J-7").body.at("fraction").to_number<double>() == 0.573);
  CHECK(rig.ask("GET", "jobs/7").body.at("name") == "J-7");
  CHECK(rig.ask("POST", "jobs/J-7/pause").body.at("state") == "paused");
  CHECK(rig.ask("POST", "jobs/J-7/resume").body.at("state") == "running");
  CHECK(rig.ask("POST", "jobs/J-7/cancel").body.at("state") == "cancelled");
  CHECK(rig.ask("POST", "jobs/J-9/cancel").status == 404);
}

TEST_CASE("a scrub, and a search for orphans, is started once and its last state shown") {
  Rig rig;
  CHECK_FALSE(rig.ask("GET", "scrub").body.contains("job"));
  CHECK(rig.ask("POST", "scrub").body.at("name") == "J-8");
  CHECK(rig.ask("POST", "scrub").code() == "conflict");
  CHECK(rig.ask("GET", "scrub").body.at("job").at("type") == "scrub");
  CHECK_FALSE(rig.ask("GET", "orphans").body.contains("job"));
  CHECK(rig.ask("POST", "orphans").body.at("name") == "J-9");
  CHECK(rig.ask("POST", "orphans").code() == "conflict");
  CHECK(rig.ask("GET", "orphans").body.at("job").at("type") == "orphans");
}

TEST_CASE("a cluster is made once, and a token joins") {
  Rig rig;
  CHECK(rig.ask("POST", "cluster/init").code() == "conflict");
  rig.control.cluster.clustered = false;
  CHECK(rig.ask("POST", "cluster/init", R"({"listen":"10.0.0.2:9002"})").status == 200);
  CHECK(rig.control.listened == "10.0.0.2:9002");
  const auto grant = rig.ask("POST", "cluster/tokens", R"({"validSeconds":60})");
  CHECK(grant.body.at("token") == "c2VjcmV0");
  CHECK(grant.body.at("expires") == "2013-05-24T00:01:00.000Z");
}

TEST_CASE("what another node must decide is sent there whole, once") {
  Rig rig;
  rig.control.leader_node = NodeId{1};
  CHECK(rig.ask("GET", "nodes").body.at("kind") == "FromAfar");
  REQUIRE(rig.forwarded.size() == 1);
  CHECK(rig.forwarded[0].first == NodeId{1});
  CHECK(rig.forwarded[0].second.path == "/admin/v1/nodes");
  // What came from another node is answered here, whoever leads.
  serve::AdminRequest request;
  request.method = "GET";
  request.path = "/admin/v1/nodes";
  CHECK(run(rig.api.answer_here(Context{}, request)).status == 200);
  // What nodes ask each other is nothing for anybody else.
  request.method = "POST";
  request.path = "/admin/v1/self/drives";
  request.body = R"({"path":"/mnt/new","make":true})";
  CHECK(run(rig.api.answer_here(Context{}, request)).status == 200);
  CHECK(rig.ask("POST", "self/drives", request.body).status == 404);
  // A request that is wrong goes nowhere.
  rig.ask("GET", "nothing");
  CHECK(rig.forwarded.size() == 1);
  rig.control.leader_node = NodeId{};
  const auto nobody = rig.ask("GET", "nodes");
  CHECK(nobody.status == 503);
  CHECK(nobody.code() == "unavailable");
}

TEST_CASE("errors of the cluster keep their meaning") {
  Rig rig;
  const auto status = [&](Errc code) {
    rig.control.broken = Error(code, "because");
    return rig.ask("GET", "nodes").status;
  };
  CHECK(status(Errc::unavailable) == 503);
  CHECK(status(Errc::not_leader) == 503);
  CHECK(status(Errc::exhausted) == 503);
  CHECK(status(Errc::unknown_outcome) == 504);
  CHECK(status(Errc::internal) == 500);
  CHECK(rig.ask("GET", "nodes").message() == "because");
}

TEST_CASE("more drives down than parity is an error, not a warning") {
  serve::ClusterView view = example_view();
  for (std::size_t i : {0, 1, 2}) view.drives[i].up = false;
  const auto found = serve::problems(view);
  CHECK(serve::health(found) == serve::Health::error);
  CHECK(found[0].code == "DATA_UNAVAILABLE");
  view = example_view();
  view.nodes[4].up = view.drives[4].up = true;
  view.repair.waiting_blocks = 0;
  CHECK(serve::health(serve::problems(view)) == serve::Health::ok);
  view.nodes[0].up = view.drives[0].up = false;
  CHECK(serve::problems(view)[0].message == "2 of 3 metadata members are up; 0 more may fail");
}

}  // namespace gabion::test
