// Several groups of the metadata in memory, all on one node that other nodes ask; they are split as a cluster splits them, step
// by step. Requests take a random time on their way in and out, and answers may be lost. One thread.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "metadata/cluster/splits.h"
#include "metadata/metadata_service.h"
#include "metadata/routed_metadata.h"
#include "metadata/rpc.pb.h"
#include "tests/support/loopback_channel.h"
#include "tests/support/memory_metadata.h"
#include "tests/support/sim.h"

namespace gabion::test {

class MemoryGroups final : public rpc::Handler {
 public:
  using GroupId = metadata::GroupId;
  static constexpr NodeId kNode{2};

  explicit MemoryGroups(sim::SimWorld& world)
      : world_(world), service_([this](GroupId group) { return find(group); }, [](GroupId) { return kNode; }) {
    add(metadata::kRootGroup, std::make_unique<MemoryMetadata>(world.clock()));
    set({});
  }

  MemoryMetadata& at(GroupId group) { return *groups_.at(group); }
  std::vector<GroupId> all() const {
    std::vector<GroupId> out;
    for (const auto& [id, group] : groups_) out.push_back(id);
    return out;
  }
  metadata::Metadata::VersionedClusterState state() {
    const auto current = metadata::reads::cluster_state({at(0).store(), at(0).range()}, ReadMode::wait);
    return current ? *current : metadata::Metadata::VersionedClusterState();
  }

  // --- The steps of a split ---
  // nullopt: nothing can be split there now.
  std::optional<GroupId> decide(const std::string& boundary) {
    auto current = state();
    const auto split = metadata::cluster::begin_split(current.state, boundary);
    if (!split) return std::nullopt;
    set(std::move(current));
    return split->child();
  }
  void carry_out(GroupId child) {
    const auto current = state();
    for (const metadata::PendingSplit& split : current.state.splits()) {
      if (split.child() != child) continue;
      metadata::Command command;
      command.mutable_split_range()->set_at(split.at());
      command.mutable_split_range()->set_child(child);
      const auto result = at(split.parent()).apply(std::move(command));
      GABION_CHECK(result.outcome() == metadata::APPLIED, "a split that was decided can be carried out");
    }
  }
  void finish(GroupId child) {
    auto current = state();
    GABION_CHECK(metadata::cluster::finish_split(current.state, child), "the split is under way");
    set(std::move(current));
  }
  // All of them. Gives the child.
  GroupId split(metadata::BucketId bucket, const std::string& key) {
    const GroupId child = *decide(metadata::cluster::boundary_at(bucket, key));
    carry_out(child);
    finish(child);
    return child;
  }
  void trim(GroupId group, std::uint32_t limit = 1000) {
    metadata::Command command;
    command.mutable_trim_range()->set_limit(limit);
    while (at(group).apply(command).more()) {
    }
  }

  // --- Faults ---
  Duration slowest{};        // of the way in, and of the way out
  unsigned lose_one_in = 0;  // answers to commands; 0: none
  // What others do between the asking and the answer, and before who asked has it.
  std::function<task<void>(metadata::ReadRequest)> before_read, after_read;

  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override {
    co_await travel();
    metadata::ReadRequest read;
    const bool asked = method == rpc::Method::metadata_read && read.ParseFromString(header);
    if (asked && before_read) co_await before_read(read);
    auto reply = co_await service_.handle(ctx, peer, method, std::move(header), std::move(payload));
    if (asked && after_read) co_await after_read(std::move(read));
    co_await travel();
    const bool command = method == rpc::Method::metadata_commit;
    if (command && lose_one_in != 0 && world_.rng().below(lose_one_in) == 0) co_return Error(Errc::unknown_outcome, "it is lost");
    ++answered;
    co_return reply;
  }
  std::uint64_t answered = 0;

 private:
  metadata::Metadata* find(GroupId group) {
    const auto it = groups_.find(group);
    return it == groups_.end() ? nullptr : it->second.get();
  }
  void add(GroupId id, std::unique_ptr<MemoryMetadata> group) {
    group->on_split = [this](const metadata::SplitRange& split, std::shared_ptr<metadata::MemoryImage> image) {
      add(split.child(), std::make_unique<MemoryMetadata>(world_.clock(), std::move(image)));
    };
    groups_[id] = std::move(group);
  }
  void set(metadata::Metadata::VersionedClusterState next) {
    metadata::Command command;
    *command.mutable_set_cluster_state()->mutable_state() = std::move(next.state);
    command.mutable_set_cluster_state()->set_expected_version(next.version);
    const auto result = at(metadata::kRootGroup).apply(std::move(command));
    GABION_CHECK(result.outcome() == metadata::APPLIED, "nobody else sets it meanwhile");
  }
  task<void> travel() {
    if (slowest.count() == 0) co_return;
    co_await world_.clock().sleep(Duration(world_.rng().below(static_cast<std::uint64_t>(slowest.count()))));
  }

  sim::SimWorld& world_;
  std::map<GroupId, std::unique_ptr<MemoryMetadata>> groups_;
  metadata::MetadataService service_;
};

// A gateway's way to them: it hears of new ranges only when it asks.
class GroupsGateway {
 public:
  GroupsGateway(sim::SimWorld& world, MemoryGroups& groups) : world_(world) {
    peers_.add(MemoryGroups::kNode, groups);
    metadata::RoutedMetadataOptions options;
    options.group = [this](metadata::GroupId group) -> metadata::ClusterMetadata& { return way(group); };
    options.clock = &world.clock();
    options.rng = &world.rng();
    metadata_ = std::make_unique<metadata::RoutedMetadata>(std::move(options));
  }
  metadata::RoutedMetadata& metadata() { return *metadata_; }

 private:
  metadata::ClusterMetadata& way(metadata::GroupId group) {
    auto& way = ways_[group];
    if (way) return *way;
    metadata::ClusterMetadataOptions options;
    options.group = group;
    options.self = NodeId{1};
    options.peers = &peers_;
    options.clock = &world_.clock();
    options.rng = &world_.rng();
    way = std::make_unique<metadata::ClusterMetadata>(std::move(options));
    way->set_members({MemoryGroups::kNode});
    return *way;
  }

  sim::SimWorld& world_;
  LoopbackPeers peers_{NodeId{1}};
  std::map<metadata::GroupId, std::unique_ptr<metadata::ClusterMetadata>> ways_;
  std::unique_ptr<metadata::RoutedMetadata> metadata_;
};

}  // namespace gabion::test
