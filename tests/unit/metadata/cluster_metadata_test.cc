// The way to the leader: hints, leaders that die, commands that are sent twice, and what is left to the caller.
#include <catch2/catch_test_macros.hpp>

#include "metadata/cluster_metadata.h"
#include "metadata/metadata_service.h"
#include "metadata/remote_metadata.h"
#include "metadata/rpc_values.h"
#include "tests/support/loopback_channel.h"
#include "tests/support/memory_metadata.h"
#include "tests/unit/metadata/subject.h"

namespace gabion::metadata::test {
namespace {

using gabion::test::LoopbackChannel;
using gabion::test::LoopbackPeers;
using gabion::test::MemoryMetadata;
using std::chrono::seconds;

// A member of a group that shares one state: answers if it leads.
class MemberOfGroup final : public rpc::Handler {
 public:
  MemberOfGroup(NodeId self, NodeId& leader, Metadata& state, Clock& clock)
      : self_(self), leader_(leader), clock_(clock),
        service_([&state](GroupId) { return &state; }, [&leader](GroupId) { return leader; }) {}
  bool stands_still = false;   // and answers nobody
  bool lose_next = false;      // carries the next command out, and loses the leadership before it says so
  std::uint64_t asked = 0;

  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override {
    ++asked;
    if (stands_still) {
      co_await clock_.sleep(ctx.deadline - clock_.now());
      co_return Error(Errc::deadline, "no answer");
    }
    if (leader_ != self_) {
      AnswerStatus status;
      status.set_error(static_cast<std::uint32_t>(Errc::not_leader));
      status.set_leader(static_cast<std::uint32_t>(leader_));
      co_return rpc::Reply{status.SerializeAsString(), Bytes()};
    }
    auto reply = co_await service_.handle(ctx, peer, method, std::move(header), std::move(payload));
    if (std::exchange(lose_next, false)) co_return Error(Errc::unknown_outcome, "the leadership was lost");
    co_return reply;
  }

 private:
  NodeId self_;
  NodeId& leader_;
  Clock& clock_;
  MetadataService service_;
};

struct Group {
  explicit Group(Duration patience = seconds(10)) {
    for (const std::uint32_t n : {2u, 3u, 4u}) {
      members.push_back(std::make_unique<MemberOfGroup>(NodeId{n}, leader, state, world.clock()));
      peers.add(NodeId{n}, *members.back());
    }
    ClusterMetadataOptions options;
    options.self = NodeId{1};
    options.peers = &peers;
    options.clock = &world.clock();
    options.rng = &world.rng();
    options.patience = patience;
    metadata = std::make_unique<ClusterMetadata>(std::move(options));
    metadata->set_members({NodeId{2}, NodeId{3}, NodeId{4}});
  }
  MemberOfGroup& member(std::uint32_t n) { return *members[n - 2]; }
  Result<CommandResult> commit(Command command) { return world.run(metadata->commit(Context(), std::move(command))); }

  sim::SimWorld world{1};
  MemoryMetadata state{world.clock()};
  NodeId leader{4};
  std::vector<std::unique_ptr<MemberOfGroup>> members;
  LoopbackPeers peers{NodeId{1}};
  std::unique_ptr<ClusterMetadata> metadata;
};

}  // namespace

TEST_CASE("the leader is found by the hint of another member and asked directly from then on") {
  Group group;
  REQUIRE(group.commit(create_bucket("b")).has_value());
  const std::uint64_t before = group.member(2).asked + group.member(3).asked;
  CHECK(before <= 2);
  for (int i = 0; i < 10; ++i) REQUIRE(group.world.run(group.metadata->bucket(Context(), "b")).has_value());
  CHECK(group.member(2).asked + group.member(3).asked == before);
  CHECK(group.metadata->leader() == NodeId{4});
}

TEST_CASE("a command whose answer was lost is decided once") {
  Group group;
  REQUIRE(group.commit(create_bucket("first")).has_value());
  group.member(4).lose_next = true;
  const auto made = group.commit(create_bucket("b"));
  REQUIRE(made.has_value());
  CHECK(made->outcome() == APPLIED);
  CHECK(group.commit(create_bucket("b"))->outcome() == BUCKET_EXISTS);
}

TEST_CASE("over a change of the leader callers see no error") {
  Group group;
  REQUIRE(group.commit(create_bucket("b")).has_value());
  group.peers.at(NodeId{4}).down = true;
  group.leader = NodeId{};
  group.world.at(group.world.now_ns() + 3'000'000'000, [&] { group.leader = NodeId{3}; });
  const auto made = group.commit(create_bucket("c"));
  REQUIRE(made.has_value());
  CHECK(made->outcome() == APPLIED);
  CHECK(group.metadata->leader() == NodeId{3});
  CHECK(group.world.now_ns() < 4'000'000'000);
}

TEST_CASE("a leader that stands still is given up for another") {
  Group group;
  REQUIRE(group.commit(create_bucket("b")).has_value());
  group.member(4).stands_still = true;
  group.leader = NodeId{2};
  REQUIRE(group.world.run(group.metadata->bucket(Context(), "b")).has_value());
  CHECK(group.world.now_ns() < 4'000'000'000);
}

TEST_CASE("without a leader the caller learns it in time, and whether a command may have happened") {
  Group group(seconds(3));
  group.leader = NodeId{};
  CHECK(group.world.run(group.metadata->buckets(Context())).error().code == Errc::unavailable);
  CHECK(group.commit(create_bucket("b")).error().code == Errc::unavailable);
  CHECK(group.world.now_ns() <= 6'100'000'000);
  group.leader = NodeId{3};
  REQUIRE(group.commit(create_bucket("b")).has_value());
  group.member(3).lose_next = true;
  group.leader = NodeId{3};
  group.world.at(group.world.now_ns() + 1, [&] { group.peers.at(NodeId{3}).down = true; });
  CHECK(group.commit(create_bucket("c")).error().code == Errc::unknown_outcome);
}

TEST_CASE("the caller's deadline is kept") {
  Group group;
  group.leader = NodeId{};
  Context ctx;
  ctx.deadline = group.world.clock().now() + std::chrono::milliseconds(700);
  CHECK_FALSE(group.world.run(group.metadata->buckets(ctx)).has_value());
  CHECK(group.world.now_ns() <= 700'000'000);
}

TEST_CASE("what the metadata decides is not asked twice") {
  Group group;
  REQUIRE(group.commit(create_bucket("b")).has_value());
  const auto asked = group.member(4).asked;
  CHECK(group.world.run(group.metadata->bucket(Context(), "none")).error().code == Errc::not_found);
  CHECK(group.member(4).asked == asked + 1);
}

TEST_CASE("the only member is asked without a detour, and its commands need no id") {
  sim::SimWorld world(1);
  MemoryMetadata local(world.clock());
  ClusterMetadataOptions options;
  options.self = NodeId{1};
  options.local = &local;
  options.local_leader = [] { return NodeId{1}; };
  options.clock = &world.clock();
  options.rng = &world.rng();
  ClusterMetadata metadata(std::move(options));
  bool has_id = true;
  local.before_commit([&](const Command& command) { has_id = !command.id().empty(); return false; }, [] {});
  REQUIRE(world.run(metadata.commit(Context(), create_bucket("b"))).has_value());
  CHECK_FALSE(has_id);
  local.fail_next_commit(Error(Errc::unavailable, "the drive is gone"));
  CHECK(world.run(metadata.commit(Context(), create_bucket("c"))).error().message == "the drive is gone");
}

TEST_CASE("a command without an id is sent once, also when another member comes meanwhile") {
  sim::SimWorld world(1);
  MemoryMetadata local(world.clock());
  LoopbackPeers peers(NodeId{1});
  NodeId leader{1};
  MemberOfGroup other(NodeId{2}, leader, local, world.clock());
  peers.add(NodeId{2}, other);
  ClusterMetadataOptions options;
  options.self = NodeId{1};
  options.local = &local;
  options.local_leader = [&] { return leader; };
  options.peers = &peers;
  options.clock = &world.clock();
  options.rng = &world.rng();
  ClusterMetadata metadata(std::move(options));
  local.fail_next_commit(Error(Errc::unknown_outcome, "the leadership was lost"), true);
  local.before_commit([](const Command&) { return true; }, [&] {
    metadata.set_members({NodeId{1}, NodeId{2}});
    leader = NodeId{2};
  });
  CHECK(world.run(metadata.commit(Context(), create_bucket("b"))).error().code == Errc::unknown_outcome);
  CHECK(other.asked == 0);
}

TEST_CASE("questions and answers that make no sense are errors") {
  sim::SimWorld world(1);
  MemoryMetadata state(world.clock());
  MetadataService service([&](GroupId) { return &state; }, [](GroupId) { return NodeId{}; });
  const auto ask = [&](rpc::Peer peer, rpc::Method method, const std::string& header) {
    const auto reply = world.run(service.handle({}, peer, method, header, {}));
    if (!reply) return reply.error().code;
    AnswerStatus status;
    REQUIRE(status.ParseFromString(reply->header));
    return static_cast<Errc>(status.error());
  };
  CHECK(ask({}, rpc::Method::metadata_read, "") == Errc::denied);
  CHECK(ask({NodeId{1}}, rpc::Method::metadata_read, "") == Errc::invalid);
  CHECK(ask({NodeId{1}}, rpc::Method::metadata_read, "\xff\xff") == Errc::invalid);
  CHECK(ask({NodeId{1}}, rpc::Method::metadata_commit, "\xff\xff") == Errc::invalid);
  CHECK(ask({NodeId{1}}, rpc::Method::join, "") == Errc::invalid);
}

TEST_CASE("pages are cut to what a message can carry") {
  std::vector<Metadata::ListedManifest> manifests(40);
  for (std::size_t i = 0; i < manifests.size(); ++i) {
    manifests[i].id = i + 1;
    manifests[i].manifest.set_wrapped_key(std::string(1 * MiB, 'k'));
  }
  const ManifestList page = wire::encode(manifests);
  CHECK(page.ByteSizeLong() <= rpc::kPayloadMax);
  REQUIRE(page.manifests_size() == 8);
  CHECK(page.manifests(0).id() == 1);
}

}  // namespace gabion::metadata::test
