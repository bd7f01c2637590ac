// Nodes that call each other over TLS on loopback: many calls, peers that die, restart, move, leave or are cut off.
#include <catch2/catch_test_macros.hpp>

#include "tests/support/silent_proxy.h"
#include "tests/unit/rpc/test_node.h"

namespace gabion::test {

using namespace rpc;
using namespace std::chrono_literals;

namespace {
constexpr NodeId n1{1}, n2{2}, n3{3};
}

TEST_CASE("nodes call each other over TLS, from any thread") {
  TestCluster cluster;
  TestNode a(cluster, n1), b(cluster, n2);
  a.knows({a.address(), b.address()});
  b.knows({a.address(), b.address()});
  const std::string payload(3'000'000, 'p');
  for (const std::size_t thread : {std::size_t{0}, std::size_t{1}}) {
    const auto reply = a.call(n2, "echo", 10s, payload, thread);
    REQUIRE(reply.has_value());
    CHECK(reply->payload.text() == payload);
  }
  CHECK(a.call(n2, "peer")->header == "n1");
  CHECK(b.call(n1, "peer")->header == "n2");
  CHECK(a.call(n2, "fail").error().code == Errc::not_leader);
  // From an executor that the table does not know.
  asio::io_context other(1);
  std::optional<std::string> header;
  std::thread::id resumed_on;
  asio::co_spawn(other, a.channel(n2).call(a.within(10s), Method::shard_put, "peer", {}),
                 [&](std::exception_ptr, Result<Reply> r) {
                   header = r->header;
                   resumed_on = std::this_thread::get_id();
                 });
  other.run();
  CHECK(header == "n1");
  CHECK(resumed_on == std::this_thread::get_id());
  CHECK(a.metrics.connections.value() == 3);  // two to b, one from b
  CHECK(a.peers().find(n1) == nullptr);
  CHECK(a.peers().find(n3) == nullptr);
}

TEST_CASE("a thousand calls at once from two threads are all answered") {
  TestCluster cluster;
  TestNode a(cluster, n1), b(cluster, n2);
  a.knows({b.address()});
  std::atomic<int> good{0}, done{0};
  for (int i = 0; i < 1000; ++i) {
    const std::string text = std::to_string(i);
    asio::co_spawn(a.executors()[static_cast<std::size_t>(i % 2)],
                   a.channel(n2).call(a.within(60s), Method::shard_put, "sleep 20",
                                      {Bytes::copy_of(text + std::string(5000, 'x'))}),
                   [&, text](std::exception_ptr, Result<Reply> r) {
                     good += r && r->payload.text().starts_with(text + "x");
                     ++done;
                   });
  }
  while (done < 1000) std::this_thread::sleep_for(5ms);
  CHECK(good == 1000);
  CHECK(b.handler.most_under_way > 100);
}

TEST_CASE("posts arrive once there is a connection") {
  TestCluster cluster;
  TestNode a(cluster, n1), b(cluster, n2);
  a.knows({b.address()});
  const TimePoint until = a.clock.now() + 10s;
  while (b.handler.calls == 0 && a.clock.now() < until) {
    a.channel(n2).post(Method::raft_message, "echo", {});
    std::this_thread::sleep_for(5ms);
  }
  CHECK(b.handler.calls > 0);
  CHECK(a.metrics.calls.value() == 0);
}

TEST_CASE("a peer that dies breaks the calls under way, is known to be unreachable, and is found again") {
  TestCluster cluster;
  TestNode a(cluster, n1);
  std::optional<TestNode> b;
  b.emplace(cluster, n2);
  a.knows({b->address()});
  REQUIRE(a.call(n2, "echo").has_value());
  auto under_way = std::async(std::launch::async, [&] { return a.call(n2, "hang"); });
  while (b->handler.under_way == 0) std::this_thread::sleep_for(1ms);
  auto stopped = std::async(std::launch::async, [&] { b->stop_server(0s); });  // waits for its handlers, whatever they do
  CHECK(under_way.get().error().code == Errc::unknown_outcome);
  CHECK(a.call(n2, "echo").error().code == Errc::unavailable);
  const TimePoint start = a.clock.now();
  CHECK(a.call(n2, "echo").error().code == Errc::unavailable);
  CHECK(a.clock.now() - start < 100ms);
  b->handler.release();
  stopped.get();
  b.reset();
  b.emplace(cluster, n2);  // at another port
  a.knows({b->address()});
  CHECK(a.call(n2, "echo").has_value());
}

TEST_CASE("a peer that restarts at the same address is found again within a second or so") {
  TestCluster cluster;
  TestNode a(cluster, n1), b(cluster, n2), c(cluster, n2);
  SilentProxy proxy(b.port);
  a.knows({{n2, "127.0.0.1", proxy.port()}});
  REQUIRE(a.call(n2, "echo").has_value());
  proxy.reset_all();
  proxy.target(c.port);
  CHECK(a.reaches(n2));
  CHECK(c.handler.calls > 0);
}

TEST_CASE("a peer that is cut off without a word is noticed within three seconds or so, and found again afterwards") {
  TestCluster cluster;
  TestNode a(cluster, n1), b(cluster, n2);
  SilentProxy proxy(b.port);
  a.knows({{n2, "127.0.0.1", proxy.port()}});
  REQUIRE(a.call(n2, "echo").has_value());
  proxy.silence(true);
  TimePoint start = a.clock.now();
  CHECK(a.call(n2, "echo", 60s).error().code == Errc::unknown_outcome);
  CHECK(a.clock.now() - start < 4s);
  start = a.clock.now();
  CHECK(a.call(n2, "echo", 60s).error().code == Errc::unavailable);
  CHECK(a.clock.now() - start < 100ms);
  proxy.silence(false);
  CHECK(a.reaches(n2));
}

TEST_CASE("a node at a new address is followed, and calls under way at the old one are still answered") {
  TestCluster cluster;
  TestNode a(cluster, n1), before(cluster, n2), after(cluster, n2);
  a.knows({before.address()});
  auto under_way = std::async(std::launch::async, [&] { return a.call(n2, "sleep 300"); });
  while (before.handler.under_way == 0) std::this_thread::sleep_for(1ms);
  a.knows({after.address()});
  CHECK(a.call(n2, "echo").has_value());
  CHECK(after.handler.calls == 1);
  CHECK(under_way.get().has_value());
}

TEST_CASE("a node that is not in the list any more cannot be called, and can again when it is back") {
  TestCluster cluster;
  TestNode a(cluster, n1), b(cluster, n2);
  a.knows({b.address()});
  REQUIRE(a.call(n2, "echo").has_value());
  a.knows({});
  CHECK(a.call(n2, "echo").error().code == Errc::unavailable);
  a.knows({b.address()});
  CHECK(a.call(n2, "echo").has_value());
}

TEST_CASE("a call without a peer that listens ends within its deadline") {
  TestCluster cluster;
  TestNode a(cluster, n1), b(cluster, n2);
  SilentProxy proxy(b.port);
  proxy.silence(true);  // accepts, and never says anything
  a.knows({{n2, "127.0.0.1", proxy.port()}});
  const TimePoint start = a.clock.now();
  CHECK(a.call(n2, "echo", 200ms).error().code == Errc::deadline);
  CHECK(a.clock.now() - start < 1s);
}

TEST_CASE("no more calls wait for a connection than may be under way") {
  TestCluster cluster;
  ConnectionLimits limits;
  limits.calls = 4;
  TestNode a({cluster.id, n1}, cluster.tls(n1), limits), b(cluster, n2);
  SilentProxy proxy(b.port);
  proxy.silence(true);
  a.knows({{n2, "127.0.0.1", proxy.port()}});
  std::atomic<int> exhausted{0}, other{0};
  for (int i = 0; i < 6; ++i) {
    asio::co_spawn(a.executors()[0], a.channel(n2).call(a.within(1s), Method::shard_put, "echo", {}),
                   [&](std::exception_ptr, Result<Reply> r) {
                     const bool full = !r && r.error().code == Errc::exhausted;
                     ++(full ? exhausted : other);
                   });
  }
  while (exhausted + other < 6) std::this_thread::sleep_for(5ms);
  CHECK(exhausted == 2);
}

TEST_CASE("a server that stops lets calls under way finish") {
  TestCluster cluster;
  TestNode a(cluster, n1), b(cluster, n2);
  a.knows({b.address()});
  auto under_way = std::async(std::launch::async, [&] { return a.call(n2, "sleep 300"); });
  while (b.handler.under_way == 0) std::this_thread::sleep_for(1ms);
  b.stop_server(10s);
  CHECK(under_way.get().has_value());
  CHECK(a.call(n2, "echo").error().code == Errc::unavailable);
}

}  // namespace gabion::test
