// Who may ask a node anything, by what the cluster's state says.
#include <catch2/catch_test_macros.hpp>

#include "tests/support/run.h"
#include "tools/serve/cluster_port.h"

namespace gabion::serve {
namespace {

class Anything final : public rpc::Handler {
 public:
  task<Result<rpc::Reply>> handle(Context, rpc::Peer, rpc::Method, std::string, Bytes) override { co_return rpc::Reply(); }
};

class Door {
 public:
  Result<void> ask(std::uint32_t node) {
    auto reply = test::run(keeper.handle(Context{}, rpc::Peer{NodeId{node}}, rpc::Method::metadata_read, {}, Bytes()));
    if (!reply) return reply.error();
    return {};
  }
  Anything inner;
  Gatekeeper keeper{inner};
};

metadata::ClusterState cluster_of(std::vector<std::uint32_t> nodes, std::uint32_t last) {
  metadata::ClusterState state;
  for (const std::uint32_t node : nodes) state.add_nodes()->set_id(node);
  state.set_last_node(last);
  return state;
}

TEST_CASE("a node that was removed from the cluster gets nothing, however good its certificate") {
  Door door;
  door.keeper.set_nodes(cluster_of({1, 3}, 3));
  CHECK(door.ask(1).has_value());
  CHECK(door.ask(3).has_value());
  const auto removed = door.ask(2);
  REQUIRE_FALSE(removed.has_value());
  CHECK(removed.error().code == Errc::unavailable);  // clients of its gateway are to go elsewhere, not to give up
}

TEST_CASE("a node that has just joined is asked to come again, as this one may not have heard of it yet") {
  Door door;
  door.keeper.set_nodes(cluster_of({1, 2}, 2));
  const auto early = door.ask(3);
  REQUIRE_FALSE(early.has_value());
  CHECK(early.error().code == Errc::unavailable);
  door.keeper.set_nodes(cluster_of({1, 2, 3}, 3));
  CHECK(door.ask(3).has_value());
}

TEST_CASE("before a node knows its cluster it lets everybody ask who has a certificate of it, and strangers always") {
  Door door;
  CHECK(door.ask(5).has_value());
  door.keeper.set_nodes(cluster_of({1}, 1));
  CHECK(door.ask(0).has_value());
}

}  // namespace
}  // namespace gabion::serve
