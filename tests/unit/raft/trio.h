// Three nodes with the metadata of a cluster, on simulated drives and a simulated network, and what tests do with them.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <set>

#include "metadata/state_transfer.h"
#include "tests/sim/metadata/quiet.h"
#include "tests/support/sim_network.h"
#include "tests/unit/metadata/subject.h"

namespace gabion::metadata::test {

using namespace std::chrono_literals;

// Counts the states that came.
class CountingFetch final : public StateFetch {
 public:
  explicit CountingFetch(StateFetcher::Options options) : inner_(std::move(options)) {}
  task<Result<std::uint64_t>> fetch(NodeId from, raft::GroupId group, std::uint64_t index, StateImport& import) override {
    auto holds = co_await inner_.fetch(from, group, index, import);
    if (holds) ++came;
    co_return holds;
  }
  int came = 0;

 private:
  StateFetcher inner_;
};

class Node {
 public:
  Node(NodeId id, sim::SimWorld& world, sim::SimNetwork& network) : id_(id), world_(world), network_(network) {
    for (std::size_t i = 0; i < 2; ++i) {
      disks_.push_back(std::make_unique<sim::SimDisk>(world.rng()));
      (*images_)[kRootGroup].push_back(std::make_shared<MemoryImage>());
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
    fetcher_ = std::make_unique<CountingFetch>(std::move(fetch));
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
    options.exists = [this](GroupId group) { return exist.contains(group); };
    options.start_of = [this](GroupId group) { return starts[group]; };
    options.allow_new = !was_here_;
    options.checkpoint_log_bytes = checkpoint_log_bytes;
    options.entry_memory_bytes = entry_memory_bytes;
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
  int states_that_came() const { return fetcher_->came; }
  std::set<GroupId> exist{kRootGroup};  // groups that the cluster has, as far as the node knows
  std::map<GroupId, std::string> starts;  // of their ranges
  // What a drive holds of a group, or will.
  MemoryImage& image(GroupId group, std::size_t drive) {
    auto& images = (*images_)[group];
    while (images.size() < disks_.size()) images.push_back(std::make_shared<MemoryImage>());
    return *images[drive];
  }
  std::uint64_t entry_memory_bytes = 32 * MiB;
  raft::GroupStatus status() const { return metadata_->status().group; }

 private:
  const NodeId id_;
  sim::SimWorld& world_;
  sim::SimNetwork& network_;
  std::vector<std::unique_ptr<sim::SimDisk>> disks_;
  std::shared_ptr<MemoryImages> images_ = std::make_shared<MemoryImages>();
  std::vector<DriveId> drives_;
  bool was_here_ = false;
  LocalMetadataMetrics metrics_;
  std::unique_ptr<CountingFetch> fetcher_;
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

inline std::set<NodeId> voters(const raft::GroupStatus& status) {
  std::set<NodeId> out;
  for (const raft::Member& member : status.members) {
    if (member.role == raft::MemberRole::voter) out.insert(member.node);
  }
  return out;
}

}  // namespace gabion::metadata::test
