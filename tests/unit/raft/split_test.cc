// A group that is divided on several nodes: who serves its halves, and how members get their states that were not there.
#include "tests/unit/raft/trio.h"

namespace gabion::metadata::test {
namespace {

constexpr GroupId kChild = 1;

std::string row(BucketId bucket, const std::string& key) {
  std::string out;
  append_be64(out, bucket);
  return out + key;
}

// One that is divided in three nodes, at "key5".
struct Divided {
  explicit Divided(bool alone = false) {
    bucket = trio.commit(trio.node(1), create_bucket("b")).bucket().id();
    trio.fill(trio.node(1), bucket, 0, 10);
    if (alone) return;
    trio.join(2);
    trio.join(3);
    trio.settle();
  }
  ~Divided() {
    for (const std::uint32_t n : {1u, 2u, 3u}) {
      if (trio.node(n).runs()) trio.node(n).stop();
    }
  }
  Result<CommandResult> try_commit(LocalGroup& to, Command command) {
    return trio.world().run(to.commit(trio.soon(), std::move(command)));
  }
  Command split_range() {
    Command command;
    command.mutable_split_range()->set_child(kChild);
    command.mutable_split_range()->set_at(row(bucket, "key5"));
    return command;
  }
  void split() {
    CHECK(try_commit(trio.leader().all().root(), split_range()).value().outcome() == APPLIED);
    for (const std::uint32_t n : {1u, 2u, 3u}) tell_of_child(trio.node(n));
  }
  void tell_of_child(Node& node) {
    node.exist.insert(kChild);
    node.starts[kChild] = row(bucket, "key5");
  }
  // Where the child is led, as soon as it is.
  Node& child_leader() {
    for (int i = 0; i < 2000; ++i) {
      for (const std::uint32_t n : {1u, 2u, 3u}) {
        LocalGroup* const child = trio.node(n).runs() ? trio.node(n).all().find(kChild) : nullptr;
        if (child != nullptr && child->raft().status().leads) return trio.node(n);
      }
      trio.world().run_for(10ms);
    }
    FAIL("nobody leads the child");
    return trio.node(1);
  }
  std::string read(LocalGroup& from, int i) {
    const auto object = trio.world().run(
        from.object(trio.soon(), bucket, "key" + std::to_string(i), Metadata::With::manifest));
    return object ? object->manifest.inline_data() : std::string(to_string(object.error().code));
  }
  // A write to the child, which must hear of the bucket first.
  void write_to_child(int i) {
    Command raise;
    raise.mutable_raise_bucket()->set_bucket(bucket);
    const auto raised = try_commit(trio.leader().all().root(), raise).value();
    Command open;
    open.mutable_open_bucket()->set_bucket(bucket);
    open.mutable_open_bucket()->set_generation(raised.bucket().generation());
    LocalGroup& child = *child_leader().all().find(kChild);
    CHECK(try_commit(child, open).value().outcome() == APPLIED);
    CHECK(try_commit(child, put(bucket, "key" + std::to_string(i), "value" + std::to_string(i))).value().outcome() == APPLIED);
  }
  void settle_child() {
    const auto settled = [&] {
      const std::uint64_t last = child_leader().all().find(kChild)->raft().status().last_index;
      for (const std::uint32_t n : {1u, 2u, 3u}) {
        if (!trio.node(n).runs()) continue;
        LocalGroup* const child = trio.node(n).all().find(kChild);
        if (child == nullptr || child->raft().status().applied != last) return false;
      }
      return true;
    };
    for (int i = 0; i < 1000 && !settled(); ++i) trio.world().run_for(20ms);
    CHECK(settled());
  }

  Trio trio;
  BucketId bucket = 0;
};

}  // namespace

TEST_CASE("both halves of a group are served at once after a split, by who served the whole, and nobody fetches a state") {
  Divided divided;
  const auto before = divided.trio.world().clock().now();
  divided.split();
  Node& leader = divided.child_leader();
  LocalGroup& child = *leader.all().find(kChild);
  CHECK(divided.read(child, 9) == "value9");
  CHECK(divided.trio.world().clock().now() - before < 1s);
  CHECK(&leader == &divided.trio.leader());
  CHECK(divided.read(leader.all().root(), 4) == "value4");
  CHECK(divided.read(leader.all().root(), 9) == to_string(Errc::moved));
  CHECK(divided.read(child, 4) == to_string(Errc::moved));
  CHECK(divided.try_commit(child, put(divided.bucket, "key4", "no")).error().code == Errc::moved);
  CHECK(divided.try_commit(leader.all().root(), put(divided.bucket, "key5", "no")).error().code == Errc::moved);
  divided.write_to_child(77);
  divided.settle_child();
  for (const std::uint32_t n : {1u, 2u, 3u}) {
    CHECK(divided.trio.node(n).states_that_came() == 0);
    CHECK(voters(divided.trio.node(n).all().find(kChild)->raft().status()).size() == 3);
  }
}

TEST_CASE("a split that is asked for again changes nothing") {
  Divided divided(true);
  divided.split();
  divided.write_to_child(8);
  CHECK(divided.try_commit(divided.trio.node(1).all().root(), divided.split_range()).value().outcome() == APPLIED);
  CHECK(divided.read(*divided.trio.node(1).all().find(kChild), 8) == "value8");
}

TEST_CASE("a node opens all its groups when it starts") {
  Divided divided;
  divided.split();
  divided.write_to_child(8);
  divided.settle_child();
  for (const std::uint32_t n : {1u, 2u, 3u}) divided.trio.node(n).stop();
  for (const std::uint32_t n : {1u, 2u, 3u}) divided.trio.node(n).start({});
  CHECK(divided.trio.node(2).all().groups().size() == 2);
  CHECK(divided.read(*divided.child_leader().all().find(kChild), 8) == "value8");
  CHECK(divided.read(divided.trio.leader().all().root(), 4) == "value4");
  divided.write_to_child(9);
}

TEST_CASE("a member that was away while the group was divided makes its half from the log") {
  Divided divided;
  divided.trio.node(3).stop();
  divided.split();
  divided.write_to_child(8);
  divided.trio.node(3).start({});
  divided.settle_child();
  CHECK(divided.trio.node(3).states_that_came() == 0);
}

TEST_CASE("a member that missed the split, and that the logs cannot bring up to date, gets both states") {
  Divided divided;
  divided.trio.node(3).stop();
  divided.split();
  divided.write_to_child(8);
  for (const std::uint32_t n : {1u, 2u}) divided.trio.node(n).entry_memory_bytes = 1;
  for (int round = 0; round < 2; ++round) {  // with checkpoints, so that the logs begin behind all this
    for (const std::uint32_t n : {1u, 2u}) divided.trio.node(n).stop();
    for (const std::uint32_t n : {1u, 2u}) divided.trio.node(n).start({});
  }
  divided.write_to_child(9);
  divided.trio.node(3).start({});
  divided.settle_child();
  divided.trio.settle();
  CHECK(divided.trio.node(3).states_that_came() == 2);
  LocalGroup& child = *divided.child_leader().all().find(kChild);
  static_cast<void>(divided.trio.world().run(child.raft().transfer(divided.trio.soon(), NodeId{3})));
  CHECK(divided.read(*divided.child_leader().all().find(kChild), 8) == "value8");
}

TEST_CASE("a node that is added to a group that was split off gets its state, once the cluster has the group") {
  Divided divided(true);
  divided.split();
  divided.write_to_child(8);
  divided.trio.join(2);
  Node& first = divided.trio.node(1);
  Node& second = divided.trio.node(2);
  second.exist.erase(kChild);
  REQUIRE(divided.trio.world().run(first.all().find(kChild)->raft().add(divided.trio.soon(), NodeId{2})).has_value());
  divided.trio.world().run_for(10s);
  CHECK(second.all().find(kChild) == nullptr);
  second.exist.insert(kChild);
  const auto promoted = divided.trio.world().run(first.all().find(kChild)->raft().promote(divided.trio.soon(60s), NodeId{2}));
  INFO((promoted ? std::string() : promoted.error().message));
  REQUIRE(promoted.has_value());
  CHECK(second.states_that_came() >= 1);
  REQUIRE(divided.trio.world().run(first.all().find(kChild)->raft().transfer(divided.trio.soon(), NodeId{2})).has_value());
  CHECK(divided.read(*second.all().find(kChild), 8) == "value8");
  CHECK(divided.read(*second.all().find(kChild), 9) == "value9");
}

TEST_CASE("a node that is to stop lets others lead all that it leads, without an election's wait") {
  Divided divided;
  divided.split();
  divided.settle_child();
  Node& before = divided.child_leader();
  const auto began = divided.trio.world().clock().now();
  divided.trio.world().run(before.all().hand_over(2s));
  CHECK(!before.all().root().raft().status().leads);
  CHECK(!before.all().find(kChild)->raft().status().leads);
  CHECK(&divided.trio.leader() != &before);
  CHECK(&divided.child_leader() != &before);
  CHECK(divided.trio.world().clock().now() - began < 500ms);
}

TEST_CASE("a node that is to stop does not count on a member that is dead") {
  Divided divided;
  Node& before = divided.trio.leader();
  REQUIRE(&before == &divided.trio.node(1));
  divided.trio.node(2).stop();
  divided.trio.world().run_for(2s);
  const auto began = divided.trio.world().clock().now();
  divided.trio.world().run(before.all().hand_over(2s));
  CHECK(!before.status().leads);
  CHECK(&divided.trio.leader({1, 3}) == &divided.trio.node(3));
  CHECK(divided.trio.world().clock().now() - began < 500ms);
}

TEST_CASE("a member that will get to the split does not open the new group with nothing before") {
  Divided divided;
  Node& slow = divided.trio.node(3);
  divided.tell_of_child(slow);
  for (int i = 0; i < 100; ++i) {
    slow.all().receive(NodeId{1}, kChild, "a message of who got to it already");
    divided.trio.world().run_for(100ms);
  }
  CHECK(slow.all().find(kChild) == nullptr);
  divided.split();
  divided.write_to_child(8);
  divided.settle_child();
  CHECK(slow.states_that_came() == 0);
  CHECK(voters(slow.all().find(kChild)->raft().status()).size() == 3);
}

TEST_CASE("no copy of a group is past a split while the new group has no copy on that drive") {
  Divided divided(true);
  Node& node = divided.trio.node(1);
  divided.trio.world().run(node.all().checkpoint());
  node.image(kChild, 1).refuses_copies = true;
  divided.split();
  divided.write_to_child(7);
  for (int i = 0; i < 2; ++i) divided.trio.world().run(node.all().checkpoint());
  const auto failed = divided.trio.world().run(node.fail_drive(0));
  INFO((failed ? std::string() : failed.error().message));
  REQUIRE(failed.has_value());
  CHECK(divided.read(node.all().root(), 4) == "value4");
  CHECK(divided.read(*divided.child_leader().all().find(kChild), 7) == "value7");
  CHECK(divided.read(*divided.child_leader().all().find(kChild), 9) == "value9");
  divided.write_to_child(8);
}

TEST_CASE("a group that cannot be opened takes no other with it, and is opened as soon as it can be") {
  Divided divided(true);
  Node& node = divided.trio.node(1);
  divided.split();
  divided.child_leader();
  node.stop();
  for (const std::size_t drive : {0u, 1u}) node.image(kChild, drive).failed = true;
  node.start({});
  CHECK(divided.read(node.all().root(), 4) == "value4");
  divided.trio.world().run_for(5s);
  CHECK(node.all().find(kChild) == nullptr);
  for (const std::size_t drive : {0u, 1u}) node.image(kChild, drive).failed = false;
  divided.trio.world().run_for(2s);
  REQUIRE(node.all().find(kChild) != nullptr);
  CHECK(divided.read(*divided.child_leader().all().find(kChild), 9) == "value9");
}

TEST_CASE("the state of a group that was just split off is made again when its drive fails") {
  Divided divided(true);
  divided.trio.world().run(divided.trio.node(1).all().checkpoint());
  CHECK(divided.try_commit(divided.trio.node(1).all().root(), divided.split_range()).value().outcome() == APPLIED);
  REQUIRE(divided.trio.world().run(divided.trio.node(1).fail_drive(0)).has_value());
  CHECK(divided.read(divided.trio.node(1).all().root(), 4) == "value4");
  CHECK(divided.read(*divided.child_leader().all().find(kChild), 9) == "value9");
  divided.write_to_child(8);
}

}  // namespace gabion::metadata::test
