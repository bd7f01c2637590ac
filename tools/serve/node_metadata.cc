#include "tools/serve/node_metadata.h"

#include "common/async.h"

namespace gabion::serve {

NodeMetadata::NodeMetadata(Options options) : options_(options), transport_(options.port) {
  metadata::StateFetcher::Options fetch;
  fetch.peers = &options_.port;
  fetch.background = checkpoint_.executor();
  fetch.clock = &options_.clock;
  fetcher_ = std::make_unique<metadata::StateFetcher>(std::move(fetch));
  metadata::StateSource::Options source;
  source.pin = [this](metadata::raft::GroupId group) { return pin(group); };
  source.executor = options_.background;
  source.background = options_.readers;
  source.clock = &options_.clock;
  source.rng = &options_.rng;
  source_ = std::make_unique<metadata::StateSource>(std::move(source));
  metrics_.add_to(options_.registry);
}

NodeMetadata::~NodeMetadata() = default;

Result<void> NodeMetadata::open_member(NodeId self, const ClusterId& cluster, Start start) {
  metadata::LocalMetadataOptions options;
  for (const auto& drive : options_.drives.all()) {
    if (!drive->open.identity.metadata) continue;
    options.drives.emplace_back(drive->id(), drive->open.disk.get(), drive->open.path, drive->log->executor());
  }
  if (options.drives.empty()) return Error(Errc::unavailable, "none of the drives that hold the metadata is here");
  options.self = self;
  options.cluster = cluster;
  options.founders.clear();
  if (start != Start::join) options.founders.push_back({self, metadata::raft::MemberRole::voter});
  options.transport = &transport_;
  options.fetch = fetcher_.get();
  options.commit = commit_.executor();
  options.readers = options_.readers;
  options.background = checkpoint_.executor();
  options.clock = &options_.clock;
  options.rng = &options_.rng;
  options.metrics = &metrics_;
  options.allow_new = start != Start::restart;
  options.rocks.block_cache_bytes = options_.config.metadata_cache_bytes;
  TRY(member_, block_on(options_.background, metadata::LocalMetadata::open(std::move(options))));
  transport_.set_receiver([member = member_.get()](NodeId from, metadata::raft::GroupId group, std::string message) {
    member->receive(from, group, std::move(message));
  });
  options_.port.router().add({rpc::Method::raft_message}, transport_);
  return {};
}

void NodeMetadata::open_router(NodeId self) {
  metadata::ClusterMetadataOptions options;
  options.self = self;
  options.local = member_.get();
  if (member_) options.local_leader = [member = member_.get()] { return member->leader(); };
  options.peers = &options_.port;
  options.clock = &options_.clock;
  options.rng = &options_.rng;
  router_ = std::make_unique<metadata::ClusterMetadata>(std::move(options));
  if (!member_) return;
  service_ = std::make_unique<metadata::MetadataService>(
      [member = member_.get()](metadata::GroupId group) { return group == metadata::kRootGroup ? member : nullptr; },
      [member = member_.get()](metadata::GroupId) { return member->leader(); });
  options_.port.router().add({rpc::Method::metadata_commit, rpc::Method::metadata_read}, *service_);
  options_.port.router().add({rpc::Method::snapshot_open, rpc::Method::snapshot_read}, *source_);
}

void NodeMetadata::set_members(const metadata::ClusterState& state) {
  std::vector<NodeId> members;
  for (const metadata::NodeInfo& node : state.nodes()) {
    if (node.metadata() && !node.out()) members.push_back(NodeId{node.id()});
  }
  router_->set_members(std::move(members));
}

std::vector<metadata::raft::RaftGroup*> NodeMetadata::groups() const {
  if (!member_) return {};
  return {&member_->group()};
}

task<Result<metadata::PinnedState>> NodeMetadata::pin(metadata::raft::GroupId group) {
  if (group != metadata::kMetadataGroup || !member_) co_return Error(Errc::not_found, "this node has no state of the group");
  co_return co_await member_->pin();
}

task<void> NodeMetadata::stop() {
  co_await source_->stop();
  if (member_) co_await member_->stop();
}

}  // namespace gabion::serve
