#include "metadata/local_metadata.h"

#include "common/check.h"
#include "common/log.h"
#include "metadata/reads.h"
#include "metadata/rocks_state.h"

namespace gabion::metadata {
namespace {

std::unique_ptr<StateStorage> make_storage(LocalMetadataOptions& options) {
  if (options.storage) return std::move(options.storage);
  std::vector<RocksStateStorage::Place> places;
  for (const MetadataDrive& drive : options.drives) places.push_back({drive.disk, drive.path});
  return std::make_unique<RocksStateStorage>(std::move(places), options.rocks, *options.rng);
}

Purpose purpose_of(const Command& command) {
  switch (command.op_case()) {
    case Command::kDeleteBucket:
    case Command::kDeleteObject:
    case Command::kDeleteObjects:
    case Command::kAbortUpload:
    case Command::kFinishRepair:
    case Command::kConfirmDoomed:
    case Command::kFinishDoomed:
    case Command::kTrimJournal:
    case Command::kSetClusterState:  // replacing a drive must be possible on full ones
      return Purpose::frees_space;
    default: return Purpose::takes_space;
  }
}

// Errors that speak of the store and not of the request.
bool store_failed(const Error& error) {
  return error.code == Errc::corrupt || error.code == Errc::unavailable || error.code == Errc::exhausted;
}

}  // namespace

void LocalMetadataMetrics::add_to(MetricsRegistry& registry) const {
  registry.add("gabion_metadata_commands_total", "Commands committed.", "", group.commands);
  registry.add("gabion_metadata_rounds_total", "Batches of commands committed.", "", group.rounds);
  registry.add("gabion_metadata_round_seconds", "Time from taking a batch to its completion.", "", group.round_seconds);
  registry.add("gabion_metadata_checkpoints_total", "Checkpoints of the state.", "", group.checkpoints);
  registry.add("gabion_metadata_moves_total", "Moves of the state away from a failed drive.", "", moves);
}

LocalMetadata::LocalMetadata(LocalMetadataOptions options) : options_(std::move(options)), storage_(make_storage(options_)) {}

LocalMetadata::~LocalMetadata() {
  GABION_CHECK(stopped_ || group_ == nullptr, "the metadata service is destroyed while it runs");
}

task<Result<std::unique_ptr<LocalMetadata>>> LocalMetadata::open(LocalMetadataOptions options) {
  GABION_CHECK(options.clock != nullptr && options.rng != nullptr && options.metrics != nullptr, "an option is missing");
  GABION_CHECK(!options.drives.empty(), "metadata needs a drive");
  std::unique_ptr<LocalMetadata> metadata(new LocalMetadata(std::move(options)));
  CO_CHECK(co_await run_on(metadata->options_.commit, metadata->start()));
  co_return metadata;
}

task<Result<void>> LocalMetadata::start() {
  StateHost::Options state;
  state.storage = storage_.get();
  state.background = options_.background;
  state.clock = options_.clock;
  state.cluster = options_.cluster;
  state.group = kMetadataGroup;
  state.fetch = options_.fetch;
  host_ = std::make_unique<StateHost>(std::move(state));
  CO_CHECK(co_await host_->load());
  LogOptions log;
  for (const MetadataDrive& drive : options_.drives) log.drives.emplace_back(drive.id, drive.disk, drive.executor);
  log.required = options_.required_log_replicas;
  log.allow_new = options_.allow_new;
  log.segment_bytes = options_.log_segment_bytes;
  CO_TRY(log_, co_await MirroredLog::open(std::move(log), *options_.rng));
  raft::RaftNodeOptions node;
  node.self = options_.self;
  node.executor = options_.commit;
  node.clock = options_.clock;
  node.rng = options_.rng;
  node.log = log_.get();
  node.transport = options_.transport;
  node.metrics = &options_.metrics->group;
  node.timing = options_.timing;
  node.checkpoint_log_bytes = options_.checkpoint_log_bytes;
  node.entry_memory_bytes = options_.entry_memory_bytes;
  CO_TRY(node_, co_await raft::RaftNode::open(std::move(node)));
  auto started = co_await start_group(*node_);
  if (!started) co_await node_->stop();
  co_return started;
}

task<Result<void>> LocalMetadata::start_group(raft::RaftNode& node) {
  CO_CHECK(co_await host_->open(*log_, node.entries(kMetadataGroup)));
  std::vector<raft::Member> founders;
  if (options_.allow_new && !node.knows(kMetadataGroup)) founders = options_.founders;
  if (!founders.empty() && host_->applied() != 0) {
    co_return Error(Errc::invalid, "the metadata state on the drives belongs to another log");
  }
  CO_TRY(group_, co_await node.open_group(kMetadataGroup, *host_, std::move(founders)));
  if (host_->copy_needed()) node.checkpoint_soon();
  co_return Result<void>();
}

task<void> LocalMetadata::checkpoint() {
  auto made = co_await run_on(options_.commit, node_->checkpoint());
  if (!made) LOG(error, "metadata", "the metadata state cannot be made durable", field("error", made.error().message));
}

task<void> LocalMetadata::stop() { co_await run_on(options_.commit, stop_now()); }

task<void> LocalMetadata::stop_now() {
  if (std::exchange(stopped_, true)) co_return;
  co_await gate_.close();
  co_await node_->stop();
  co_await log_->close();
}

task<Result<void>> LocalMetadata::fail_drive(DriveId drive, std::string why) {
  for (std::size_t i = 0; i < options_.drives.size(); ++i) {
    if (options_.drives[i].id == drive) co_return co_await run_on(options_.commit, fail_now(i, std::move(why)));
  }
  co_return Error(Errc::not_found, "this drive holds no metadata");
}

task<Result<void>> LocalMetadata::fail_now(std::size_t drive, std::string why) {
  if (!gate_.enter()) co_return Error(Errc::cancelled, "the metadata service is stopping");
  co_await node_->fail_log_drive(drive, why);
  options_.metrics->moves.add();
  auto failed = co_await host_->fail_drive(drive, std::move(why));
  gate_.leave();
  co_return failed;
}

task<void> LocalMetadata::move_away(std::shared_ptr<KvStore> seen, std::string why) {
  if (!gate_.enter()) co_return;
  options_.metrics->moves.add();
  auto moved = co_await host_->move_away(std::move(seen), std::move(why));
  if (!moved) LOG(error, "metadata", "the metadata state cannot be read on any drive", field("error", moved.error().message));
  gate_.leave();
}

task<std::shared_ptr<KvStore>> LocalMetadata::settled() {
  if (!gate_.enter()) co_return nullptr;
  auto store = co_await host_->settled();
  gate_.leave();
  co_return store;
}

task<Result<PinnedState>> LocalMetadata::pin() { return run_on(options_.commit, host_->pin()); }

MetadataStatus LocalMetadata::status() const {
  MetadataStatus status;
  status.log = log_->status();
  status.state = host_->status();
  status.applied = host_->applied();
  status.commands = host_->commands();
  status.group = group_->status();
  return status;
}

task<Result<CommandResult>> LocalMetadata::commit(Context ctx, Command command) {
  CO_CHECK(validate(command));
  if (command.time_us() == 0) command.set_time_us(options_.clock->wall());
  CO_TRY(const auto encoded, co_await group_->propose(ctx, command.SerializeAsString(), purpose_of(command)));
  CommandResult result;
  GABION_CHECK(result.ParseFromString(encoded), "results are encoded by us");
  co_return result;
}

template <class Value, class Read>
task<Result<Value>> LocalMetadata::read(Context ctx, Where where, Read read) {
  CO_CHECK(co_await group_->read_barrier(ctx));
  for (int attempt = 0;; ++attempt) {
    auto store = host_->current();
    if (store == nullptr) store = co_await run_on(options_.commit, settled());
    if (store == nullptr) co_return Error(Errc::unavailable, "the metadata state of this node is being replaced");
    const auto range = host_->range();
    const reads::State state{*store, *range};
    Result<Value> result = Error(Errc::would_block, "");
    if (where == Where::cached_first) result = read(state, ReadMode::cached_only);
    if (!result && result.error().code == Errc::would_block) {
      result = co_await offload(options_.readers, [&state, &read] { return read(state, ReadMode::wait); });
    }
    // What was split off meanwhile may be gone from the store, as if it had never been.
    if (result && *host_->range() != *range) continue;
    if (result || !store_failed(result.error()) || attempt > 0) co_return result;
    // The drive of the state cannot be read. The log and the copies have it all.
    co_await run_on(options_.commit, move_away(store, result.error().message));
  }
}

task<Result<Bucket>> LocalMetadata::bucket(Context ctx, std::string name) {
  return read<Bucket>(ctx, Where::cached_first, [name = std::move(name)](const reads::State& state, ReadMode mode) {
    return reads::bucket(state, name, mode);
  });
}

task<Result<std::vector<Bucket>>> LocalMetadata::buckets(Context ctx) {
  return read<std::vector<Bucket>>(ctx, Where::reader, [](const reads::State& state, ReadMode) { return reads::buckets(state); });
}

task<Result<Object>> LocalMetadata::object(Context ctx, BucketId bucket, std::string key, With with) {
  return read<Object>(ctx, Where::cached_first, [bucket, key = std::move(key), with](const reads::State& state, ReadMode mode) {
    return reads::object(state, bucket, key, with, mode);
  });
}

task<Result<Manifest>> LocalMetadata::manifest(Context ctx, GroupId, ManifestId id) {
  return read<Manifest>(ctx, Where::cached_first,
                        [id](const reads::State& state, ReadMode mode) { return reads::manifest(state.store, id, mode); });
}

task<Result<ObjectPage>> LocalMetadata::list_objects(Context ctx, ListRequest request) {
  return read<ObjectPage>(ctx, Where::reader, [request = std::move(request)](const reads::State& state, ReadMode) {
    return reads::list_objects(state, request);
  });
}

task<Result<UploadPage>> LocalMetadata::list_uploads(Context ctx, ListUploadsRequest request) {
  return read<UploadPage>(ctx, Where::reader, [request = std::move(request)](const reads::State& state, ReadMode) {
    return reads::list_uploads(state, request);
  });
}

task<Result<PartPage>> LocalMetadata::list_parts(Context ctx, BucketId bucket, std::string key, std::string upload_id,
                                                 std::uint32_t after, std::size_t limit) {
  return read<PartPage>(ctx, Where::reader,
                        [=, key = std::move(key), id = std::move(upload_id)](const reads::State& state, ReadMode) {
                          return reads::list_parts(state, bucket, key, id, after, limit);
                        });
}

task<Result<std::vector<GroupId>>> LocalMetadata::groups(Context) { co_return std::vector<GroupId>{kRootGroup}; }

task<Result<std::vector<JournalEntry>>> LocalMetadata::journal(Context ctx, GroupId, BucketId bucket,
    std::uint64_t after, std::size_t limit) {
  return read<std::vector<JournalEntry>>(ctx, Where::reader, [bucket, after, limit](const reads::State& state, ReadMode) {
    return reads::journal(state, bucket, after, limit);
  });
}

task<Result<std::vector<RepairIntent>>> LocalMetadata::repairs(Context ctx, GroupId, std::string after_block,
    std::size_t limit) {
  return read<std::vector<RepairIntent>>(ctx, Where::reader,
                                         [after = std::move(after_block), limit](const reads::State& state, ReadMode) {
                                           return reads::repairs(state.store, after, limit);
                                         });
}

task<Result<std::vector<Doomed>>> LocalMetadata::doomed(Context ctx, GroupId, ManifestId after, std::size_t limit) {
  return read<std::vector<Doomed>>(ctx, Where::reader, [after, limit](const reads::State& state, ReadMode) {
    return reads::doomed(state.store, after, limit);
  });
}

task<Result<std::vector<Metadata::ListedManifest>>> LocalMetadata::manifests(Context ctx, GroupId, ManifestId after,
    std::size_t limit) {
  return read<std::vector<ListedManifest>>(ctx, Where::reader, [after, limit](const reads::State& state, ReadMode) {
    return reads::manifests(state.store, after, limit);
  });
}

task<Result<std::vector<ManifestId>>> LocalMetadata::live_manifests(Context ctx, GroupId, std::vector<ManifestId> ids) {
  return read<std::vector<ManifestId>>(ctx, Where::reader, [ids = std::move(ids)](const reads::State& state, ReadMode) {
    return reads::live_manifests(state.store, ids);
  });
}

task<Result<Metadata::VersionedClusterState>> LocalMetadata::cluster_state(Context ctx) {
  return read<VersionedClusterState>(ctx, Where::cached_first,
                                     [](const reads::State& state, ReadMode mode) { return reads::cluster_state(state, mode); });
}

task<Result<Statistics>> LocalMetadata::statistics(Context ctx) {
  return read<Statistics>(ctx, Where::cached_first,
                          [](const reads::State& state, ReadMode mode) { return reads::statistics(state.store, mode); });
}

}  // namespace gabion::metadata
