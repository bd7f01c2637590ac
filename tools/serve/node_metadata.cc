#include "tools/serve/node_metadata.h"

#include "common/async.h"

namespace gabion::serve {
namespace {

constexpr Duration kHandOver = std::chrono::seconds(2);

}  // namespace

NodeMetadata::NodeMetadata(Options options) : options_(options), transport_(options.port) {
  metadata::StateFetcher::Options fetch;
  fetch.peers = &options_.port;
  fetch.background = checkpoint_.executor();
  fetch.clock = &options_.clock;
  fetcher_ = std::make_unique<metadata::StateFetcher>(std::move(fetch));
  metadata::StateSource::Options source;
  source.pin = [this](metadata::GroupId group) { return pin(group); };
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
  options.exists = [this](metadata::GroupId group) {
    const std::shared_lock lock(mutex_);
    return exist_.contains(group);
  };
  options.start_of = [this](metadata::GroupId group) {
    const std::shared_lock lock(mutex_);
    const auto found = exist_.find(group);
    return found != exist_.end() ? found->second : std::string();
  };
  options.allow_new = start != Start::restart;
  options.rocks.block_cache_bytes = options_.config.metadata_cache_bytes;
  TRY(member_, block_on(options_.background, metadata::LocalMetadata::open(std::move(options))));
  transport_.set_receiver([member = member_.get()](NodeId from, metadata::GroupId group, std::string message) {
    member->receive(from, group, std::move(message));
  });
  options_.port.router().add({rpc::Method::raft_message}, transport_);
  return {};
}

void NodeMetadata::open_router(NodeId self) {
  self_ = self;
  root_ = make_way(metadata::kRootGroup);
  metadata::RoutedMetadataOptions options;
  options.group = [this](metadata::GroupId id) -> metadata::ClusterMetadata& { return group(id); };
  options.clock = &options_.clock;
  options.rng = &options_.rng;
  routed_ = std::make_unique<metadata::RoutedMetadata>(std::move(options));
  if (member_) answer_others();
}

void NodeMetadata::answer_others() {
  service_ = std::make_unique<metadata::MetadataService>(
      [member = member_.get()](metadata::GroupId id) { return member->find(id); },
      [member = member_.get()](metadata::GroupId id) {
        const metadata::LocalGroup* const here = member->find(id);
        return here == nullptr ? NodeId{} : here->leader();
      });
  options_.port.router().add({rpc::Method::metadata_commit, rpc::Method::metadata_read}, *service_);
  options_.port.router().add({rpc::Method::snapshot_open, rpc::Method::snapshot_read}, *source_);
}

std::unique_ptr<metadata::ClusterMetadata> NodeMetadata::make_way(metadata::GroupId id) {
  metadata::ClusterMetadataOptions options;
  options.group = id;
  options.self = self_;
  if (member_) {
    metadata::LocalGroup& local = member_->member(id);
    options.local = &local;
    options.local_leader = [&local] { return local.leader(); };
  }
  options.peers = &options_.port;
  options.clock = &options_.clock;
  options.rng = &options_.rng;
  return std::make_unique<metadata::ClusterMetadata>(std::move(options));
}

metadata::ClusterMetadata& NodeMetadata::group(metadata::GroupId id) {
  if (id == metadata::kRootGroup) return *root_;
  {
    const std::shared_lock lock(mutex_);
    if (const auto known = ways_.find(id); known != ways_.end()) return *known->second;
  }
  const std::unique_lock lock(mutex_);
  auto& way = ways_[id];
  if (!way) {
    way = make_way(id);
    way->set_members(members_);
  }
  return *way;
}

void NodeMetadata::follow(const metadata::Metadata::VersionedClusterState& current) {
  std::vector<NodeId> members;
  for (const metadata::NodeInfo& node : current.state.nodes()) {
    if (node.metadata() && !node.out()) members.push_back(NodeId{node.id()});
  }
  routed_->follow(current);
  root_->set_members(members);
  const std::unique_lock lock(mutex_);
  for (const metadata::RangeInfo& range : current.state.ranges()) exist_[range.group()] = range.start();
  for (const metadata::PendingSplit& split : current.state.splits()) exist_[split.child()] = split.at();
  for (const auto& [id, way] : ways_) way->set_members(members);
  members_ = std::move(members);
}

std::vector<metadata::raft::RaftGroup*> NodeMetadata::groups() const {
  std::vector<metadata::raft::RaftGroup*> all;
  if (!member_) return all;
  for (const metadata::LocalGroup* const group : member_->groups()) all.push_back(&group->raft());
  return all;
}

task<Result<metadata::PinnedState>> NodeMetadata::pin(metadata::GroupId group) {
  if (!member_) co_return Error(Errc::not_found, "this node has no state of the group");
  co_return co_await member_->pin(group);
}

task<void> NodeMetadata::hand_over() {
  if (member_) co_await member_->hand_over(kHandOver);
}

task<void> NodeMetadata::stop() {
  co_await source_->stop();
  if (member_) co_await member_->stop();
}

}  // namespace gabion::serve
