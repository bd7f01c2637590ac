#include "gateway/data/scrub.h"

#include "common/log.h"
#include "gateway/data/group_walk.h"

namespace gabion::gateway::data {
namespace {

constexpr std::size_t kShardsPerPage = 256;
constexpr std::size_t kManifestsPerPage = 256;
constexpr std::size_t kAwayMax = 200'000;  // strays looked after in one scrub

}  // namespace

Scrubber::Scrubber(BlockStore& store, Repairer& repairer, ScrubOptions options)
    : core_(store.core()), repairer_(repairer), options_(options), background_(store.core().deps.clock, options.retry) {}

void Scrubber::start(const Executor& executor) {
  background_.start(executor, [this] { return cycle(); });
}

void Scrubber::set_drives(std::vector<LocalDrive> drives) {
  const std::lock_guard lock(mutex_);
  drives_ = std::move(drives);
}

void Scrubber::assign(std::optional<Assignment> assignment) {
  if (work_.assign(std::move(assignment))) background_.wake();
}

bool Scrubber::goes_on(std::uint64_t job) const {
  const auto now = work_.current();
  return !background_.stopping() && now && now->job == job;
}

// False when there is nothing to go on with.
task<bool> Scrubber::wait_while_paused(std::uint64_t job) {
  for (;;) {
    const auto now = work_.current();
    if (!goes_on(job) || !now) co_return false;
    if (!now->paused) co_return true;
    co_await core_.deps.clock.sleep(std::chrono::milliseconds(500));
  }
}

task<void> Scrubber::cycle() {
  const auto begun = work_.current();
  if (!begun || begun->paused || progress().finished) co_return;
  Context ctx;
  ctx.priority = Priority::background;
  const auto done = co_await carry_out(ctx, begun->job);
  if (done || !goes_on(begun->job)) co_return;
  LOG(warn, "scrub", "the scrub begins anew later", field("job", begun->job), field("error", done.error().message));
}

task<Result<void>> Scrubber::carry_out(Context ctx, std::uint64_t job) {
  std::vector<LocalDrive> drives;
  {
    const std::lock_guard lock(mutex_);
    drives = drives_;
  }
  {
    const auto progress = work_.edit();
    const Share share = progress->share;
    *progress = {};
    progress->job = job;
    progress->share = share;
  }
  std::vector<task<Result<Findings>>> work;
  for (const LocalDrive& drive : drives) {
    const auto status = co_await drive.store->status(ctx);
    // One that failed has nothing to verify: what it had is made anew elsewhere.
    if (!status || status->health != chunkserver::DriveHealth::up) continue;
    {
      const auto progress = work_.edit();
      progress->shards_total += status->shards;
    }
    work.push_back(verify_drive(ctx, job, drive));
  }
  auto found = co_await gather(std::move(work));
  Findings all;
  for (auto& one : found) {
    if (!one && one.error().code == Errc::unavailable) continue;  // it failed meanwhile
    if (!one) co_return one.error();
    all.bad.merge(one->bad);
    all.away.merge(one->away);
  }
  CO_CHECK(co_await find_owners(ctx, job, std::move(drives), std::move(all)));
  const auto progress = work_.edit();
  progress->finished = true;
  co_return Result<void>();
}

bool Scrubber::is_away(const DriveId& drive, const chunkserver::ShardKey& key) const {
  const auto view = core_.deps.placement.view();
  const auto home = view->home(key.block, key.index);
  return home && view->drives[*home].id != drive;
}

task<Result<Scrubber::Findings>> Scrubber::verify_drive(Context ctx, std::uint64_t job, LocalDrive drive) {
  RateLimit limit(core_.deps.clock, options_.bytes_per_second);
  Findings findings;
  std::optional<chunkserver::ShardKey> from = chunkserver::ShardKey();
  while (from) {
    CO_TRY(const auto page, co_await drive.store->list(ctx, *from, kShardsPerPage));
    for (const chunkserver::ShardInfo& shard : page.shards) {
      const bool on = co_await wait_while_paused(job);
      if (!on) co_return Error(Errc::cancelled, "the job was interrupted");
      co_await limit.take(shard.length);
      const auto good = co_await drive.verify(ctx, shard.key);
      // Removed since it was listed: it is looked for with the manifests.
      const bool damaged = !good && good.error().code == Errc::corrupt;
      if (!good && !damaged && good.error().code != Errc::not_found) co_return good.error();
      if (damaged) findings.bad.emplace(drive.id, shard.key);
      if (is_away(drive.id, shard.key) && findings.away.size() < kAwayMax) findings.away.emplace(drive.id, shard.key);
      const auto progress = work_.edit();
      ++progress->shards_done;
      progress->bytes_verified += shard.length;
    }
    from = page.more && !page.shards.empty() ? next_key(page.shards.back().key) : std::nullopt;
  }
  co_return findings;
}

task<Result<void>> Scrubber::find_owners(Context ctx, std::uint64_t job, std::vector<LocalDrive> drives,
                                         Findings findings) {
  GroupWalk groups(core_.deps.metadata);
  for (;;) {
    CO_TRY(const auto group, co_await groups.next(ctx));
    if (!group) break;
    CO_CHECK(co_await find_owners_in(ctx, *group, job, drives, findings));
  }
  repairer_.wake();
  co_return Result<void>();
}

task<Result<void>> Scrubber::find_owners_in(Context ctx, metadata::GroupId group, std::uint64_t job,
                                            const std::vector<LocalDrive>& drives, const Findings& findings) {
  metadata::ManifestId after = 0;
  for (;;) {
    const bool on = co_await wait_while_paused(job);
    if (!on) co_return Error(Errc::cancelled, "the job was interrupted");
    CO_TRY(const auto page, co_await core_.deps.metadata.manifests(ctx, group, after, kManifestsPerPage));
    if (page.empty()) co_return Result<void>();
    after = page.back().id;
    for (const auto& entry : page) {
      for (int i = 0; i < entry.manifest.blocks_size(); ++i) {
        const auto block = block_ref(entry.manifest, entry.id, i);
        if (block) co_await look_at(ctx, *block, drives, findings);
      }
    }
  }
}

task<void> Scrubber::look_at(Context ctx, BlockRef block, const std::vector<LocalDrive>& drives, const Findings& findings) {
  const auto view = core_.deps.placement.view();
  for (unsigned shard = 0; shard < BlockLayout(block).shards(); ++shard) {
    const auto home = view->home(block.id, shard);
    // One that is on its way is looked after by the rebalance.
    if (!home || !view->former_homes(block.id, shard).empty()) continue;
    const chunkserver::ShardKey key{block.id, static_cast<std::uint8_t>(shard)};
    for (const LocalDrive& drive : drives) {
      if (view->drives[*home].id == drive.id) co_await look_at_home(ctx, block, shard, drive, findings.bad);
      else if (findings.away.contains({drive.id, key})) co_await remove_stray(ctx, block, shard, drive);
    }
  }
}

task<void> Scrubber::look_at_home(Context ctx, BlockRef block, unsigned shard, const LocalDrive& drive, const Shards& bad) {
  const chunkserver::ShardKey key{block.id, static_cast<std::uint8_t>(shard)};
  bool broken = bad.contains({drive.id, key});
  if (!broken) {
    const auto info = co_await drive.store->stat(ctx, key);
    broken = !info && info.error().code == Errc::not_found;
  }
  if (!broken) co_return;
  core_.repairs.add(block, shard);
  const auto progress = work_.edit();
  ++progress->bad_shards;
}

// Only when home has the shard, whole and good, by the ring that is current from the look to the removal.
task<void> Scrubber::remove_stray(Context ctx, BlockRef block, unsigned shard, const LocalDrive& drive) {
  const auto view = core_.deps.placement.view();
  const RingsInUse::Mark mark = core_.move_rings.mark(view->epoch());
  ctx.ring_epoch = view->epoch();  // a chunk server that knows a newer ring refuses what was decided by this one
  const auto home = view->home(block.id, shard);
  if (!home || !view->up(*home) || view->drives[*home].id == drive.id) co_return;
  const chunkserver::ShardKey key{block.id, static_cast<std::uint8_t>(shard)};
  const std::size_t bytes = BlockLayout(block).shard_bytes();
  const auto lease = co_await core_.deps.memory.acquire(ctx, bytes);
  if (!lease) co_return;
  const auto good = co_await view->drives[*home].store->read(ctx, key, 0, 0);
  if (!good || good->size() != bytes) co_return;
  if (core_.deps.placement.view()->epoch() != view->epoch() || core_.deps.placement.behind()) co_return;
  const auto removed = co_await drive.store->remove(ctx, std::vector<chunkserver::ShardKey>(1, key));
  if (!removed) co_return;
  const auto progress = work_.edit();
  ++progress->strays;
}

}  // namespace gabion::gateway::data
