#include "gateway/data/collector.h"

#include <algorithm>

#include "common/log.h"
#include "gateway/data/group_walk.h"

namespace gabion::gateway::data {
namespace {

constexpr std::size_t kKeysPerRemove = 4096;
constexpr unsigned kShardsMax = 40;  // of any profile
constexpr std::uint32_t kLoansAtOnce = 1000;
constexpr Duration kSharedGraceMin = std::chrono::minutes(5);  // where there are several groups: they are asked meanwhile

std::uint64_t micros(Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

void add_keys(std::vector<chunkserver::ShardKey>& keys, const BlockId& block, unsigned shards) {
  for (unsigned i = 0; i < shards; ++i) keys.push_back({block, static_cast<std::uint8_t>(i)});
}

// False when the entry makes no sense: it is then left alone.
bool add_keys(std::vector<chunkserver::ShardKey>& keys, const metadata::Doomed& entry) {
  const unsigned total = entry.data_shards() + entry.parity_shards();
  for (const metadata::Block& block : entry.blocks()) {
    const auto id = BlockId::from_raw(block.id());
    if (!id || total > kShardsMax) return false;
    add_keys(keys, *id, block.copies() ? entry.parity_shards() + 1 : total);
  }
  return true;
}

task<bool> erase_from(chunkserver::ShardStore& store, Context ctx, std::vector<chunkserver::ShardKey> keys) {
  for (std::size_t i = 0; i < keys.size(); i += kKeysPerRemove) {
    const auto first = keys.begin() + static_cast<std::ptrdiff_t>(i);
    const auto last = keys.begin() + static_cast<std::ptrdiff_t>(std::min(i + kKeysPerRemove, keys.size()));
    const auto removed = co_await store.remove(ctx, std::vector<chunkserver::ShardKey>(first, last));
    if (!removed) co_return false;
  }
  co_return true;
}

}  // namespace

Collector::Collector(BlockStore& store, CollectorOptions options)
    : core_(store.core()), options_(std::move(options)), background_(store.core().deps.clock, options_.interval) {}

void Collector::start(const Executor& executor) {
  background_.start(executor, [this] { return cycle(); });
}

void Collector::add_to(MetricsRegistry& registry) const {
  registry.add("gabion_gc_entries_total", "Doomed manifests whose blocks were erased.", "", erased_entries_);
  registry.add("gabion_gc_discarded_blocks_total", "Blocks of abandoned writes that were erased.", "", erased_blocks_);
  registry.add("gabion_gc_postponed_total", "Times an entry had to wait for a reader or a drive.", "", postponed_);
}

task<void> Collector::cycle() {
  Context ctx;
  ctx.priority = Priority::background;
  const auto result = co_await run_once(ctx);
  if (!result) LOG(warn, "gc", "collection was interrupted", field("error", result.error().message));
}

task<Result<std::uint64_t>> Collector::run_once(Context ctx) {
  const std::uint64_t discarded = co_await collect_discards(ctx);
  if (options_.collects_here && !options_.collects_here()) co_return discarded;
  std::uint64_t erased = discarded;
  GroupWalk groups(core_.deps.metadata);
  for (;;) {
    CO_TRY(const auto group, co_await groups.next(ctx));
    if (!group) break;
    const Duration grace = groups.several() ? std::max(options_.grace, kSharedGraceMin) : options_.grace;
    CO_TRY(const std::uint64_t doomed, co_await collect_doomed(ctx, *group, grace));
    erased += doomed;
  }
  CO_CHECK(co_await end_old_loans(ctx));
  co_return erased;
}

task<Result<std::uint64_t>> Collector::collect_doomed(Context ctx, metadata::GroupId group, Duration grace) {
  std::uint64_t erased = 0;
  metadata::ManifestId after = 0;
  while (!background_.stopping()) {
    CO_TRY(auto page, co_await core_.deps.metadata.doomed(ctx, group, after, options_.batch));
    if (page.empty()) break;
    after = page.back().manifest();
    std::vector<metadata::Doomed> due;
    for (metadata::Doomed& entry : page) {
      if (entry.doomed_us() + micros(grace) <= core_.deps.clock.wall()) due.push_back(std::move(entry));
    }
    if (due.empty()) continue;
    CO_TRY(const std::uint64_t count, co_await collect_batch(ctx, group, grace, std::move(due)));
    erased += count;
  }
  co_return erased;
}

task<Result<std::vector<metadata::ManifestId>>> Collector::confirm(Context ctx, metadata::GroupId group,
                                                                 std::vector<metadata::ManifestId> ids) {
  if (core_.options.sabotage.collect_unconfirmed) co_return ids;
  metadata::Command command;
  command.set_group(group);
  for (const metadata::ManifestId id : ids) command.mutable_confirm_doomed()->add_manifests(id);
  CO_TRY(const auto result, co_await core_.deps.metadata.commit(ctx, std::move(command)));
  co_return std::vector<metadata::ManifestId>(result.confirmed().begin(), result.confirmed().end());
}

task<Result<std::uint64_t>> Collector::collect_batch(Context ctx, metadata::GroupId group, Duration grace,
                                                      std::vector<metadata::Doomed> entries) {
  std::vector<metadata::ManifestId> ids;
  for (const metadata::Doomed& entry : entries) ids.push_back(entry.manifest());
  CO_TRY(const auto confirmed, co_await confirm(ctx, group, std::move(ids)));
  // Asked after the confirmation: from there on nobody new can find the manifests in the metadata.
  CO_TRY(const auto elsewhere, co_await pinned_elsewhere(ctx));
  const WallMicros asked = core_.deps.clock.wall();
  CO_TRY(const auto others, co_await others_have(ctx, group, confirmed));
  // What went from a group that was asked late to one that was asked early is forgotten by the former after the grace period.
  if (core_.deps.clock.wall() - asked > micros(grace) / 2) {
    co_return Error(Errc::unavailable, "the groups of the metadata took too long to tell what they have");
  }
  const auto pinned = [&](metadata::ManifestId id) {
    return core_.pins.pinned(id) || std::binary_search(elsewhere.begin(), elsewhere.end(), id);
  };
  std::vector<chunkserver::ShardKey> keys;
  metadata::Command finish;
  finish.set_group(group);
  std::vector<metadata::ManifestId> living;
  for (const metadata::Doomed& entry : entries) {
    const bool back = std::find(confirmed.begin(), confirmed.end(), entry.manifest()) == confirmed.end();
    if (back || std::binary_search(others.begin(), others.end(), entry.manifest())) {
      living.push_back(entry.manifest());
      continue;
    }
    // Readers of blocks that were replaced have pinned the manifest that had them.
    const bool read = pinned(entry.manifest()) || (entry.pinned_as() != 0 && pinned(entry.pinned_as()));
    if (read && !core_.options.sabotage.collect_pinned) {
      postponed_.add();
      continue;
    }
    if (!add_keys(keys, entry)) {
      LOG(error, "gc", "a doomed entry is malformed and stays", field("manifest", entry.manifest()));
      continue;
    }
    finish.mutable_finish_doomed()->add_manifests(entry.manifest());
  }
  const auto count = static_cast<std::uint64_t>(finish.finish_doomed().manifests_size());
  if (count == 0 && living.empty()) co_return std::uint64_t{0};
  // Asking took a while, in which another node may have begun to collect.
  if (options_.collects_here && !options_.collects_here()) co_return std::uint64_t{0};
  const bool gone = co_await erase(ctx, std::move(keys));
  if (!gone) {
    postponed_.add(count);
    co_return std::uint64_t{0};
  }
  // Asked at the last moment, and after the entries were read: one that is there during a search for orphans is so until its end.
  CO_TRY(const bool sought, co_await orphans_are_sought(ctx));
  if (!sought) {
    for (const metadata::ManifestId id : living) finish.mutable_finish_doomed()->add_manifests(id);
  }
  if (finish.finish_doomed().manifests_size() == 0) co_return std::uint64_t{0};
  CO_CHECK(co_await core_.deps.metadata.commit(ctx, std::move(finish)));
  erased_entries_.add(count);
  co_return count;
}

// Whoever walks all groups meets here what was live at the beginning, wherever it went: see orphans.h. Nobody walks before the
// fence is made, which may take as long as older rings are kept.
task<Result<bool>> Collector::orphans_are_sought(Context ctx) {
  CO_TRY(const auto current, co_await core_.deps.metadata.cluster_state(ctx));
  co_return std::any_of(current.state.jobs().begin(), current.state.jobs().end(), [](const metadata::Job& job) {
    const bool open = job.state() == metadata::JOB_RUNNING || job.state() == metadata::JOB_PAUSED;
    return job.kind() == metadata::JOB_ORPHANS && job.epoch() != 0 && open;
  });
}

// In order. A manifest that goes from group to group while they are asked one after the other cannot slip through: where it
// was live a moment ago it is doomed now, for as long as the grace period, and that counts as well.
task<Result<std::vector<metadata::ManifestId>>> Collector::others_have(Context ctx, metadata::GroupId group,
                                                                     std::vector<metadata::ManifestId> ids) {
  std::vector<metadata::ManifestId> all;
  if (core_.options.sabotage.collect_shared) co_return all;
  std::sort(ids.begin(), ids.end());
  GroupWalk groups(core_.deps.metadata);
  for (;;) {
    CO_TRY(const auto other, co_await groups.next(ctx));
    if (!other) break;
    if (*other == group) continue;
    CO_TRY(const auto there, co_await core_.deps.metadata.live_manifests(ctx, *other, ids));
    all.insert(all.end(), there.begin(), there.end());
    std::erase_if(ids, [&](metadata::ManifestId id) { return std::binary_search(there.begin(), there.end(), id); });
    CO_TRY(const auto doomed, co_await doomed_in(ctx, *other, ids));
    all.insert(all.end(), doomed.begin(), doomed.end());
  }
  std::sort(all.begin(), all.end());
  co_return all;
}

// Of `ids`, in order, those on the group's list of what is to be erased: as few pages of it as have them.
task<Result<std::vector<metadata::ManifestId>>> Collector::doomed_in(Context ctx, metadata::GroupId group,
                                                                   std::vector<metadata::ManifestId> ids) {
  std::vector<metadata::ManifestId> doomed;
  for (auto id = ids.begin(); id != ids.end();) {
    CO_TRY(const auto page, co_await core_.deps.metadata.doomed(ctx, group, *id - 1, options_.batch));
    if (page.empty()) break;
    const auto before = [](const metadata::Doomed& entry, metadata::ManifestId wanted) { return entry.manifest() < wanted; };
    for (; id != ids.end() && *id <= page.back().manifest(); ++id) {
      const auto at = std::lower_bound(page.begin(), page.end(), *id, before);
      if (at->manifest() == *id) doomed.push_back(*id);
    }
  }
  co_return doomed;
}

// Where a copy between groups was interrupted.
task<Result<void>> Collector::end_old_loans(Context ctx) {
  const WallMicros now = core_.deps.clock.wall();
  if (now < loans_looked_at_ + micros(options_.loan_age) / 4) co_return Result<void>();
  CO_TRY(const auto groups, co_await core_.deps.metadata.groups(ctx));
  for (const metadata::GroupId group : groups) {
    metadata::Command command;
    command.set_group(group);
    command.mutable_end_loan()->set_before_us(now - std::min(now, micros(options_.loan_age)));
    command.mutable_end_loan()->set_limit(kLoansAtOnce);
    for (bool more = groups.size() > 1; more && !background_.stopping();) {
      CO_TRY(const auto result, co_await core_.deps.metadata.commit(ctx, command));
      more = result.more();
    }
  }
  loans_looked_at_ = now;
  co_return Result<void>();
}

// In order.
task<Result<std::vector<metadata::ManifestId>>> Collector::pinned_elsewhere(Context ctx) {
  if (!options_.pinned_elsewhere || core_.options.sabotage.collect_pinned_elsewhere) {
    co_return std::vector<metadata::ManifestId>();
  }
  CO_TRY(auto pinned, co_await options_.pinned_elsewhere(ctx));
  std::sort(pinned.begin(), pinned.end());
  co_return pinned;
}

task<std::uint64_t> Collector::collect_discards(Context ctx) {
  std::uint64_t erased = 0;
  // No more than there are now: what cannot be erased goes back to the end of the queue.
  for (std::size_t left = core_.discards.size(); left > 0 && !background_.stopping();) {
    const auto batch = core_.discards.take(std::min(left, options_.batch));
    if (batch.empty()) break;
    left -= batch.size();
    std::vector<chunkserver::ShardKey> keys;
    for (const Discard& discard : batch) add_keys(keys, discard.block, discard.shards);
    if (co_await erase(ctx, std::move(keys))) {
      erased += batch.size();
      erased_blocks_.add(batch.size());
    } else {
      for (const Discard& discard : batch) core_.discards.add(discard);
    }
  }
  co_return erased;
}

task<bool> Collector::erase(Context ctx, std::vector<chunkserver::ShardKey> keys) {
  if (keys.empty()) co_return true;
  const auto view = core_.deps.placement.view();
  std::vector<task<bool>> removals;
  bool all_up = true;
  for (const Placement::Member& drive : view->drives) {
    if (drive.state == DriveState::up) removals.push_back(erase_from(*drive.store, ctx, keys));
    else all_up = false;
  }
  const auto removed = co_await gather(std::move(removals));
  // A ring that came meanwhile may know drives that were not asked.
  const bool current = core_.deps.placement.view()->epoch() == view->epoch() && !core_.deps.placement.behind();
  co_return all_up && current && std::all_of(removed.begin(), removed.end(), [](bool ok) { return ok; });
}

}  // namespace gabion::gateway::data
