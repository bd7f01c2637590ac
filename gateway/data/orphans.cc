#include "gateway/data/orphans.h"

#include <algorithm>

#include "common/log.h"
#include "gateway/data/group_walk.h"

namespace gabion::gateway::data {
namespace {

constexpr std::size_t kShardsPerPage = 1024;
constexpr std::size_t kEntriesPerPage = 256;  // of the metadata
constexpr Duration kPausePoll = std::chrono::milliseconds(500);

chunkserver::ShardKey first_key(OrphanCandidates::Prefix prefix) {
  chunkserver::ShardKey key;
  store_le(key.block.bytes.data(), __builtin_bswap64(prefix));
  return key;
}

std::optional<chunkserver::ShardKey> next_page(const chunkserver::ShardPage& page) {
  return page.more && !page.shards.empty() ? next_key(page.shards.back().key) : std::nullopt;
}

Error interrupted() { return {Errc::cancelled, "the job was interrupted"}; }

Result<void> mark_all(OrphanCandidates& candidates, const google::protobuf::RepeatedPtrField<metadata::Block>& blocks) {
  for (const metadata::Block& block : blocks) {
    const auto id = BlockId::from_raw(block.id());
    if (!id) return Error(Errc::corrupt, "the metadata has a block whose id is none");
    candidates.mark_live(*id);
  }
  return {};
}

}  // namespace

OrphanSweeper::OrphanSweeper(BlockStore& store, SweepOptions options)
    : core_(store.core()),
      options_(options),
      background_(store.core().deps.clock, options.retry),
      limit_(store.core().deps.clock, options.entries_per_second) {}

void OrphanSweeper::start(const Executor& executor) {
  background_.start(executor, [this] { return cycle(); });
}

void OrphanSweeper::set_drives(std::vector<LocalDrive> drives) {
  const std::lock_guard lock(mutex_);
  drives_ = std::move(drives);
}

void OrphanSweeper::assign(std::optional<Assignment> assignment) {
  if (work_.assign(std::move(assignment))) background_.wake();
}

void OrphanSweeper::add_to(MetricsRegistry& registry) const {
  registry.add("gabion_orphans_shards_total", "Shards removed that nothing referred to.", "", shards_);
  registry.add("gabion_orphans_bytes_total", "Bytes of those shards.", "", bytes_);
}

bool OrphanSweeper::goes_on(std::uint64_t job) const {
  const auto now = work_.current();
  return !background_.stopping() && now && now->job == job;
}

// False when there is nothing to go on with.
task<bool> OrphanSweeper::wait_while_paused(std::uint64_t job) {
  for (;;) {
    const auto now = work_.current();
    if (!goes_on(job) || !now) co_return false;
    if (!now->paused) co_return true;
    co_await core_.deps.clock.sleep(kPausePoll);
  }
}

task<Result<void>> OrphanSweeper::take_turn(std::uint64_t job, std::uint64_t entries) {
  co_await limit_.take(entries);
  const bool on = co_await wait_while_paused(job);
  if (!on) co_return interrupted();
  co_return Result<void>();
}

task<void> OrphanSweeper::cycle() {
  const auto begun = work_.current();
  if (!begun || begun->paused || progress().finished) co_return;
  Context ctx;
  ctx.priority = Priority::background;
  const Sabotage& sabotage = core_.options.sabotage;
  const bool stands = begun->stands || sabotage.orphans_without_fence || (sabotage.orphans_before_fence && begun->fence != 0);
  Result<void> done;
  if (begun->fence == 0 || (sabotage.orphans_late_note && !stands)) done = co_await note(ctx, begun->job);
  if (done && stands) done = co_await sweep(ctx, begun->job);
  if (done || !goes_on(begun->job)) co_return;
  LOG(warn, "orphans", "looking for orphans goes on later", field("job", begun->job), field("error", done.error().message));
}

task<Result<metadata::Job>> OrphanSweeper::open_job(Context ctx, std::uint64_t job) {
  CO_TRY(const auto current, co_await core_.deps.metadata.cluster_state(ctx));
  for (const metadata::Job& other : current.state.jobs()) {
    const bool open = other.state() == metadata::JOB_RUNNING || other.state() == metadata::JOB_PAUSED;
    if (other.id() == job && open) co_return other;
  }
  co_return Error(Errc::not_found, "the job is over");
}

// --- The moment ---

task<Result<void>> OrphanSweeper::note(Context ctx, std::uint64_t job) {
  const bool again = core_.options.sabotage.orphans_late_note;
  if (note_.job != job || again) {
    Note fresh;
    fresh.job = job;
    {
      const std::lock_guard lock(mutex_);
      for (const LocalDrive& drive : drives_) fresh.drives.push_back({drive, drive.position()});
    }
    // Read after the positions: the fence is made later than they were noted.
    CO_TRY(const metadata::Job open, co_await open_job(ctx, job));
    if (open.epoch() != 0 && !again) co_return Error(Errc::conflict, "the fence was made before the moment was noted");
    note_ = std::move(fresh);
  }
  const auto progress = work_.edit();
  if (progress->job == job) progress->ready = true;
  co_return Result<void>();
}

// --- The sweep ---

void OrphanSweeper::leave_out(const DriveId& drive, const Error& why) {
  LOG(warn, "orphans", "orphans on a drive are left for another time", field("drive", drive.to_hex()), field("why", why.message));
  ++work_.edit()->drives_left_out;
}

task<Result<OrphanSweeper::Drives>> OrphanSweeper::drives_to_sweep(Context ctx, std::uint64_t job) {
  Drives noted, out;
  if (note_.job == job) noted = note_.drives;
  std::vector<LocalDrive> here;
  {
    const std::lock_guard lock(mutex_);
    here = drives_;
  }
  {
    const auto progress = work_.edit();
    progress->drives_left_out = progress->shards_total = 0;
  }
  for (const LocalDrive& drive : here) {
    const bool known = std::any_of(noted.begin(), noted.end(), [&](const auto& n) { return n.drive.id == drive.id; });
    if (!known) leave_out(drive.id, Error(Errc::conflict, "it was not here, or this node started, after the job had begun"));
  }
  for (NotedDrive& each : noted) {
    const auto status = co_await each.drive.store->status(ctx);
    if (!status || status->health != chunkserver::DriveHealth::up) {
      leave_out(each.drive.id, Error(Errc::unavailable, "it does not work"));
      continue;
    }
    const auto progress = work_.edit();
    progress->shards_total += status->shards;
    out.push_back(std::move(each));
  }
  co_return out;
}

task<Result<void>> OrphanSweeper::sweep(Context ctx, std::uint64_t job) {
  CO_TRY(Drives drives, co_await drives_to_sweep(ctx, job));
  for (bool all = drives.empty(); !all;) {
    OrphanCandidates candidates(note_.from, options_.memory_bytes);
    CO_CHECK(co_await sweep_slice(ctx, job, drives, candidates));
    all = candidates.reaches_end() || drives.empty();
    note_.from = candidates.last() + 1;
  }
  const auto progress = work_.edit();
  if (progress->job != job) co_return interrupted();
  progress->finished = true;
  LOG(info, "orphans", "the drives of this node are swept", field("job", job), field("removed_shards", progress->removed_shards),
      field("removed_bytes", progress->removed_bytes), field("drives_left_out", progress->drives_left_out));
  co_return Result<void>();
}

task<Result<void>> OrphanSweeper::sweep_slice(Context ctx, std::uint64_t job, Drives& drives, OrphanCandidates& candidates) {
  CO_CHECK(co_await collect(ctx, job, drives, candidates));
  if (candidates.empty()) co_return Result<void>();
  CO_CHECK(co_await mark_live(ctx, job, candidates));
  CO_CHECK(co_await open_job(ctx, job));
  co_return co_await remove_orphans(ctx, job, drives, candidates);
}

task<Result<void>> OrphanSweeper::collect(Context ctx, std::uint64_t job, Drives& drives, OrphanCandidates& candidates) {
  Drives listed;
  for (NotedDrive& each : drives) {
    std::optional<chunkserver::ShardKey> from = first_key(candidates.from());
    Result<void> readable;
    while (readable && from && OrphanCandidates::prefix_of(from->block) <= candidates.last()) {
      const auto page = co_await each.drive.list_before(ctx, each.position, *from, kShardsPerPage);
      if (!page) readable = page.error();
      if (!page) break;
      CO_CHECK(co_await take_turn(job, page->shards.size()));
      for (const chunkserver::ShardInfo& shard : page->shards) candidates.add(shard.key.block);
      from = next_page(*page);
    }
    if (readable) listed.push_back(std::move(each));
    else leave_out(each.drive.id, readable.error());
  }
  drives = std::move(listed);
  candidates.seal();
  co_return Result<void>();
}

task<Result<void>> OrphanSweeper::mark_live(Context ctx, std::uint64_t job, OrphanCandidates& candidates) {
  GroupWalk groups(core_.deps.metadata);
  for (;;) {
    CO_TRY(const auto group, co_await groups.next(ctx));
    if (!group) co_return Result<void>();
    if (core_.options.sabotage.orphans_of_one_group && *group != metadata::kRootGroup) continue;
    CO_CHECK(co_await mark_group(ctx, job, *group, candidates));
  }
}

task<Result<void>> OrphanSweeper::mark_group(Context ctx, std::uint64_t job, metadata::GroupId group,
                                             OrphanCandidates& candidates) {
  for (metadata::ManifestId after = 0;;) {
    CO_TRY(const auto page, co_await core_.deps.metadata.manifests(ctx, group, after, kEntriesPerPage));
    if (page.empty()) break;
    CO_CHECK(co_await take_turn(job, page.size()));
    after = page.back().id;
    for (const auto& entry : page) CO_CHECK(mark_all(candidates, entry.manifest.blocks()));
  }
  if (core_.options.sabotage.orphans_deleted) co_return Result<void>();
  // Afterwards: what was deleted meanwhile is here.
  for (metadata::ManifestId after = 0;;) {
    CO_TRY(const auto page, co_await core_.deps.metadata.doomed(ctx, group, after, kEntriesPerPage));
    if (page.empty()) break;
    CO_CHECK(co_await take_turn(job, page.size()));
    after = page.back().manifest();
    for (const metadata::Doomed& entry : page) CO_CHECK(mark_all(candidates, entry.blocks()));
  }
  co_return Result<void>();
}

task<Result<void>> OrphanSweeper::remove_orphans(Context ctx, std::uint64_t job, Drives& drives,
                                                 const OrphanCandidates& candidates) {
  for (const NotedDrive& each : drives) {
    std::optional<chunkserver::ShardKey> from = first_key(candidates.from());
    while (from && OrphanCandidates::prefix_of(from->block) <= candidates.last()) {
      CO_TRY(const auto page, co_await each.drive.list_before(ctx, each.position, *from, kShardsPerPage));
      std::vector<chunkserver::ShardKey> orphans;
      std::uint64_t bytes = 0, looked_at = 0;
      for (const chunkserver::ShardInfo& shard : page.shards) {
        if (OrphanCandidates::prefix_of(shard.key.block) > candidates.last()) break;
        ++looked_at;
        if (!candidates.orphan(shard.key.block)) continue;
        orphans.push_back(shard.key);
        bytes += shard.length;
      }
      CO_CHECK(co_await take_turn(job, page.shards.size()));
      const std::uint64_t count = orphans.size();
      if (count != 0) CO_CHECK(co_await each.drive.store->remove(ctx, std::move(orphans)));
      shards_.add(count);
      bytes_.add(bytes);
      from = next_page(page);
      const auto progress = work_.edit();
      progress->shards_done += looked_at;
      progress->removed_shards += count;
      progress->removed_bytes += bytes;
    }
  }
  co_return Result<void>();
}

}  // namespace gabion::gateway::data
