#include <map>

#include "common/async.h"
#include "common/check.h"
#include "metadata/routed_asking.h"

namespace gabion::metadata {
namespace {

struct KeyOfCommand {
  BucketId bucket = 0;
  const std::string* key = nullptr;
};

template <class Keyed>
KeyOfCommand key_in(const Keyed& command) {
  return {command.bucket(), &command.key()};
}

// nullopt: it is about no key, and says by its group whose it is.
std::optional<KeyOfCommand> key_of(const Command& command) {
  switch (command.op_case()) {
    case Command::kPutObject: return key_in(command.put_object());
    case Command::kDeleteObject: return key_in(command.delete_object());
    case Command::kCreateUpload: return KeyOfCommand{command.create_upload().bucket(), &command.create_upload().upload().key()};
    case Command::kPutPart: return key_in(command.put_part());
    case Command::kCompleteUpload: return key_in(command.complete_upload());
    case Command::kAbortUpload: return key_in(command.abort_upload());
    default: return std::nullopt;
  }
}

bool shares(const Command& command) {
  return (command.has_put_object() && command.put_object().has_share()) ||
         (command.has_put_part() && command.put_part().shares_size() != 0);
}

// Other groups know a bucket only as far as they were told: see CloseBucket.
bool bucket_closed(GroupId group, const CommandResult& result) {
  return group != kRootGroup && result.outcome() == NO_SUCH_BUCKET;
}

}  // namespace

task<Result<CommandResult>> RoutedMetadata::commit(Context ctx, Command command) {
  if (key_of(command)) return shares(command) ? commit_copy(ctx, std::move(command)) : commit_by_key(ctx, std::move(command));
  switch (command.op_case()) {
    case Command::kDeleteObjects: return delete_objects(ctx, std::move(command));
    case Command::kDeleteBucket: return delete_bucket(ctx, std::move(command));
    case Command::kCreateBucket:
    case Command::kRaiseBucket:
    case Command::kSetClusterState: return group(kRootGroup).commit(ctx, std::move(command));
    default: break;
  }
  ClusterMetadata& to = group(command.group());
  return to.commit(ctx, std::move(command));
}

task<Result<CommandResult>> RoutedMetadata::commit_to_owner(Context ctx, std::vector<GroupId> owners, Command& command,
                                                            GroupId& asked) {
  for (const GroupId owner : owners) {
    asked = owner;
    auto result = co_await group(owner).commit_kept(ctx, command);
    if (!has_moved(result)) co_return result;
  }
  co_return Error(Errc::moved, "");
}

task<Result<CommandResult>> RoutedMetadata::commit_by_key(Context ctx, Command command) {
  const KeyOfCommand key = *key_of(command);
  Attempts attempts;
  for (;;) {
    const Table& known = table();
    GroupId asked = kRootGroup;
    // Two frames are spared where there is but one to ask.
    const auto& owners = known.find(key.bucket, *key.key).owners;
    auto result = owners.size() == 1 ? co_await group(asked = owners.front()).commit_kept(ctx, command)
                                     : co_await commit_to_owner(ctx, owners, command, asked);
    if (has_moved(result)) {
      CO_CHECK(co_await look_again(ctx, known, attempts));
      continue;
    }
    if (!result || !bucket_closed(asked, *result)) co_return result;
    CO_TRY(const bool open, co_await open_bucket(ctx, asked, key.bucket));
    if (!open) co_return result;
    command.clear_id();  // the next is another command: this one had its result
    CO_CHECK(co_await pause(ctx, attempts));
  }
}

task<Result<bool>> RoutedMetadata::open_bucket(Context ctx, GroupId group_id, BucketId bucket) {
  Attempts attempts;
  for (;;) {
    Command raise;
    raise.mutable_raise_bucket()->set_bucket(bucket);
    CO_TRY(const auto raised, co_await group(kRootGroup).commit(ctx, std::move(raise)));
    if (raised.outcome() != APPLIED) co_return false;
    Command open;
    open.mutable_open_bucket()->set_bucket(bucket);
    open.mutable_open_bucket()->set_generation(raised.bucket().generation());
    CO_TRY(const auto opened, co_await group(group_id).commit(ctx, std::move(open)));
    if (opened.outcome() == APPLIED) co_return true;
    if (opened.outcome() == NO_SUCH_BUCKET) co_return false;  // it was deleted since
    // Somebody who deletes the bucket has closed it by a later generation: again, until one of us is first in group 0.
    CO_CHECK(co_await pause(ctx, attempts));
  }
}

task<Result<CommandResult>> RoutedMetadata::delete_objects(Context ctx, Command command) {
  const int count = command.delete_objects().objects_size();
  if (table().single()) {
    auto result = co_await group(kRootGroup).commit_kept(ctx, command);
    if (!has_moved(result)) co_return result;
  }
  CommandResult results;
  std::vector<int> left;
  for (int i = 0; i < count; ++i) {
    results.add_each();
    left.push_back(i);
  }
  Attempts attempts;
  while (!left.empty()) {
    const Table& known = table();
    std::map<const cluster::OwnedRange*, std::vector<int>> divided;
    for (const int i : left) {
      const DeleteObject& object = command.delete_objects().objects(i);
      divided[&known.find(object.bucket(), object.key())].push_back(i);
    }
    std::vector<task<Result<void>>> parts;
    for (auto& [range, places] : divided) {
      parts.push_back(delete_some(ctx, range->owners, command.delete_objects(), places, results));
    }
    const auto done = co_await gather(std::move(parts));
    for (const auto& part : done) CO_CHECK(part);
    left.clear();
    for (const auto& [range, places] : divided) left.insert(left.end(), places.begin(), places.end());
    if (!left.empty()) CO_CHECK(co_await look_again(ctx, known, attempts));
  }
  co_return results;
}

task<Result<void>> RoutedMetadata::delete_some(Context ctx, const std::vector<GroupId>& owners, const DeleteObjects& objects,
                                               std::vector<int>& places, CommandResult& results) {
  Command command;
  for (const int i : places) *command.mutable_delete_objects()->add_objects() = objects.objects(i);
  GroupId asked = kRootGroup;
  auto result = co_await commit_to_owner(ctx, owners, command, asked);
  if (has_moved(result)) co_return Result<void>();
  if (!result) co_return result.error();
  GABION_CHECK(result->each_size() == static_cast<int>(places.size()), "each deletion has a result");
  std::vector<int> again;
  for (std::size_t i = 0; i < places.size(); ++i) {
    CommandResult& one = *result->mutable_each(static_cast<int>(i));
    if (bucket_closed(asked, one)) {
      const BucketId bucket = objects.objects(places[i]).bucket();
      CO_TRY(const bool open, co_await open_bucket(ctx, asked, bucket));
      if (open) again.push_back(places[i]);
    }
    results.mutable_each(places[i])->Swap(&one);
  }
  places = std::move(again);
  co_return Result<void>();
}

}  // namespace gabion::metadata
