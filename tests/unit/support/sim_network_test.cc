// The simulated network does to messages what it is told to do, and nothing else.
#include "tests/support/sim_network.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/support/sim_thread.h"

namespace gabion::sim {
namespace {

using namespace std::chrono_literals;

constexpr NodeId kOne{1}, kTwo{2}, kThree{3};

struct Echo final : rpc::Handler {
  explicit Echo(SimWorld& simulated) : world(simulated) {}
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override {
    ++asked;
    if (takes.count() != 0) co_await world.clock().sleep(takes);
    if (header == "fail") co_return Error(Errc::conflict, "no");
    rpc::Reply reply;
    reply.header = to_string(peer.node) + ":" + header;
    reply.payload = payload;
    co_return reply;
  }
  SimWorld& world;
  Duration takes{0};
  int asked = 0;
};

struct Rig {
  explicit Rig(std::uint64_t seed) : world(seed), network(world), echo(world) {
    for (const NodeId node : {kOne, kTwo, kThree}) attach(node);
  }
  ~Rig() {
    for (const NodeId node : {kOne, kTwo, kThree}) {
      network.disconnect(node);
      world.run(network.drained(node));
    }
  }
  void attach(NodeId node) {
    network.attach(node, world.executor(), [this, node](NodeId, metadata::raft::GroupId, std::string message) {
      got[node].push_back(std::move(message));
    }, &echo);
  }
  void send(NodeId from, NodeId to, int n) {
    for (int i = 0; i < n; ++i) network.transport(from).send(to, 0, std::to_string(i));
  }
  Result<rpc::Reply> call(NodeId from, NodeId to, std::string header, Duration allowed = 60s) {
    Context ctx;
    ctx.deadline = world.clock().now() + allowed;
    std::vector<Bytes> payload{Bytes::copy_of("pay"), Bytes::copy_of("load")};
    return world.run(network.peers(from).find(to)->call(ctx, rpc::Method::heartbeat, std::move(header), std::move(payload)));
  }
  SimWorld world;
  SimNetwork network;
  Echo echo;
  std::map<NodeId, std::vector<std::string>> got;
};

}  // namespace

TEST_CASE("a healthy network delivers every message once") {
  Rig rig(1);
  rig.send(kOne, kTwo, 100);
  rig.world.run_for(1s);
  CHECK(rig.got[kTwo].size() == 100);
  CHECK(rig.got[kThree].empty());
}

TEST_CASE("messages are lost, doubled and overtaken as often as was asked for") {
  Rig rig(2);
  LinkFaults faults;
  faults.lost = 300;
  faults.doubled = 200;
  faults.late = 100;
  rig.network.set_faults(faults);
  rig.send(kOne, kTwo, 1000);
  rig.world.run_for(5s);
  auto& got = rig.got[kTwo];
  CHECK(got.size() > 700);
  CHECK(got.size() < 980);
  CHECK(std::set<std::string>(got.begin(), got.end()).size() < got.size());
  CHECK(!std::is_sorted(got.begin(), got.end(), [](const auto& a, const auto& b) { return std::stoi(a) < std::stoi(b); }));
}

TEST_CASE("a link is cut one way, a node both ways, and mended") {
  Rig rig(3);
  rig.network.cut(kOne, kTwo);
  rig.send(kOne, kTwo, 3);
  rig.send(kTwo, kOne, 3);
  rig.world.run_for(1s);
  CHECK(rig.got[kTwo].empty());
  CHECK(rig.got[kOne].size() == 3);
  rig.network.isolate(kThree);
  rig.send(kThree, kOne, 1);
  rig.send(kOne, kThree, 1);
  rig.world.run_for(1s);
  CHECK(rig.got[kThree].empty());
  CHECK(rig.got[kOne].size() == 3);
  rig.network.heal();
  rig.send(kOne, kTwo, 1);
  rig.send(kOne, kThree, 1);
  rig.world.run_for(1s);
  CHECK(rig.got[kTwo].size() == 1);
  CHECK(rig.got[kThree].size() == 1);
}

TEST_CASE("a clogged link delivers when it is free again") {
  Rig rig(4);
  rig.network.clog(kOne, kTwo, 2s);
  rig.send(kOne, kTwo, 1);
  rig.world.run_for(1s);
  CHECK(rig.got[kTwo].empty());
  rig.world.run_for(1500ms);
  CHECK(rig.got[kTwo].size() == 1);
}

TEST_CASE("nothing reaches a node that is gone, nor leaves it") {
  Rig rig(5);
  rig.send(kOne, kTwo, 1);
  rig.network.disconnect(kTwo);
  rig.send(kTwo, kOne, 1);
  rig.world.run_for(1s);
  CHECK(rig.got[kTwo].empty());
  CHECK(rig.got[kOne].empty());
}

TEST_CASE("calls are answered, with the caller's name, in results and errors") {
  Rig rig(6);
  const auto reply = rig.call(kOne, kTwo, "hello");
  REQUIRE(reply.has_value());
  CHECK(reply->header == "n1:hello");
  CHECK(reply->payload.text() == "payload");
  CHECK(rig.call(kTwo, kOne, "fail").error().code == Errc::conflict);
}

TEST_CASE("calls fail as on a real network") {
  Rig rig(7);
  rig.echo.takes = 2s;
  CHECK(rig.call(kOne, kTwo, "slow", 1s).error().code == Errc::deadline);
  CHECK(rig.echo.asked == 1);

  rig.network.cut(kTwo, kOne);
  const auto silent = rig.call(kOne, kTwo, "into silence").error().code;
  CHECK((silent == Errc::unavailable || silent == Errc::unknown_outcome));
  rig.network.heal();

  rig.world.at(rig.world.now_ns() + 1'000'000'000, [&] { rig.network.disconnect(kTwo); });
  CHECK(rig.call(kOne, kTwo, "crashes meanwhile").error().code == Errc::unknown_outcome);
  CHECK(rig.call(kOne, kTwo, "is gone").error().code == Errc::unavailable);
  rig.world.run(rig.network.drained(kTwo));
  rig.attach(kTwo);
  CHECK(rig.call(kOne, kTwo, "is back").has_value());
}

TEST_CASE("a paused thread does its work late and in order, a slow one takes its time") {
  SimWorld world(8);
  SimThread thread(world);
  std::vector<int> done;
  thread.pause_for(3s);
  for (int i = 0; i < 3; ++i) asio::post(thread.executor(), [&done, i] { done.push_back(i); });
  world.run_for(2s);
  CHECK(done.empty());
  world.run_for(2s);
  CHECK(done == std::vector<int>{0, 1, 2});
  thread.set_cost(1s);
  for (int i = 0; i < 3; ++i) asio::post(thread.executor(), [&done, i] { done.push_back(i); });
  world.run_for(2500ms);
  CHECK(done.size() == 5);
}

}  // namespace gabion::sim
