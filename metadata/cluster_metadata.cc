#include "metadata/cluster_metadata.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/check.h"
#include "metadata/remote_metadata.h"

namespace gabion::metadata {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(10);
constexpr Duration kLongestPause = std::chrono::milliseconds(200);

// Another member, or the same one a little later, may do better.
bool passing(Errc code) {
  switch (code) {
    case Errc::not_leader:
    case Errc::unavailable:
    case Errc::unknown_outcome:
    case Errc::deadline:
    case Errc::exhausted:
    case Errc::cancelled:
    case Errc::end_of_stream: return true;
    default: return false;
  }
}

}  // namespace

ClusterMetadata::ClusterMetadata(ClusterMetadataOptions options) : options_(std::move(options)) {
  GABION_CHECK(options_.clock != nullptr && options_.rng != nullptr, "an option is missing");
  if (options_.local != nullptr) members_.push_back(options_.self);
}

ClusterMetadata::~ClusterMetadata() = default;

void ClusterMetadata::set_members(std::vector<NodeId> members) {
  std::sort(members.begin(), members.end());
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<RemoteMetadata>> remotes;
  for (const NodeId node : members) {
    if (node == options_.self && options_.local != nullptr) continue;
    const auto known = std::find_if(remotes_.begin(), remotes_.end(), [&](const auto& remote) { return remote->node() == node; });
    if (known != remotes_.end()) {
      remotes.push_back(*known);
      continue;
    }
    rpc::Channel* const channel = options_.peers == nullptr ? nullptr : options_.peers->find(node);
    if (channel != nullptr) remotes.push_back(std::make_shared<RemoteMetadata>(*channel, node, options_.group));
  }
  remotes_ = std::move(remotes);
  members_ = std::move(members);
}

NodeId ClusterMetadata::leader() const {
  const NodeId local = options_.local == nullptr ? NodeId{} : options_.local_leader();
  if (local != NodeId{}) return local;
  const std::lock_guard lock(mutex_);
  return leader_;
}

bool ClusterMetadata::alone() const {
  const std::lock_guard lock(mutex_);
  return options_.local != nullptr && remotes_.empty();
}

std::optional<ClusterMetadata::Target> ClusterMetadata::target(NodeId node) const {
  if (node == NodeId{}) return std::nullopt;
  Target target;
  target.node = node;
  if (node == options_.self && options_.local != nullptr) {
    target.metadata = options_.local;
    return target;
  }
  const std::lock_guard lock(mutex_);
  for (const auto& remote : remotes_) {
    if (remote->node() != node) continue;
    target.remote = remote;
    target.metadata = remote.get();
    return target;
  }
  return std::nullopt;
}

std::optional<ClusterMetadata::Target> ClusterMetadata::choose(unsigned attempt, NodeId avoided) const {
  const NodeId known = leader();
  if (known != avoided) {
    if (auto chosen = target(known)) return chosen;
  }
  std::vector<NodeId> members;
  {
    const std::lock_guard lock(mutex_);
    members = members_;
  }
  for (std::size_t i = 0; i < members.size(); ++i) {
    const NodeId node = members[(attempt + i) % members.size()];
    if (node == avoided && members.size() > 1) continue;
    if (auto chosen = target(node)) return chosen;
  }
  return std::nullopt;
}

void ClusterMetadata::learn(const Target& asked, const Error* error) {
  const std::lock_guard lock(mutex_);
  if (error == nullptr) leader_ = asked.node;
  else if (error->code == Errc::not_leader && asked.remote) leader_ = asked.remote->leader_hint();
  else if (leader_ == asked.node) leader_ = NodeId{};
}

template <class Value, class Ask>
task<Result<Value>> ClusterMetadata::persist(Context ctx, Kind kind, Ask ask) {
  const TimePoint give_up = std::min(ctx.deadline, options_.clock->now() + options_.patience);
  if (options_.clock->now() >= give_up) co_return Error(Errc::deadline, "the time allowed is over");
  Duration pause = kFirstPause;
  NodeId avoided{};
  bool sent = false;  // it may have been carried out
  Error last(Errc::unavailable, "no member of the metadata is known");
  for (unsigned attempt = 0;; ++attempt) {
    if (const auto chosen = choose(attempt, avoided)) {
      Context limited = ctx;
      limited.deadline = alone() ? give_up : std::min(give_up, options_.clock->now() + options_.attempt);
      Result<Value> result = co_await ask(*chosen->metadata, limited);
      const bool settled = result || !passing(result.error().code);
      if (settled) learn(*chosen, nullptr);
      // Nobody else could do better than the only member; it may be about to lead.
      const bool final = kind == Kind::command_once || alone();
      if (settled || (final && result.error().code != Errc::not_leader)) co_return result;
      last = result.error();
      learn(*chosen, &last);
      sent |= kind == Kind::command && (last.code == Errc::unknown_outcome || last.code == Errc::deadline);
      avoided = chosen->node;
      // A new leader that was just named is asked without a pause.
      if (last.code == Errc::not_leader && leader() != NodeId{} && leader() != avoided && attempt < 3) continue;
    }
    const TimePoint now = options_.clock->now();
    if (now + pause >= give_up) break;
    co_await options_.clock->sleep(pause / 2 + Duration(options_.rng->below(static_cast<std::uint64_t>(pause.count()))) / 2);
    pause = std::min(2 * pause, kLongestPause);
  }
  if (sent) co_return Error(Errc::unknown_outcome, "the metadata did not confirm a change: " + last.message);
  if (last.code == Errc::exhausted) co_return last;
  co_return Error(Errc::unavailable, "the metadata has no leader within reach: " + last.message);
}

task<Result<CommandResult>> ClusterMetadata::commit(Context ctx, Command command) {
  co_return co_await commit_kept(ctx, command);
}

task<Result<CommandResult>> ClusterMetadata::commit_kept(Context ctx, Command& command) {
  if (command.time_us() == 0) command.set_time_us(options_.clock->wall());
  command.set_group(options_.group);
  if (command.id().empty() && !alone()) {
    std::string id(16, '\0');
    options_.rng->fill(std::as_writable_bytes(std::span(id)));
    command.set_id(std::move(id));
  }
  const Kind kind = command.id().empty() ? Kind::command_once : Kind::command;
  return persist<CommandResult>(ctx, kind,
                                [&command](Metadata& to, Context c) { return to.commit(c, command); });
}

task<Result<Bucket>> ClusterMetadata::bucket(Context ctx, std::string name) {
  return persist<Bucket>(ctx, Kind::read, [name = std::move(name)](Metadata& to, Context c) { return to.bucket(c, name); });
}

task<Result<std::vector<Bucket>>> ClusterMetadata::buckets(Context ctx) {
  return persist<std::vector<Bucket>>(ctx, Kind::read, [](Metadata& to, Context c) { return to.buckets(c); });
}

task<Result<Object>> ClusterMetadata::object(Context ctx, BucketId bucket, std::string key, With with) {
  return persist<Object>(ctx, Kind::read, [bucket, key = std::move(key), with](Metadata& to, Context c) {
    return to.object(c, bucket, key, with);
  });
}

task<Result<Manifest>> ClusterMetadata::manifest(Context ctx, GroupId group, ManifestId id) {
  return persist<Manifest>(ctx, Kind::read, [group, id](Metadata& to, Context c) { return to.manifest(c, group, id); });
}

task<Result<ObjectPage>> ClusterMetadata::list_objects(Context ctx, ListRequest request) {
  return persist<ObjectPage>(ctx, Kind::read, [request = std::move(request)](Metadata& to, Context c) {
    return to.list_objects(c, request);
  });
}

task<Result<UploadPage>> ClusterMetadata::list_uploads(Context ctx, ListUploadsRequest request) {
  return persist<UploadPage>(ctx, Kind::read, [request = std::move(request)](Metadata& to, Context c) {
    return to.list_uploads(c, request);
  });
}

task<Result<PartPage>> ClusterMetadata::list_parts(Context ctx, BucketId bucket, std::string key, std::string upload_id,
                                                   std::uint32_t after, std::size_t limit) {
  return persist<PartPage>(ctx, Kind::read,
                           [bucket, key = std::move(key), id = std::move(upload_id), after, limit](Metadata& to, Context c) {
                             return to.list_parts(c, bucket, key, id, after, limit);
                           });
}

task<Result<std::vector<GroupId>>> ClusterMetadata::groups(Context) { co_return std::vector<GroupId>{options_.group}; }

task<Result<std::vector<JournalEntry>>> ClusterMetadata::journal(Context ctx, GroupId group, BucketId bucket,
                                                                 std::uint64_t after, std::size_t limit) {
  return persist<std::vector<JournalEntry>>(ctx, Kind::read, [group, bucket, after, limit](Metadata& to, Context c) {
    return to.journal(c, group, bucket, after, limit);
  });
}

task<Result<std::vector<RepairIntent>>> ClusterMetadata::repairs(Context ctx, GroupId group, std::string after_block,
                                                                 std::size_t limit) {
  return persist<std::vector<RepairIntent>>(
      ctx, Kind::read, [group, after = std::move(after_block), limit](Metadata& to, Context c) {
        return to.repairs(c, group, after, limit);
      });
}

task<Result<std::vector<Doomed>>> ClusterMetadata::doomed(Context ctx, GroupId group, ManifestId after, std::size_t limit) {
  return persist<std::vector<Doomed>>(ctx, Kind::read, [group, after, limit](Metadata& to, Context c) {
    return to.doomed(c, group, after, limit);
  });
}

task<Result<std::vector<Metadata::ListedManifest>>> ClusterMetadata::manifests(Context ctx, GroupId group, ManifestId after,
                                                                               std::size_t limit) {
  return persist<std::vector<ListedManifest>>(
      ctx, Kind::read, [group, after, limit](Metadata& to, Context c) { return to.manifests(c, group, after, limit); });
}

task<Result<std::vector<ManifestId>>> ClusterMetadata::live_manifests(Context ctx, GroupId group, std::vector<ManifestId> ids) {
  return persist<std::vector<ManifestId>>(ctx, Kind::read, [group, ids = std::move(ids)](Metadata& to, Context c) {
    return to.live_manifests(c, group, ids);
  });
}

task<Result<Metadata::VersionedClusterState>> ClusterMetadata::cluster_state(Context ctx) {
  return persist<VersionedClusterState>(ctx, Kind::read, [](Metadata& to, Context c) { return to.cluster_state(c); });
}

task<Result<Statistics>> ClusterMetadata::statistics(Context ctx) {
  return persist<Statistics>(ctx, Kind::read, [](Metadata& to, Context c) { return to.statistics(c); });
}

}  // namespace gabion::metadata
