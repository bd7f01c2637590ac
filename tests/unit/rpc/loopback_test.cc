// The channel within one process behaves as one over a connection does, as far as it can; the router finds handlers.
#include "common/rpc/loopback.h"

#include <catch2/catch_test_macros.hpp>

#include "common/rpc/router.h"
#include "tests/support/sim.h"
#include "tests/unit/rpc/scripted_handler.h"

namespace gabion::rpc {

using namespace std::chrono_literals;

TEST_CASE("calls through the loopback carry header, payload, context, errors and deadlines") {
  sim::SimWorld world(1);
  test::ScriptedHandler handler(world.clock());
  LoopbackChannel channel(world.executor(), world.clock(), handler, Peer{NodeId{7}});
  const Context ctx{world.clock().now() + 1s, 99, Priority::background};
  const std::vector<Bytes> pieces{Bytes::copy_of("pay"), Bytes::copy_of("load")};

  auto reply = world.run(channel.call(ctx, Method::shard_put, "echo", pieces));
  REQUIRE(reply.has_value());
  CHECK(reply->header == "echo/1");
  CHECK(reply->payload.text() == "payload");
  CHECK(handler.last_trace == 99);
  CHECK(handler.last_priority == Priority::background);
  CHECK(world.run(channel.call(ctx, Method::shard_put, "peer", {}))->header == "n7");
  CHECK(world.run(channel.call(ctx, Method::shard_put, "fail", {})).error().message == "ask n2");

  const TimePoint start = world.clock().now();
  const auto late = world.run(channel.call(Context{start + 100ms}, Method::shard_put, "sleep 5000", {}));
  CHECK(late.error().code == Errc::deadline);
  CHECK(world.clock().now() - start <= 120ms);

  channel.post(Method::raft_message, "echo", {});
  world.run(channel.stop());
  CHECK(handler.calls == 5);
  CHECK(handler.under_way == 0);
  CHECK(world.run(channel.call(ctx, Method::shard_put, "echo", {})).error().code == Errc::unavailable);
}

TEST_CASE("the router gives a method to whoever registered it, and refuses the others") {
  sim::SimWorld world(1);
  test::ScriptedHandler shards(world.clock()), cluster(world.clock());
  Router router;
  router.add({Method::shard_put, Method::shard_read}, shards);
  router.add({Method::heartbeat}, cluster);
  CHECK(world.run(router.handle({}, {}, Method::shard_read, "echo", {})).has_value());
  CHECK(world.run(router.handle({}, {}, Method::heartbeat, "echo", {})).has_value());
  CHECK(world.run(router.handle({}, {}, static_cast<Method>(999), "echo", {})).error().code == Errc::invalid);
  CHECK(shards.calls == 1);
  CHECK(cluster.calls == 1);
}

}  // namespace gabion::rpc
