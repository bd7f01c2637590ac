// The real metadata on several nodes: a member that is new, or was away for too long, gets the state of the leader over RPC,
// through a network that loses calls, and then is as good as any other.
#include <catch2/catch_test_macros.hpp>

#include "metadata/local_metadata.h"
#include "metadata/state_transfer.h"
#include "tests/sim/metadata/quiet.h"
#include "tests/support/sim_network.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/metadata/random_commands.h"

namespace gabion::metadata::test {
namespace {

using namespace std::chrono_literals;

// Counts how often a state was asked for, and how often one came.
class CountingFetch final : public StateFetch {
 public:
  explicit CountingFetch(StateFetcher::Options options) : inner_(std::move(options)) {}
  task<Result<std::uint64_t>> fetch(NodeId from, raft::GroupId group, std::uint64_t index, StateImport& import) override {
    ++asked;
    auto holds = co_await inner_.fetch(from, group, index, import);
    if (holds) ++came;
    co_return holds;
  }
  int asked = 0, came = 0;

 private:
  StateFetcher inner_;
};

class Node {
 public:
  Node(NodeId id, sim::SimWorld& world, sim::SimNetwork& network)
      : id_(id), world_(world), network_(network), rng_(static_cast<std::uint64_t>(id)) {
    for (std::size_t i = 0; i < 2; ++i) {
      disks_.push_back(PosixDisk::open_root(dirs_[i].path()).value());
      drive_ids_.push_back(DriveId::random(rng_));
    }
  }

  void start(bool founds, const ClusterId& cluster) {
    StateFetcher::Options fetch;
    fetch.peers = &network_.peers(id_);
    fetch.background = world_.executor();
    fetch.clock = &world_.clock();
    fetch.call = 2s;
    fetch.patience = 10s;
    fetcher_ = std::make_unique<CountingFetch>(std::move(fetch));
    LocalMetadataOptions options;
    options.self = id_;
    options.cluster = cluster;
    options.founders.clear();
    if (founds) options.founders.push_back({id_, raft::MemberRole::voter});
    options.transport = &network_.transport(id_);
    options.fetch = fetcher_.get();
    for (std::size_t i = 0; i < 2; ++i)
      options.drives.emplace_back(drive_ids_[i], disks_[i].get(), dirs_[i].path(), world_.executor());
    options.commit = options.readers = options.background = world_.executor();
    options.clock = &world_.clock();
    options.rng = &rng_;
    options.metrics = &metrics_;
    options.allow_new = !std::exchange(was_here_, true);
    options.checkpoint_log_bytes = 64 * KiB;
    options.log_segment_bytes = 16 * KiB;
    options.entry_memory_bytes = 16 * KiB;
    options.rocks.block_cache_bytes = MiB;
    options.rocks.write_buffer_bytes = 4 * MiB;
    auto opened = world_.run(LocalMetadata::open(std::move(options)));
    REQUIRE(opened.has_value());
    metadata_ = *std::move(opened);
    StateSource::Options source;
    source.pin = [this](GroupId group) { return metadata_->pin(group); };
    source.executor = source.background = world_.executor();
    source.clock = &world_.clock();
    source.rng = &rng_;
    source_ = std::make_unique<StateSource>(std::move(source));
    network_.attach(id_, world_.executor(), [this](NodeId from, raft::GroupId group, std::string message) {
      metadata_->receive(from, group, std::move(message));
    }, source_.get());
  }
  void stop() {
    if (!metadata_) return;
    network_.disconnect(id_);
    world_.run(source_->stop());
    world_.run(network_.drained(id_));
    world_.run(metadata_->stop());
    metadata_.reset();
    source_.reset();
  }
  NodeId id() const { return id_; }
  LocalMetadata& metadata() { return *metadata_; }
  int states_that_came() const { return fetcher_->came; }
  bool leads() const { return metadata_ && metadata_->root().raft().status().leads; }

 private:
  const NodeId id_;
  sim::SimWorld& world_;
  sim::SimNetwork& network_;
  SeededRng rng_;
  gabion::test::TempDir dirs_[2];
  std::vector<std::unique_ptr<PosixDisk>> disks_;
  std::vector<DriveId> drive_ids_;
  LocalMetadataMetrics metrics_;
  std::unique_ptr<CountingFetch> fetcher_;
  std::unique_ptr<LocalMetadata> metadata_;
  std::unique_ptr<StateSource> source_;
  bool was_here_ = false;
};

struct Rig {
  Rig() : world(21), network(world), choices(4), commands(choices), cluster(ClusterId::random(choices)) {
    be_quiet();
    for (std::uint32_t i = 1; i <= 3; ++i) nodes.push_back(std::make_unique<Node>(NodeId{i}, world, network));
  }
  ~Rig() {
    network.heal();
    for (auto& node : nodes) node->stop();
  }
  Context ctx(Duration allowed = 60s) {
    Context context;
    context.deadline = world.clock().now() + allowed;
    return context;
  }
  Node* leader() {
    for (int i = 0; i < 4000; ++i) {
      for (auto& node : nodes) {
        if (node->leads()) return node.get();
      }
      world.run_for(10ms);
    }
    return nullptr;
  }
  void commit(int n) {
    for (int i = 0; i < n; ++i) {
      Node* at = leader();
      REQUIRE(at != nullptr);
      const Command command = commands.next();
      const auto result = world.run(at->metadata().root().commit(ctx(5s), command));
      if (result) commands.note(command, *result);
    }
  }
  void add_and_promote(Node& node) {
    const auto change = [&](bool promote) {
      for (int i = 0; i < 20; ++i) {
        Node* at = leader();
        REQUIRE(at != nullptr);
        raft::RaftGroup& group = at->metadata().root().raft();
        const auto done = world.run(promote ? group.promote(ctx(20s), node.id()) : group.add(ctx(20s), node.id()));
        if (done) return true;
        world.run_for(200ms);
      }
      return false;
    };
    REQUIRE(change(false));
    REQUIRE(change(true));
  }
  // Makes the node lead, and reads everything there.
  std::string everything_at(Node& node) {
    for (int i = 0; i < 40 && leader() != &node; ++i) {
      static_cast<void>(world.run(leader()->metadata().root().raft().transfer(ctx(2s), node.id())));
      world.run_for(100ms);
    }
    REQUIRE(node.leads());
    LocalGroup& metadata = node.metadata().root();
    std::string all;
    for (const Bucket& bucket : world.run(metadata.buckets(ctx())).value()) {
      all += bucket.SerializeAsString();
      ListRequest request;
      request.bucket = bucket.id();
      for (const ListedObject& object : world.run(metadata.list_objects(ctx(), request)).value().objects) {
        all += object.key;
        const Object found = world.run(metadata.object(ctx(), bucket.id(), object.key, Metadata::With::manifest)).value();
        all += found.version.SerializeAsString();
      }
      const auto entries = world.run(metadata.journal(ctx(), kRootGroup, bucket.id(), 0, 10'000)).value();
      for (const JournalEntry& entry : entries) all += entry.SerializeAsString();
    }
    for (const auto& listed : world.run(metadata.manifests(ctx(), kRootGroup, 0, 10'000)).value()) {
      all += listed.manifest.SerializeAsString();
    }
    return all;
  }

  sim::SimWorld world;
  sim::SimNetwork network;
  SeededRng choices;
  RandomCommands commands;
  ClusterId cluster;
  std::vector<std::unique_ptr<Node>> nodes;
};

}  // namespace

TEST_CASE("new members of the real metadata get its state, and serve it") {
  Rig rig;
  rig.nodes[0]->start(true, rig.cluster);
  rig.commit(3000);  // more than a group of one keeps in memory
  rig.world.run(rig.nodes[0]->metadata().checkpoint());
  const std::uint64_t first = rig.nodes[0]->metadata().root().raft().status().applied;
  REQUIRE(first > 2000);
  for (std::size_t i = 1; i < 3; ++i) {
    rig.nodes[i]->start(false, rig.cluster);
    if (i == 2) {
      sim::LinkFaults faults;
      faults.lost = 150;  // calls break off, and pieces are asked for again
      rig.network.set_faults(faults);
    }
    rig.add_and_promote(*rig.nodes[i]);
    CHECK(rig.nodes[i]->metadata().status().applied >= first);
    CHECK(rig.nodes[i]->states_that_came() >= 1);
    rig.commit(20);
  }
  rig.network.set_faults(sim::LinkFaults());
  const std::string expected = rig.everything_at(*rig.nodes[0]);
  CHECK(expected.size() > 1000);
  CHECK(rig.everything_at(*rig.nodes[1]) == expected);
  CHECK(rig.everything_at(*rig.nodes[2]) == expected);
}

TEST_CASE("a member that was away for too long gets the state anew, also when it stops in the middle") {
  Rig rig;
  rig.nodes[0]->start(true, rig.cluster);
  rig.commit(50);
  for (std::size_t i = 1; i < 3; ++i) {
    rig.nodes[i]->start(false, rig.cluster);
    rig.add_and_promote(*rig.nodes[i]);
  }
  int came = 0;
  for (int round = 0; round < 6; ++round) {
    came += rig.nodes[2]->states_that_came();
    rig.nodes[2]->stop();
    rig.commit(200);
    for (std::size_t i = 0; i < 2; ++i) rig.world.run(rig.nodes[i]->metadata().checkpoint());
    rig.nodes[2]->start(false, rig.cluster);
    // Long enough to begin, and for some rounds too short to end.
    rig.world.run_for(std::chrono::milliseconds(rig.choices.below(400)));
  }
  const std::string expected = rig.everything_at(*rig.nodes[0]);
  CHECK(rig.everything_at(*rig.nodes[2]) == expected);
  CHECK(came + rig.nodes[2]->states_that_came() >= 1);
  rig.commit(5);
  rig.nodes[2]->stop();
  rig.nodes[2]->start(false, rig.cluster);
  CHECK(rig.everything_at(*rig.nodes[2]) == rig.everything_at(*rig.nodes[1]));
}

}  // namespace gabion::metadata::test
