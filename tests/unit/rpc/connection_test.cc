// One connection in simulated time: many calls at once, bounds, deadlines, the death of the peer, strangers, leaving.
#include "common/rpc/connection.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/rpc/connected_pair.h"

namespace gabion::test {

using namespace rpc;
using namespace std::chrono_literals;

TEST_CASE("a call brings header and payload there and back, with its context") {
  ConnectedPair pair;
  const std::string payload(1'000'000, 'p');
  const auto reply = pair.call("echo", 10s, payload);
  REQUIRE(reply.has_value());
  CHECK(reply->header == "echo/1");
  CHECK(reply->payload.text() == payload);
  CHECK(pair.handler.last_trace == 5);
  CHECK(pair.call("peer")->header == "n1");
  CHECK(pair.call("deadline", 250ms)->header == "250");
  const auto failed = pair.call("fail");
  REQUIRE(!failed.has_value());
  CHECK(failed.error().code == Errc::not_leader);
  CHECK(failed.error().message == "ask n2");
}

TEST_CASE("a thousand calls at once are all answered, each with its own answer, slow ones after fast ones") {
  ConnectedPair pair;
  std::vector<std::shared_ptr<std::optional<Result<Reply>>>> results;
  for (int i = 0; i < 1000; ++i) {
    results.push_back(pair.start("sleep " + std::to_string(1000 - i), pair.within(10s), {Bytes::copy_of(std::to_string(i))}));
  }
  pair.world.run_for(10ms);
  CHECK(pair.handler.under_way >= 980);
  pair.world.run_for(2s);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(results[static_cast<std::size_t>(i)]->has_value());
    const auto& reply = **results[static_cast<std::size_t>(i)];
    REQUIRE(reply.has_value());
    CHECK(reply->payload.text() == std::to_string(i));
  }
}

TEST_CASE("a call ends at its deadline whatever the peer does, and its late answer is ignored") {
  ConnectedPair pair;
  const TimePoint start = pair.world.clock().now();
  CHECK(pair.call("sleep 3000", 200ms).error().code == Errc::deadline);
  CHECK(pair.world.clock().now() - start <= 240ms);
  pair.world.run_for(5s);
  CHECK(pair.call("echo").has_value());
  CHECK(pair.call("echo", 0s).error().code == Errc::deadline);
  CHECK(pair.handler.calls == 2);
}

TEST_CASE("over the bound of calls or bytes a caller gets exhausted at once, and afterwards all is well") {
  ConnectionLimits limits;
  limits.calls = 10;
  limits.bytes = 1 * MiB;
  ConnectedPair pair(limits);
  for (int i = 0; i < 10; ++i) pair.start("hang", pair.within(60s));
  pair.world.run_for(10ms);
  CHECK(pair.call("echo").error().code == Errc::exhausted);
  pair.handler.release();
  pair.world.run_for(100ms);
  CHECK(pair.call("echo").has_value());

  auto first = pair.start("sleep 50", pair.within(10s), {Bytes(Buffer(700 * KiB))});
  CHECK(pair.call("echo", 10s, std::string(700 * KiB, 'x')).error().code == Errc::exhausted);
  pair.world.run_for(200ms);
  CHECK(first->value().has_value());
  CHECK(pair.call("echo", 10s, std::string(2 * MiB, 'x')).has_value());  // alone, anything goes
  CHECK(pair.client_metrics.exhausted.value() == 2);
}

TEST_CASE("a server answers exhausted to a peer that ignores the bound, and the connection goes on") {
  ConnectionLimits limits;
  limits.calls = 3;
  ConnectedPair pair;  // the client with room for more
  ConnectionHost narrow{pair.world.executor(), pair.world.clock(), pair.sweeper, limits, pair.server_metrics};
  auto [s, c] = sim::make_pipe(pair.world);
  Connection server(narrow, std::move(s), Peer{NodeId{1}}, "n1", &pair.handler);
  Connection client(pair.client_host, std::move(c), Peer{NodeId{2}}, "n2", nullptr);
  Gate gate;
  spawn(pair.world.executor(), gate, "server", server.run());
  spawn(pair.world.executor(), gate, "client", client.run());
  std::vector<std::optional<Errc>> codes(5);
  for (auto& code : codes) {
    asio::co_spawn(pair.world.executor(), client.call(pair.within(60s), Method::shard_put, "hang", {}),
                   [&code](std::exception_ptr, Result<Reply> r) { code = r ? Errc::internal : r.error().code; });
  }
  pair.world.run_for(20s);  // long after a dead peer would have been given up
  CHECK(std::count(codes.begin(), codes.end(), Errc::exhausted) == 2);
  CHECK(client.open());
  pair.handler.release();
  pair.world.run_for(100ms);
  CHECK(std::count(codes.begin(), codes.end(), Errc::internal) == 3);
  client.abort();
  pair.world.run(gate.close());
}

TEST_CASE("when the connection breaks, what was sent has an unknown outcome and what was not is unavailable") {
  ConnectedPair pair;
  pair.client_stream->set_write_capacity(64 * KiB);
  auto sent = pair.start("hang", pair.within(60s));
  pair.world.run_for(10ms);
  CHECK(pair.handler.calls == 1);
  pair.client_stream->set_write_capacity(0);  // nothing more gets through
  auto stuck = pair.start("echo", pair.within(60s), {Bytes(Buffer(1 * MiB))});
  pair.world.run_for(10ms);
  auto queued = pair.start("echo", pair.within(60s));
  pair.world.run_for(10ms);
  pair.server_stream->abort();
  pair.handler.release();
  pair.world.run_for(100ms);
  CHECK(sent->value().error().code == Errc::unknown_outcome);
  CHECK(stuck->value().error().code == Errc::unknown_outcome);  // some of it may have been sent
  CHECK(queued->value().error().code == Errc::unavailable);
  CHECK(!pair.client->open());
  CHECK(pair.call("echo").error().code == Errc::unavailable);
}

TEST_CASE("a peer that says nothing any more is given up within three seconds") {
  sim::SimWorld world(1);
  net::DeadlineSweeper sweeper(world.clock(), 20ms);
  Gate gate;
  spawn(world.executor(), gate, "sweeper", sweeper.run());
  RpcMetrics metrics;
  ConnectionHost host{world.executor(), world.clock(), sweeper, {}, metrics};
  auto [mute, stream] = sim::make_pipe(world);
  {
    Connection client(host, std::move(stream), Peer{NodeId{2}}, "n2", nullptr);
    spawn(world.executor(), gate, "client", client.run());
    world.run_for(1ms);
    std::optional<Result<Reply>> result;
    asio::co_spawn(world.executor(), client.call({}, Method::shard_put, "echo", {}),
                   [&](std::exception_ptr, Result<Reply> r) { result.emplace(std::move(r)); });
    world.run_for(2s);
    CHECK(!result.has_value());
    world.run_for(1100ms);
    REQUIRE(result.has_value());
    CHECK(result->error().code == Errc::unknown_outcome);
    CHECK(client.peer_was_silent());
    sweeper.stop();
    world.run(gate.close());
  }
}

TEST_CASE("an idle connection lives on, and so does one with a handler that takes its time") {
  ConnectedPair pair;
  auto slow = pair.start("sleep 20000", pair.within(60s));
  pair.world.run_for(30s);
  CHECK(slow->value().has_value());
  pair.world.run_for(600s);
  CHECK(pair.client->open());
  CHECK(pair.call("echo").has_value());
}

TEST_CASE("a large answer that trickles in does not look like silence") {
  ConnectedPair pair;
  pair.client_stream->set_read_limit(64);
  auto reply = pair.start("big 3000000", pair.within(600s));
  for (int i = 0; i < 1000 && !reply->has_value(); ++i) pair.world.run_for(100ms);
  REQUIRE(reply->has_value());
  CHECK(reply->value()->payload.size() == 3'000'000);
}

TEST_CASE("posts arrive in order, and are dropped when the connection is clogged or over") {
  ConnectionLimits limits;
  limits.posts = 100 * KiB;
  ConnectedPair pair(limits);
  for (int i = 0; i < 20; ++i) pair.client->post(Method::raft_message, "echo", {});
  pair.world.run_for(10ms);
  CHECK(pair.handler.calls == 20);
  pair.client_stream->set_write_capacity(0);
  for (int i = 0; i < 50; ++i) pair.client->post(Method::raft_message, "echo", {Bytes(Buffer(10 * KiB))});
  CHECK(pair.client_metrics.posts_dropped.value() >= 40);
  pair.client->abort();
  pair.client->post(Method::raft_message, "echo", {});
  CHECK(pair.client_metrics.posts_dropped.value() >= 41);
}

// What arrives at the server, in order, while the pipe is clogged until everything is queued.
TEST_CASE("short calls and posts overtake bulk, the background comes last, and nothing is starved") {
  ConnectedPair pair;
  pair.client_stream->set_write_capacity(0);
  pair.client->post(Method::raft_message, "first", {Bytes(Buffer(20 * KiB))});  // the write under way
  pair.world.run_for(1ms);
  const auto call = [&](char name, Priority priority, std::size_t bytes) {
    Context ctx = pair.within(60s);
    ctx.priority = priority;
    pair.start(std::string("note ") + name, ctx, {Bytes(Buffer(bytes))});
  };
  for (int i = 0; i < 20; ++i) call('b', Priority::background, 20 * KiB);
  for (int i = 0; i < 40; ++i) call('i', Priority::interactive, 20 * KiB);
  for (int i = 0; i < 200; ++i) call('u', Priority::interactive, 10);
  pair.world.run_for(1ms);
  pair.client_stream->set_write_capacity(1 * MiB);
  pair.client_stream->wake_writer();
  pair.world.run_for(1s);
  const std::string& order = pair.handler.noted;
  REQUIRE(order.size() == 260);
  CHECK(order.find('i') == 63);  // the post was the first of their row
  CHECK(order.find('b') > order.rfind('u'));
  CHECK(order.find("iiiiiiiibiiiiiiiib") != std::string::npos);
  CHECK(order.ends_with("bbbbbbbbbbbbbbb"));
}

TEST_CASE("posts are not dropped because calls wait") {
  ConnectionLimits limits;
  limits.posts = 100 * KiB;
  ConnectedPair pair(limits);
  pair.client_stream->set_write_capacity(0);
  auto bulk = pair.start("echo", pair.within(60s), {Bytes(Buffer(4 * MiB))});
  pair.world.run_for(1ms);
  for (int i = 0; i < 10; ++i) pair.client->post(Method::raft_message, "echo", {Bytes(Buffer(1 * KiB))});
  CHECK(pair.client_metrics.posts_dropped.value() == 0);
  pair.client_stream->set_write_capacity(1 * MiB);
  pair.client_stream->wake_writer();
  pair.world.run_for(1s);
  CHECK(pair.handler.calls == 11);
  CHECK(bulk->value().has_value());
}

TEST_CASE("a stranger may join and nothing else: anything else is denied and the end") {
  ConnectedPair pair({}, NodeId{});
  CHECK(pair.world.run(pair.client->call(pair.within(1s), Method::join, "peer", {}))->header == "n0");
  CHECK(pair.handler.calls == 1);
  const auto denied = pair.call("echo");
  REQUIRE(!denied.has_value());
  CHECK(denied.error().code == Errc::denied);
  pair.world.run_for(100ms);
  CHECK(pair.handler.calls == 1);
  CHECK(pair.server_ended);
  CHECK(pair.client_ended);
}

TEST_CASE("a stranger with a large message is cut off before it is read") {
  ConnectedPair pair({}, NodeId{});
  const auto result = pair.world.run(pair.client->call(pair.within(1s), Method::join, std::string(1 * MiB, 'x'), {}));
  CHECK(!result.has_value());
  pair.world.run_for(100ms);
  CHECK(pair.server_ended);
  CHECK(pair.handler.calls == 0);
}

TEST_CASE("draining refuses new calls, lets those under way end, then closes") {
  ConnectedPair pair;
  auto slow = pair.start("sleep 500", pair.within(10s));
  pair.world.run_for(10ms);
  pair.server->drain();
  pair.world.run_for(10ms);
  CHECK(!pair.client->open());
  CHECK(pair.call("echo").error().code == Errc::unavailable);
  CHECK(!slow->has_value());
  pair.world.run_for(1s);
  CHECK(slow->value().has_value());
  CHECK(pair.server_ended);
  CHECK(pair.client_ended);
  CHECK(pair.client_metrics.broken.value() == 0);
}

TEST_CASE("bytes that are no frames, and calls where nothing is served, end the connection") {
  ConnectedPair pair;
  const ByteView nonsense = as_bytes("this is certainly not a frame, and long enough to be taken for one");
  REQUIRE(pair.world.run(pair.server_stream->write_all({&nonsense, 1})));
  pair.world.run_for(10ms);
  CHECK(pair.client_ended);

  ConnectedPair other;
  other.server->post(Method::shard_put, "to a client", {});
  other.world.run_for(10ms);
  CHECK(other.client_ended);
}

TEST_CASE("a stranger who does not read the refusals it gets is dropped") {
  ConnectedPair pair({.calls = 1, .bytes = 1 * KiB}, NodeId{});
  pair.server_stream->set_write_capacity(0);
  const auto flood = [&]() -> task<void> {
    for (std::uint64_t id = 1; id <= 200; ++id) {
      auto frame = *make_question(FrameKind::call, pair.within(10s), Method::join, "hang", {});
      frame.head.id = id;
      const std::string bytes = encode_frame(frame.head, frame.meta, {});
      const ByteView piece = as_bytes(bytes);
      if (!co_await pair.client_stream->write_all({&piece, 1})) co_return;
    }
    co_await pair.world.clock().sleep(100ms);
  };
  pair.world.run(flood());
  CHECK(pair.handler.calls == 1);
  CHECK(pair.server_metrics.broken.value() == 1);
  CHECK(pair.server_metrics.exhausted.value() < 50);
}

}  // namespace gabion::test
