#include "metadata/local_group.h"

#include "common/check.h"
#include "common/log.h"
#include "metadata/loans.h"
#include "metadata/reads.h"

namespace gabion::metadata {
namespace {

Purpose purpose_of(const Command& command) {
  switch (command.op_case()) {
    case Command::kDeleteBucket:
    case Command::kCloseBucket:
    case Command::kDeleteObject:
    case Command::kDeleteObjects:
    case Command::kAbortUpload:
    case Command::kFinishRepair:
    case Command::kConfirmDoomed:
    case Command::kFinishDoomed:
    case Command::kEndLoan:
    case Command::kRaiseBucket:  // a delete may need it where keys came from group 0
    case Command::kOpenBucket:
    case Command::kTrimRange:
    case Command::kTrimJournal:
    case Command::kSetRings:
    case Command::kSetClusterState:  // replacing a drive must be possible on full ones
      return Purpose::frees_space;
    default: return Purpose::takes_space;
  }
}

// Errors that speak of the store and not of the request.
bool store_failed(const Error& error) {
  return error.code == Errc::corrupt || error.code == Errc::unavailable || error.code == Errc::exhausted;
}

Error not_open() { return {Errc::not_leader, "this node has no part in the group"}; }

}  // namespace

// What is open of a state that cannot be used would be in the way of who makes it anew.
task<Result<void>> LocalGroup::open(StateStorage& storage, MirroredLog& log, raft::RaftNode& node,
                                    std::vector<raft::Member> founders) {
  auto opened = co_await try_to_open(storage, log, node, std::move(founders));
  if (!opened) state_.reset();
  co_return opened;
}

task<Result<void>> LocalGroup::try_to_open(StateStorage& storage, MirroredLog& log, raft::RaftNode& node,
                                           std::vector<raft::Member> founders) {
  StateHost::Options options = options_.state;
  options.storage = &storage;
  state_ = std::make_unique<StateHost>(std::move(options));
  CO_CHECK(co_await state_->load());
  CO_CHECK(co_await state_->open(log, node.entries(id())));
  if (!founders.empty() && state_->applied() != 0) {
    co_return Error(Errc::invalid, "the metadata state on the drives belongs to another log");
  }
  CO_TRY(raft::RaftGroup* const group, co_await node.open_group(id(), *state_, std::move(founders)));
  raft_.store(group, std::memory_order_release);
  if (state_->copy_needed()) node.checkpoint_soon();
  co_return Result<void>();
}

void LocalGroup::name_founders(SplitRange& split) const {
  split.clear_voters();
  for (const raft::Member& member : raft().status().members) {
    if (member.role == raft::MemberRole::voter) split.add_voters(static_cast<std::uint32_t>(member.node));
  }
}

task<void> LocalGroup::move_away(std::shared_ptr<const StateView> seen, std::string why) {
  if (!gate_.enter()) co_return;
  options_.moves->add();
  auto moved = co_await state_->move_away(std::move(seen), std::move(why));
  if (!moved) {
    LOG(error, "metadata", "the metadata state cannot be read on any drive", field("group", id()),
        field("error", moved.error().message));
  }
  gate_.leave();
}

task<std::shared_ptr<const StateView>> LocalGroup::settled() {
  if (!gate_.enter()) co_return nullptr;
  auto view = co_await state_->settled();
  gate_.leave();
  co_return view;
}

task<Result<CommandResult>> LocalGroup::commit(Context ctx, Command command) {
  if (!is_open()) co_return not_open();
  if (command.has_split_range()) name_founders(*command.mutable_split_range());
  CO_CHECK(validate(command));
  if (command.time_us() == 0) command.set_time_us(options_.state.clock->wall());
  CO_CHECK(check_timely(command, options_.state.clock->wall()));
  CO_TRY(const auto encoded, co_await raft().propose(ctx, command.SerializeAsString(), purpose_of(command)));
  CommandResult result;
  GABION_CHECK(result.ParseFromString(encoded), "results are encoded by us");
  if (result.outcome() == MOVED) co_return Error(Errc::moved, "another group of the metadata has the key now");
  co_return result;
}

// What was split off while it was read may be gone from the store, as if it had never been: then it is read anew.
template <class Value, class Read>
task<Result<Value>> LocalGroup::read(Context ctx, Where where, Read read) {
  if (!is_open()) co_return not_open();
  CO_CHECK(co_await raft().read_barrier(ctx));
  for (bool moved = false;;) {
    auto view = state_->current();
    if (view == nullptr) view = co_await run_on(options_.commit, settled());
    if (view == nullptr) co_return Error(Errc::unavailable, "the metadata state of this node is being replaced");
    const reads::State state{*view->store, *view->range};
    Result<Value> result = Error(Errc::would_block, "");
    if (where == Where::cached_first) result = read(state, ReadMode::cached_only);
    if (!result && result.error().code == Errc::would_block) {
      result = co_await offload(options_.state.readers, [&state, &read] { return read(state, ReadMode::wait); });
    }
    if (!state_->is_current(*view)) continue;
    if (result || !store_failed(result.error()) || moved) co_return result;
    // The drive of the state cannot be read. The log and the copies have it all.
    co_await run_on(options_.commit, move_away(view, result.error().message));
    moved = true;
  }
}

task<Result<Bucket>> LocalGroup::bucket(Context ctx, std::string name) {
  return read<Bucket>(ctx, Where::cached_first, [name = std::move(name)](const reads::State& state, ReadMode mode) {
    return reads::bucket(state, name, mode);
  });
}

task<Result<std::vector<Bucket>>> LocalGroup::buckets(Context ctx) {
  return read<std::vector<Bucket>>(ctx, Where::reader,
                                   [](const reads::State& state, ReadMode) { return reads::buckets(state); });
}

task<Result<Object>> LocalGroup::object(Context ctx, BucketId bucket, std::string key, With with) {
  return read<Object>(ctx, Where::cached_first, [bucket, key = std::move(key), with](const reads::State& state, ReadMode mode) {
    return reads::object(state, bucket, key, with, mode);
  });
}

task<Result<Manifest>> LocalGroup::manifest(Context ctx, GroupId, ManifestId id) {
  return read<Manifest>(ctx, Where::cached_first,
                        [id](const reads::State& state, ReadMode mode) { return reads::manifest(state.store, id, mode); });
}

task<Result<ObjectPage>> LocalGroup::list_objects(Context ctx, ListRequest request) {
  return read<ObjectPage>(ctx, Where::reader, [request = std::move(request)](const reads::State& state, ReadMode) {
    return reads::list_objects(state, request);
  });
}

task<Result<UploadPage>> LocalGroup::list_uploads(Context ctx, ListUploadsRequest request) {
  return read<UploadPage>(ctx, Where::reader, [request = std::move(request)](const reads::State& state, ReadMode) {
    return reads::list_uploads(state, request);
  });
}

task<Result<PartPage>> LocalGroup::list_parts(Context ctx, BucketId bucket, std::string key, std::string upload_id,
                                              std::uint32_t after, std::size_t limit) {
  return read<PartPage>(ctx, Where::reader,
                        [bucket, key = std::move(key), id = std::move(upload_id), after, limit](const reads::State& state,
                                                                                               ReadMode) {
                          return reads::list_parts(state, bucket, key, id, after, limit);
                        });
}

task<Result<std::vector<GroupId>>> LocalGroup::groups(Context) { co_return std::vector<GroupId>{id()}; }

task<Result<std::vector<JournalEntry>>> LocalGroup::journal(Context ctx, GroupId, BucketId bucket, std::uint64_t after,
                                                            std::size_t limit) {
  return read<std::vector<JournalEntry>>(ctx, Where::reader, [bucket, after, limit](const reads::State& state, ReadMode) {
    return reads::journal(state, bucket, after, limit);
  });
}

task<Result<std::vector<RepairIntent>>> LocalGroup::repairs(Context ctx, GroupId, std::string after_block, std::size_t limit) {
  return read<std::vector<RepairIntent>>(ctx, Where::reader,
                                         [after = std::move(after_block), limit](const reads::State& state, ReadMode) {
                                           return reads::repairs(state.store, after, limit);
                                         });
}

task<Result<std::vector<Doomed>>> LocalGroup::doomed(Context ctx, GroupId, ManifestId after, std::size_t limit) {
  return read<std::vector<Doomed>>(ctx, Where::reader, [after, limit](const reads::State& state, ReadMode) {
    return reads::doomed(state.store, after, limit);
  });
}

task<Result<std::vector<Metadata::ListedManifest>>> LocalGroup::manifests(Context ctx, GroupId, ManifestId after,
                                                                          std::size_t limit) {
  return read<std::vector<ListedManifest>>(ctx, Where::reader, [after, limit](const reads::State& state, ReadMode) {
    return reads::manifests(state.store, after, limit);
  });
}

task<Result<std::vector<ManifestId>>> LocalGroup::live_manifests(Context ctx, GroupId, std::vector<ManifestId> ids) {
  return read<std::vector<ManifestId>>(ctx, Where::reader, [ids = std::move(ids)](const reads::State& state, ReadMode) {
    return reads::live_manifests(state.store, ids);
  });
}

task<Result<Metadata::VersionedClusterState>> LocalGroup::cluster_state(Context ctx) {
  return read<VersionedClusterState>(ctx, Where::cached_first, [](const reads::State& state, ReadMode mode) {
    return reads::cluster_state(state, mode);
  });
}

task<Result<Statistics>> LocalGroup::statistics(Context ctx) {
  return read<Statistics>(ctx, Where::cached_first,
                          [](const reads::State& state, ReadMode mode) { return reads::statistics(state.store, mode); });
}

}  // namespace gabion::metadata
