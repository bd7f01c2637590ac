// The greeting: nodes of one cluster find each other, everybody else is told why not.
#include "common/rpc/hello.h"

#include <catch2/catch_test_macros.hpp>

#include "common/rpc/frame.h"
#include "tests/support/pipe_stream.h"

namespace gabion::rpc {
namespace {

const ClusterId kOurs{{1, 2, 3}};
const ClusterId kTheirs{{9, 9, 9}};

struct Outcome {
  std::optional<Result<void>> client;
  std::optional<Result<Peer>> server;
};

Outcome meet(Identity client, NodeId wanted, Identity server, Identity certified) {
  sim::SimWorld world(1);
  auto [s, c] = sim::make_pipe(world);
  Outcome outcome;
  asio::co_spawn(world.executor(), receive_greeting(*s, server, certified), [&](std::exception_ptr, Result<Peer> r) {
    outcome.server.emplace(std::move(r));
  });
  asio::co_spawn(world.executor(), greet(*c, client, wanted), [&](std::exception_ptr, Result<void> r) {
    outcome.client.emplace(std::move(r));
  });
  world.run_for(std::chrono::seconds(1));
  GABION_CHECK(outcome.client && outcome.server, "a greeting hangs");
  return outcome;
}

}  // namespace

TEST_CASE("two nodes of a cluster learn who the other is") {
  const Outcome outcome = meet({kOurs, NodeId{1}}, NodeId{2}, {kOurs, NodeId{2}}, {kOurs, NodeId{1}});
  CHECK(*outcome.client);
  REQUIRE(outcome.server->has_value());
  CHECK((*outcome.server)->node == NodeId{1});
}

TEST_CASE("a node of another cluster is refused, and told which clusters they are") {
  const Outcome outcome = meet({kTheirs, NodeId{1}}, NodeId{2}, {kOurs, NodeId{2}}, {kTheirs, NodeId{1}});
  REQUIRE(!*outcome.client);
  CHECK(outcome.client->error().code == Errc::denied);
  CHECK(outcome.client->error().message.find(kOurs.to_hex()) != std::string::npos);
  CHECK(outcome.client->error().message.find(kTheirs.to_hex()) != std::string::npos);
  CHECK(outcome.server->error().code == Errc::denied);
  // It may lie about the cluster, and not about its certificate.
  CHECK(!meet({kOurs, NodeId{1}}, NodeId{2}, {kOurs, NodeId{2}}, {kTheirs, NodeId{1}}).server->has_value());
}

TEST_CASE("a node that is not who its certificate says is refused") {
  const Outcome outcome = meet({kOurs, NodeId{3}}, NodeId{2}, {kOurs, NodeId{2}}, {kOurs, NodeId{1}});
  CHECK(outcome.client->error().code == Errc::denied);
  CHECK(outcome.client->error().message.find("n3") != std::string::npos);
  CHECK(!meet({kOurs, NodeId{3}}, NodeId{2}, {kOurs, NodeId{2}}, {}).server->has_value());
  CHECK(!meet({}, NodeId{2}, {kOurs, NodeId{2}}, {kOurs, NodeId{3}}).server->has_value());
}

TEST_CASE("a client that finds another node than it wanted does not stay") {
  const Outcome outcome = meet({kOurs, NodeId{1}}, NodeId{4}, {kOurs, NodeId{2}}, {kOurs, NodeId{1}});
  CHECK(outcome.client->error().code == Errc::denied);
  CHECK(*meet({kOurs, NodeId{1}}, NodeId{}, {kOurs, NodeId{2}}, {kOurs, NodeId{1}}).client);
}

TEST_CASE("a stranger is let in as one") {
  const Outcome outcome = meet({}, NodeId{}, {kOurs, NodeId{2}}, {});
  CHECK(*outcome.client);
  REQUIRE(outcome.server->has_value());
  CHECK((*outcome.server)->node == NodeId{});
}

TEST_CASE("greetings survive the trip, may grow, and say which versions they mean") {
  Hello hello;
  hello.version = 7;
  hello.oldest = 5;
  hello.identity = {kOurs, NodeId{300}};
  const auto back = decode_hello(encode_hello(hello) + "more of a later version");
  REQUIRE(back.has_value());
  CHECK(back->version == 7);
  CHECK(back->oldest == 5);
  CHECK(back->identity.cluster == kOurs);
  CHECK(back->identity.node == NodeId{300});
  const std::string text = encode_hello(hello);
  for (std::size_t length = 0; length < text.size(); ++length) CHECK(!decode_hello(text.substr(0, length)).has_value());
}

TEST_CASE("a peer whose versions are all too new is told") {
  sim::SimWorld world(1);
  auto [s, c] = sim::make_pipe(world);
  std::optional<Result<Peer>> server;
  asio::co_spawn(world.executor(), receive_greeting(*s, {kOurs, NodeId{2}}, {kOurs, NodeId{1}}),
                 [&](std::exception_ptr, Result<Peer> r) { server.emplace(std::move(r)); });
  Hello hello;
  hello.version = 99;
  hello.oldest = 98;
  hello.identity = {kOurs, NodeId{1}};
  FrameHead head;
  head.kind = FrameKind::hello;
  const std::string frame = encode_frame(head, encode_hello(hello), {});
  const ByteView piece = as_bytes(frame);
  REQUIRE(world.run(c->write_all({&piece, 1})));
  world.run_for(std::chrono::seconds(1));
  REQUIRE(server.has_value());
  CHECK(server->error().code == Errc::invalid);
  CHECK(server->error().message.find("98 to 99") != std::string::npos);
}

}  // namespace gabion::rpc
