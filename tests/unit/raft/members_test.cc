// LocalMetadata as a member among others: from a single node to three, with their states on simulated drives.
#include <boost/asio/detached.hpp>
#include <catch2/catch_test_macros.hpp>

#include "metadata/state_transfer.h"
#include "tests/sim/metadata/quiet.h"
#include "tests/support/sim_network.h"
#include "tests/unit/metadata/subject.h"

namespace gabion::metadata::test {
namespace {

using namespace std::chrono_literals;

class Node {
 public:
  Node(NodeId id, sim::SimWorld& world, sim::SimNetwork& network) : id_(id), world_(world), network_(network) {
    for (std::size_t i = 0; i < 2; ++i) {
      disks_.push_back(std::make_unique<sim::SimDisk>(world.rng()));
      images_.push_back(std::make_shared<MemoryImage>());
      drives_.push_back(DriveId::random(world.rng()));
    }
  }
  ~Node() {
    if (metadata_) stop();
  }

  void start(std::vector<raft::Member> founders, std::uint64_t checkpoint_log_bytes = 64 * MiB) {
    StateFetcher::Options fetch;
    fetch.peers = &network_.peers(id_);
    fetch.background = world_.executor();
    fetch.clock = &world_.clock();
    fetcher_ = std::make_unique<StateFetcher>(std::move(fetch));
    LocalMetadataOptions options;
    options.self = id_;
    options.founders = std::move(founders);
    options.transport = &network_.transport(id_);
    options.fetch = fetcher_.get();
    for (std::size_t i = 0; i < disks_.size(); ++i) {
      options.drives.emplace_back(drives_[i], disks_[i].get(), "", world_.executor());
    }
    options.commit = options.readers = options.background = world_.executor();
    options.clock = &world_.clock();
    options.rng = &world_.rng();
    options.metrics = &metrics_;
    options.allow_new = !was_here_;
    options.checkpoint_log_bytes = checkpoint_log_bytes;
    options.log_segment_bytes = 16 * KiB;
    options.states = std::make_unique<MemoryStates>(images_);
    metadata_ = world_.run(LocalMetadata::open(std::move(options))).value();
    was_here_ = true;
    StateSource::Options source;
    source.pin = [this](GroupId group) { return metadata_->pin(group); };
    source.executor = source.background = world_.executor();
    source.clock = &world_.clock();
    source.rng = &world_.rng();
    source_ = std::make_unique<StateSource>(std::move(source));
    const auto receive = [this](NodeId from, raft::GroupId group, std::string message) {
      metadata_->receive(from, group, std::move(message));
    };
    network_.attach(id_, world_.executor(), receive, source_.get());
  }
  void stop() {
    network_.disconnect(id_);
    world_.run(source_->stop());
    world_.run(metadata_->stop());
    metadata_.reset();
  }
  bool runs() const { return metadata_ != nullptr; }
  task<Result<void>> fail_drive(std::size_t drive) { return metadata_->fail_drive(drives_[drive], "it was pulled out"); }
  LocalGroup* operator->() { return &metadata_->root(); }
  LocalMetadata& all() { return *metadata_; }
  raft::GroupStatus status() const { return metadata_->status().group; }

 private:
  const NodeId id_;
  sim::SimWorld& world_;
  sim::SimNetwork& network_;
  std::vector<std::unique_ptr<sim::SimDisk>> disks_;
  std::vector<std::shared_ptr<MemoryImage>> images_;
  std::vector<DriveId> drives_;
  bool was_here_ = false;
  LocalMetadataMetrics metrics_;
  std::unique_ptr<StateFetcher> fetcher_;
  std::unique_ptr<LocalMetadata> metadata_;
  std::unique_ptr<StateSource> source_;
};

class Trio {
 public:
  Trio() : world_(11), network_(world_) {
    be_quiet();
    for (const std::uint32_t n : {1u, 2u, 3u}) nodes_.push_back(std::make_unique<Node>(NodeId{n}, world_, network_));
    node(1).start({{NodeId{1}}});
  }
  Node& node(std::uint32_t n) { return *nodes_[n - 1]; }
  sim::SimWorld& world() { return world_; }

  CommandResult commit(Node& at, Command command) { return world_.run(at->commit(soon(), std::move(command))).value(); }
  Context soon(Duration allowed = 10s) {
    Context ctx;
    ctx.deadline = world_.clock().now() + allowed;
    return ctx;
  }
  void fill(Node& at, BucketId bucket, int from, int to) {
    for (int i = from; i < to; ++i) commit(at, put(bucket, "key" + std::to_string(i), "value" + std::to_string(i)));
  }
  std::string value(Node& at, BucketId bucket, int i) {
    const auto object = world_.run(at->object(soon(), bucket, "key" + std::to_string(i), Metadata::With::manifest));
    return object ? object->manifest.inline_data() : std::string(to_string(object.error().code));
  }
  void join(std::uint32_t n) {
    node(n).start({});
    REQUIRE(world_.run(node(1)->raft().add(soon(), NodeId{n})).has_value());
    const auto promoted = world_.run(node(1)->raft().promote(soon(60s), NodeId{n}));
    INFO((promoted ? std::string() : promoted.error().message));
    REQUIRE(promoted.has_value());
  }
  Node& leader(const std::set<std::uint32_t>& among = {1, 2, 3}) {
    for (int i = 0; i < 1000; ++i) {
      for (const std::uint32_t n : among) {
        if (node(n).runs() && node(n).status().leads) return node(n);
      }
      world_.run_for(20ms);
    }
    FAIL("nobody leads");
    return node(1);
  }
  void settle() {
    const auto settled = [&] {
      const std::uint64_t last = leader().status().last_index;
      return std::all_of(nodes_.begin(), nodes_.end(),
                         [last](const auto& n) { return !n->runs() || n->status().applied == last; });
    };
    for (int i = 0; i < 1000 && !settled(); ++i) world_.run_for(20ms);
    CHECK(settled());
  }

 private:
  sim::SimWorld world_;
  sim::SimNetwork network_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

std::set<NodeId> voters(const raft::GroupStatus& status) {
  std::set<NodeId> out;
  for (const raft::Member& member : status.members) {
    if (member.role == raft::MemberRole::voter) out.insert(member.node);
  }
  return out;
}

}  // namespace

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
