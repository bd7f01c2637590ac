#include "metadata/routed_metadata.h"

#include <set>

#include "common/async.h"
#include "common/check.h"
#include "common/log.h"
#include "metadata/routed_asking.h"

namespace gabion::metadata {
namespace {

constexpr Duration kLongestPause = std::chrono::milliseconds(200);

}  // namespace

RoutedMetadata::RoutedMetadata(RoutedMetadataOptions options) : options_(std::move(options)) {
  GABION_CHECK(options_.group && options_.clock != nullptr && options_.rng != nullptr, "an option is missing");
  tables_.push_back(std::make_unique<Table>());
  table_.store(tables_.back().get());
}

RoutedMetadata::~RoutedMetadata() = default;

void RoutedMetadata::follow(const VersionedClusterState& current) {
  const std::lock_guard lock(mutex_);
  if (current.version <= version_) return;
  version_ = current.version;
  auto table = Table::of(current.state);
  if (!table) {
    LOG(error, "metadata", "keys are looked for where they were before", field("error", table.error().message));
    return;
  }
  if (*table == *tables_.back()) return;
  tables_.push_back(std::make_unique<const Table>(*std::move(table)));
  table_.store(tables_.back().get(), std::memory_order_release);
}

task<Result<void>> RoutedMetadata::pause(Context ctx, Attempts& attempts) {
  const TimePoint now = options_.clock->now();
  if (!attempts.give_up) attempts.give_up = std::min(ctx.deadline, now + options_.patience);
  if (now + attempts.pause >= *attempts.give_up) {
    co_return Error(Errc::unavailable, "the keys are on their way from one group of the metadata to another");
  }
  const auto half = static_cast<std::uint64_t>(attempts.pause.count()) / 2;
  co_await options_.clock->sleep(Duration(half + options_.rng->below(half)));
  attempts.pause = std::min(2 * attempts.pause, kLongestPause);
  co_return Result<void>();
}

task<Result<void>> RoutedMetadata::look_again(Context ctx, const Table& stale, Attempts& attempts) {
  if (&table() != &stale) co_return Result<void>();
  const auto current = co_await cluster_state(ctx);
  if (!current && current.error().code != Errc::not_found) co_return current.error();
  if (&table() != &stale) co_return Result<void>();
  co_return co_await pause(ctx, attempts);
}

task<Result<Bucket>> RoutedMetadata::bucket(Context ctx, std::string name) {
  return group(kRootGroup).bucket(ctx, std::move(name));
}

task<Result<std::vector<Bucket>>> RoutedMetadata::buckets(Context ctx) { return group(kRootGroup).buckets(ctx); }

task<Result<Object>> RoutedMetadata::object(Context ctx, BucketId bucket, std::string key, With with) {
  return ask_by_key<Object>(ctx, bucket, std::move(key), [bucket, with](ClusterMetadata& to, Context c, const std::string& k) {
    return to.object(c, bucket, k, with);
  });
}

task<Result<PartPage>> RoutedMetadata::list_parts(Context ctx, BucketId bucket, std::string key, std::string upload_id,
                                                  std::uint32_t after, std::size_t limit) {
  return ask_by_key<PartPage>(ctx, bucket, std::move(key),
                              [bucket, upload = std::move(upload_id), after, limit](ClusterMetadata& to, Context c,
                                                                                    const std::string& k) {
                                return to.list_parts(c, bucket, k, upload, after, limit);
                              });
}

task<Result<std::vector<GroupId>>> RoutedMetadata::groups(Context ctx) {
  const auto current = co_await cluster_state(ctx);
  if (!current && current.error().code == Errc::not_found) co_return std::vector<GroupId>{kRootGroup};
  if (!current) co_return current.error();
  CO_TRY(const Table table, Table::of(current->state));
  co_return table.groups();
}

task<Result<Manifest>> RoutedMetadata::manifest(Context ctx, GroupId group_id, ManifestId id) {
  return group(group_id).manifest(ctx, group_id, id);
}

task<Result<std::vector<JournalEntry>>> RoutedMetadata::journal(Context ctx, GroupId group_id, BucketId bucket,
                                                                std::uint64_t after, std::size_t limit) {
  return group(group_id).journal(ctx, group_id, bucket, after, limit);
}

task<Result<std::vector<RepairIntent>>> RoutedMetadata::repairs(Context ctx, GroupId group_id, std::string after_block,
                                                                std::size_t limit) {
  return group(group_id).repairs(ctx, group_id, std::move(after_block), limit);
}

task<Result<std::vector<Doomed>>> RoutedMetadata::doomed(Context ctx, GroupId group_id, ManifestId after, std::size_t limit) {
  return group(group_id).doomed(ctx, group_id, after, limit);
}

task<Result<std::vector<Metadata::ListedManifest>>> RoutedMetadata::manifests(Context ctx, GroupId group_id, ManifestId after,
                                                                              std::size_t limit) {
  return group(group_id).manifests(ctx, group_id, after, limit);
}

task<Result<std::vector<ManifestId>>> RoutedMetadata::live_manifests(Context ctx, GroupId group_id,
                                                                     std::vector<ManifestId> ids) {
  return group(group_id).live_manifests(ctx, group_id, std::move(ids));
}

task<Result<Metadata::VersionedClusterState>> RoutedMetadata::cluster_state(Context ctx) {
  auto current = co_await group(kRootGroup).cluster_state(ctx);
  if (current) follow(*current);
  co_return current;
}

task<Result<Statistics>> RoutedMetadata::statistics(Context ctx) {
  std::set<GroupId> all{kRootGroup};
  for (const cluster::OwnedRange& range : table().ranges()) all.insert(range.owners.front());
  std::vector<task<Result<Statistics>>> asked;
  for (const GroupId id : all) asked.push_back(group(id).statistics(ctx));
  Statistics sum;
  for (const auto& one : co_await gather(std::move(asked))) {
    if (!one) co_return one.error();
    sum.buckets += one->buckets;  // group 0 alone has any
    sum.objects += one->objects;
    sum.repairs_pending += one->repairs_pending;
    sum.doomed_pending += one->doomed_pending;
  }
  co_return sum;
}

}  // namespace gabion::metadata
