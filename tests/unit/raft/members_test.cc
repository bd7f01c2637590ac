// LocalMetadata as a member among others: from a single node to three, with their states on simulated drives.
#include <boost/asio/detached.hpp>
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/raft/trio.h"

namespace gabion::metadata::test {

TEST_CASE("a single node is a group of one, and reads without asking anybody") {
  Trio trio;
  const auto bucket = trio.commit(trio.node(1), create_bucket("b")).bucket().id();
  trio.fill(trio.node(1), bucket, 0, 5);
  CHECK(trio.node(1)->leader() == NodeId{1});
  CHECK(voters(trio.node(1).status()) == std::set<NodeId>{NodeId{1}});
  CHECK(trio.value(trio.node(1), bucket, 4) == "value4");
  const std::uint64_t applied = trio.node(1).all().status().applied;
  trio.node(1).stop();
  trio.node(1).start({{NodeId{1}}});
  CHECK(trio.node(1).all().status().applied == applied);
  CHECK(trio.value(trio.node(1), bucket, 4) == "value4");
}

TEST_CASE("who reads while the state moves to another drive sees all that was acknowledged") {
  Trio trio;
  Node& node = trio.node(1);
  const auto bucket = trio.commit(node, create_bucket("b")).bucket().id();
  trio.fill(node, bucket, 0, 5);
  trio.world().run(node.all().checkpoint());
  trio.fill(node, bucket, 5, 200);  // the copy on the other drive does not have these
  bool moved = false;
  std::size_t seen = 0, missed = 0;
  const auto move = [](Node& at, bool& done) -> task<void> {
    CHECK((co_await at.fail_drive(0)).has_value());
    done = true;
  };
  const auto read = [](Trio& all, Node& at, BucketId in, bool& done, std::size_t& right, std::size_t& wrong) -> task<void> {
    for (bool last = false; !last;) {
      last = done;
      const auto object = co_await at->object(Context(), in, "key199", Metadata::With::version);
      ++(object ? right : wrong);
      co_await all.world().clock().sleep(std::chrono::microseconds(1));
    }
  };
  asio::co_spawn(trio.world().executor(), move(node, moved), asio::detached);
  trio.world().run(read(trio, node, bucket, moved, seen, missed));
  CHECK(moved);
  CHECK(seen > 0);
  CHECK(missed == 0);
  CHECK(node.all().status().state[1].primary);
}

TEST_CASE("a group grows to three and outlives its leader") {
  Trio trio;
  const auto bucket = trio.commit(trio.node(1), create_bucket("b")).bucket().id();
  trio.fill(trio.node(1), bucket, 0, 20);
  trio.join(2);
  trio.join(3);
  CHECK(voters(trio.node(1).status()).size() == 3);
  trio.fill(trio.node(1), bucket, 20, 30);
  trio.settle();

  CHECK(trio.world().run(trio.node(2)->commit(trio.soon(), create_bucket("c"))).error().code == Errc::not_leader);
  CHECK(trio.value(trio.node(2), bucket, 3) == to_string(Errc::not_leader));
  CHECK(trio.node(2)->leader() == NodeId{1});

  trio.node(1).stop();
  const auto before = trio.world().clock().now();
  Node& second = trio.leader({2, 3});
  CHECK(trio.world().clock().now() - before < 4s);
  CHECK(trio.value(second, bucket, 29) == "value29");
  trio.fill(second, bucket, 30, 40);

  trio.node(1).start({});
  trio.settle();
  CHECK(trio.node(1).all().status().commands == second.all().status().commands);
  CHECK(!trio.node(1).status().leads);

  REQUIRE(trio.world().run(second->raft().transfer(trio.soon(), NodeId{1})).has_value());
  CHECK(trio.leader({1}).status().leads);
  for (const int i : {0, 19, 29, 39}) CHECK(trio.value(trio.node(1), bucket, i) == "value" + std::to_string(i));
}

TEST_CASE("a member that the log cannot bring up to date gets the state of the leader") {
  Trio trio;
  const auto bucket = trio.commit(trio.node(1), create_bucket("b")).bucket().id();
  trio.fill(trio.node(1), bucket, 0, 200);
  trio.node(1).stop();  // with a checkpoint, so that the log begins behind all this
  trio.node(1).start({});
  trio.join(2);
  trio.settle();
  CHECK(trio.node(2).all().status().commands == 201);
  trio.fill(trio.node(1), bucket, 200, 210);
  trio.settle();
  trio.node(2).stop();
  trio.node(2).start({});
  trio.settle();
  trio.world().run_for(1s);  // it hears from the leader
  const auto moved = trio.world().run(trio.leader()->raft().transfer(trio.soon(), NodeId{2}));
  INFO((moved ? std::string() : moved.error().message));
  REQUIRE(moved.has_value());
  for (const int i : {0, 199, 209}) CHECK(trio.value(trio.leader({2}), bucket, i) == "value" + std::to_string(i));
}

TEST_CASE("members are removed, the leader among them, and the last one is not") {
  Trio trio;
  const auto bucket = trio.commit(trio.node(1), create_bucket("b")).bucket().id();
  trio.join(2);
  trio.join(3);
  REQUIRE(trio.world().run(trio.node(1)->raft().remove(trio.soon(), NodeId{3})).has_value());
  CHECK(voters(trio.node(1).status()) == std::set<NodeId>{NodeId{1}, NodeId{2}});
  trio.node(3).stop();
  trio.fill(trio.node(1), bucket, 0, 5);
  REQUIRE(trio.world().run(trio.node(1)->raft().remove(trio.soon(), NodeId{1})).has_value());
  Node& left = trio.leader({2});
  CHECK(trio.value(left, bucket, 4) == "value4");
  CHECK(trio.world().run(left->raft().remove(trio.soon(), NodeId{2})).error().code == Errc::invalid);
  CHECK(trio.world().run(trio.node(1)->commit(trio.soon(), create_bucket("c"))).error().code == Errc::not_leader);
}

TEST_CASE("without a majority nothing is decided or read, and the answer comes in time") {
  Trio trio;
  trio.commit(trio.node(1), create_bucket("b"));
  trio.join(2);
  trio.join(3);
  trio.settle();
  trio.node(2).stop();
  trio.node(3).stop();
  const auto commit = trio.world().run(trio.node(1)->commit(trio.soon(3s), create_bucket("c")));
  CHECK(commit.error().code == Errc::unknown_outcome);
  CHECK(trio.world().run(trio.node(1)->bucket(trio.soon(3s), "b")).error().code == Errc::not_leader);
  trio.node(2).start({});
  trio.leader({1, 2});
}

}  // namespace gabion::metadata::test
