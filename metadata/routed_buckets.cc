// The deletion of a bucket whose keys are in several groups: see CloseBucket in records.proto.
#include <set>

#include "common/log.h"
#include "metadata/cluster/splits.h"
#include "metadata/routed_asking.h"

namespace gabion::metadata {
namespace {

constexpr Duration kGoneTime = std::chrono::seconds(3);

// What a range has of the bucket. False: nothing.
bool part_of(const cluster::OwnedRange& range, BucketId bucket, CloseBucket& part) {
  part.set_bucket(bucket);
  part.set_from(std::max(range.start, cluster::boundary_at(bucket, {})));
  part.set_to(cluster::end_of_rows(bucket, {}));
  if (!range.end.empty() && range.end < part.to()) part.set_to(range.end);
  return part.from() < part.to();
}

}  // namespace

task<Result<CommandResult>> RoutedMetadata::delete_bucket(Context ctx, Command command) {
  Attempts attempts;
  bool split_off = false;
  for (;;) {
    const Table& known = table();
    auto result = co_await delete_bucket_by(ctx, known, command, split_off);
    const bool moved = has_moved(result);
    if (!moved && (!result || result->outcome() != STALE)) co_return result;
    split_off |= moved;
    if (moved) CO_CHECK(co_await look_again(ctx, known, attempts));
    else CO_CHECK(co_await pause(ctx, attempts));
    if (&table() != &known) split_off = false;
  }
}

task<Result<CommandResult>> RoutedMetadata::delete_bucket_by(Context ctx, const Table& known, Command command, bool split_off) {
  if (known.single()) co_return co_await group(kRootGroup).commit_kept(ctx, command);
  DeleteBucket& deletion = *command.mutable_delete_bucket();
  const auto bucket = co_await group(kRootGroup).bucket(ctx, deletion.name());
  CommandResult none;
  none.set_outcome(NO_SUCH_BUCKET);
  if (!bucket && bucket.error().code == Errc::not_found) co_return none;
  if (!bucket) co_return bucket.error();
  std::vector<Closing> elsewhere;
  for (const cluster::OwnedRange& range : known.ranges()) {
    Closing closing;
    closing.owners = range.owners;
    // Group 0 closes nothing: what it still has is looked at when it deletes the bucket.
    const bool of_root = closing.owners.front() == kRootGroup;
    if (of_root && split_off && closing.owners.size() > 1) closing.owners.erase(closing.owners.begin());
    if (closing.owners.front() == kRootGroup || !part_of(range, bucket->id(), closing.part)) continue;
    elsewhere.push_back(std::move(closing));
  }
  if (!elsewhere.empty()) {
    Command raise;
    raise.mutable_raise_bucket()->set_bucket(bucket->id());
    CO_TRY(const auto raised, co_await group(kRootGroup).commit(ctx, std::move(raise)));
    if (raised.outcome() != APPLIED) co_return raised;
    deletion.set_generation(raised.bucket().generation());
    deletion.set_to(elsewhere.front().part.from());
    CO_TRY(auto closed, co_await close_bucket(ctx, std::move(elsewhere), deletion.generation()));
    if (closed.outcome() != APPLIED) co_return closed;
  }
  auto result = co_await group(kRootGroup).commit_kept(ctx, command);
  if (result && result->outcome() == APPLIED && deletion.generation() != 0) co_await finish_deletion(ctx, bucket->id());
  co_return result;
}

task<Result<CommandResult>> RoutedMetadata::close_bucket(Context ctx, std::vector<Closing> parts, std::uint64_t generation) {
  for (Closing& closing : parts) {
    Command command;
    *command.mutable_close_bucket() = std::move(closing.part);
    command.mutable_close_bucket()->set_generation(generation);
    GroupId asked = kRootGroup;
    CO_TRY(auto closed, co_await commit_to_owner(ctx, std::move(closing.owners), command, asked));
    if (closed.outcome() != APPLIED) co_return closed;
  }
  co_return CommandResult();
}

// Its uploads go wherever there are any. The bucket is deleted, whatever comes of this.
task<void> RoutedMetadata::finish_deletion(Context ctx, BucketId bucket) {
  ctx.deadline = std::min(ctx.deadline, options_.clock->now() + kGoneTime);
  Result<void> done;
  if (const auto current = co_await cluster_state(ctx); !current) done = current.error();  // for the newest table
  std::set<GroupId> with_keys;
  for (const cluster::OwnedRange& range : table().ranges()) {
    CloseBucket part;
    if (part_of(range, bucket, part)) with_keys.insert(range.owners.begin(), range.owners.end());
  }
  with_keys.erase(kRootGroup);
  for (const GroupId id : with_keys) {
    Command command;
    command.mutable_close_bucket()->set_bucket(bucket);
    command.mutable_close_bucket()->set_gone(true);
    if (const auto gone = co_await group(id).commit(ctx, std::move(command)); !gone) done = gone.error();
  }
  if (done) co_return;
  LOG(warn, "metadata", "uploads of a deleted bucket may be left", field("bucket", bucket), field("error", done.error().message));
}

}  // namespace gabion::metadata
