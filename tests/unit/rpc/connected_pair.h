// Two connections over a pipe in simulated time: `client` calls, `server` answers with a ScriptedHandler.
#pragma once

#include <memory>

#include "common/rpc/connection.h"
#include "tests/support/pipe_stream.h"
#include "tests/unit/rpc/scripted_handler.h"

namespace gabion::test {

struct ConnectedPair {
  explicit ConnectedPair(rpc::ConnectionLimits given = {}, NodeId caller = NodeId{1}) : limits(given) {
    auto [s, c] = sim::make_pipe(world);
    server_stream = s.get();
    client_stream = c.get();
    server = std::make_unique<rpc::Connection>(server_host, std::move(s), rpc::Peer{caller}, "n1", &handler);
    client = std::make_unique<rpc::Connection>(client_host, std::move(c), rpc::Peer{NodeId{2}}, "n2", nullptr);
    spawn(world.executor(), gate, "sweeper", sweeper.run());
    spawn(world.executor(), gate, "server", run(*server, server_ended));
    spawn(world.executor(), gate, "client", run(*client, client_ended));
  }
  ~ConnectedPair() {
    handler.release();
    client->abort();
    server->abort();
    world.run(wait_for_ends());
    server.reset();
    client.reset();
  }
  task<void> run(rpc::Connection& connection, bool& ended) {
    co_await connection.run();
    ended = true;
  }
  task<void> wait_for_ends() {
    sweeper.stop();
    co_await gate.close();
  }

  Context within(Duration time) { return Context{world.clock().now() + time, 5, Priority::interactive}; }
  Result<rpc::Reply> call(std::string header, Duration time = std::chrono::seconds(10), std::string_view payload = {}) {
    std::vector<Bytes> pieces;
    if (!payload.empty()) pieces.push_back(Bytes::copy_of(payload));
    return world.run(client->call(within(time), rpc::Method::shard_put, std::move(header), std::move(pieces)));
  }
  // Starts a call whose result comes later.
  std::shared_ptr<std::optional<Result<rpc::Reply>>> start(std::string header, Context ctx, std::vector<Bytes> payload = {}) {
    auto result = std::make_shared<std::optional<Result<rpc::Reply>>>();
    asio::co_spawn(world.executor(), client->call(ctx, rpc::Method::shard_put, std::move(header), std::move(payload)),
                   [result](std::exception_ptr, Result<rpc::Reply> reply) { result->emplace(std::move(reply)); });
    return result;
  }

  sim::SimWorld world{1};
  ScriptedHandler handler{world.clock()};
  net::DeadlineSweeper sweeper{world.clock(), std::chrono::milliseconds(20)};
  rpc::ConnectionLimits limits;
  rpc::RpcMetrics client_metrics, server_metrics;
  rpc::ConnectionHost client_host{world.executor(), world.clock(), sweeper, limits, client_metrics};
  rpc::ConnectionHost server_host{world.executor(), world.clock(), sweeper, limits, server_metrics};
  sim::PipeStream* server_stream = nullptr;
  sim::PipeStream* client_stream = nullptr;
  std::unique_ptr<rpc::Connection> server, client;
  bool server_ended = false, client_ended = false;
  Gate gate;
};

}  // namespace gabion::test
