#include "gateway/data/repair.h"

#include <algorithm>

#include "common/log.h"
#include "gateway/data/encode.h"
#include "gateway/data/group_walk.h"

namespace gabion::gateway::data {
namespace {

constexpr std::size_t kIntentsPerPage = 1024;
constexpr std::size_t kIntentsAtOnce = 32 * kIntentsPerPage;  // that are sorted and carried out
constexpr std::size_t kLookedMax = 200'000;

std::optional<BlockRef> find_block(const metadata::Manifest& manifest, metadata::ManifestId id, const std::string& raw) {
  for (int i = 0; i < manifest.blocks_size(); ++i) {
    if (manifest.blocks(i).id() != raw) continue;
    const auto block = block_ref(manifest, id, i);
    if (block) return *block;
  }
  return std::nullopt;
}

Error ring_changed() { return {Errc::conflict, "the ring changed while a block was repaired"}; }

}  // namespace

Repairer::Repairer(BlockStore& store, RepairOptions options)
    : core_(store.core()), background_(store.core().deps.clock, options.interval),
      limit_(store.core().deps.clock, options.bytes_per_second) {}

void Repairer::start(const Executor& executor) {
  core_.repairs.on_add([this] { background_.wake(); });
  background_.start(executor, [this] { return cycle(); });
}

task<void> Repairer::stop() {
  core_.repairs.on_add(nullptr);
  co_await background_.stop();
}

Repairer::Progress Repairer::progress() const {
  Progress progress;
  progress.repaired_shards = shards_.value();
  progress.repaired_bytes = bytes_.value();
  progress.failed_blocks = failures_.value();
  progress.waiting_blocks = waiting_.load();
  progress.rounds_begun = rounds_begun_.load();
  progress.rounds_ended = rounds_ended_.load();
  progress.all_settled = settled_.load();
  return progress;
}

void Repairer::add_to(MetricsRegistry& registry) const {
  registry.add("gabion_repair_shards_total", "Shards brought back to their home drives.", "", shards_);
  registry.add("gabion_repair_bytes_total", "Plaintext bytes of the blocks that were repaired.", "", bytes_);
  registry.add("gabion_repair_failures_total", "Attempts to repair a block that failed.", "", failures_);
  registry.add("gabion_repair_waiting_blocks", "Blocks that wait for repair, as of the last look.", "",
               [this] { return static_cast<double>(waiting_.load()); });
  registry.add("gabion_moving_blocks_at_once", "Blocks that may be repaired or moved at once; below 1 the share of the time.", "",
               [this] { return core_.pace.level(); });
}

task<void> Repairer::cycle() {
  Context ctx;
  ctx.priority = Priority::background;
  co_await core_.deps.placement.refresh(ctx);
  auto flushed = co_await flush(ctx);
  if (!flushed) LOG(warn, "repair", "bad shards could not be recorded", field("error", flushed.error().message));
  const auto done = co_await run_once(ctx);
  if (!done) LOG(warn, "repair", "repair was interrupted", field("error", done.error().message));
}

task<Result<void>> Repairer::flush(Context ctx) {
  const auto intents = core_.repairs.take();
  if (intents.empty()) co_return Result<void>();
  const auto recorded = co_await record(ctx, intents);
  if (!recorded) core_.repairs.put_back(intents);
  co_return recorded;
}

task<Result<void>> Repairer::record(Context ctx, std::vector<metadata::RepairIntent> intents) {
  metadata::Command command;
  for (metadata::RepairIntent& intent : intents) *command.mutable_add_repairs()->add_intents() = std::move(intent);
  GroupWalk groups(core_.deps.metadata);
  for (;;) {
    CO_TRY(const auto group, co_await groups.next(ctx));
    if (!group) co_return Result<void>();
    command.set_group(*group);
    CO_CHECK(co_await core_.deps.metadata.commit(ctx, command));
  }
}

void Repairer::set_share(Share share) {
  const std::lock_guard lock(mutex_);
  share_ = share;
}

Share Repairer::share() const {
  const std::lock_guard lock(mutex_);
  return share_;
}

task<Result<bool>> Repairer::run_once(Context ctx) {
  rounds_begun_.fetch_add(1);
  const auto settled = co_await run_round(ctx);
  settled_.store(settled && *settled && !background_.stopping());
  rounds_ended_.fetch_add(1);
  if (!settled) co_return settled.error();
  co_return waiting_.load() == 0;
}

task<Result<bool>> Repairer::run_round(Context ctx) {
  Left all;
  const Share mine = share();
  GroupWalk groups(core_.deps.metadata);
  while (!background_.stopping()) {
    CO_TRY(const auto group, co_await groups.next(ctx));
    if (!group) break;
    CO_TRY(const Left left, co_await run_round_in(ctx, *group, mine));
    all.kept += left.kept;
    all.settled &= left.settled;
  }
  waiting_.store(all.kept);
  co_return all.settled;
}

task<Result<Repairer::Left>> Repairer::run_round_in(Context ctx, metadata::GroupId group, Share mine) {
  Left left;
  std::string after;
  for (bool more = true; more && !background_.stopping();) {
    Batch batch;
    batch.group = group;
    CO_TRY(more, co_await fill(ctx, batch, after, mine));
    std::vector<task<bool>> lanes;
    for (std::size_t i = 0; i < std::min(core_.pace.most(), batch.intents.size()); ++i) lanes.push_back(work_on(ctx, batch));
    co_await gather(std::move(lanes));
    if (!batch.outcome) co_return batch.outcome.error();
    left.kept += batch.left.kept;
    left.settled &= batch.left.settled;
  }
  co_return left;
}

// The next intents that are this member's, those first whose blocks have the most shards gone: they have the least to spare.
// Gives whether there may be more.
task<Result<bool>> Repairer::fill(Context ctx, Batch& batch, std::string& after, Share mine) {
  bool more = true;
  while (more && batch.intents.size() < kIntentsAtOnce) {
    CO_TRY(auto page, co_await core_.deps.metadata.repairs(ctx, batch.group, after, kIntentsPerPage));
    more = !page.empty();
    if (more) after = page.back().block();
    for (metadata::RepairIntent& intent : page) {
      const auto block = BlockId::from_raw(intent.block());
      if (!block || mine.owns(*block)) batch.intents.push_back(std::move(intent));
    }
  }
  std::stable_sort(batch.intents.begin(), batch.intents.end(),
                   [](const auto& a, const auto& b) { return a.shards_size() > b.shards_size(); });
  co_return more;
}

// One after the other, beside others that do the same.
task<bool> Repairer::work_on(Context ctx, Batch& batch) {
  while (batch.outcome && !batch.intents.empty() && !background_.stopping()) {
    const metadata::RepairIntent intent = std::move(batch.intents.front());
    batch.intents.pop_front();
    Result<Outcome> outcome = Outcome::kept;
    if (!hopeless(intent)) outcome = co_await carry_out_in_turn(ctx, batch.group, intent);
    if (!outcome) batch.outcome = outcome.error();
    if (!outcome || *outcome == Outcome::done || *outcome == Outcome::gone) continue;
    ++batch.left.kept;
    if (*outcome == Outcome::kept) batch.left.settled = false;
  }
  co_return true;
}

task<Result<Repairer::Outcome>> Repairer::carry_out_in_turn(Context ctx, metadata::GroupId group, metadata::RepairIntent intent) {
  const auto turn = co_await core_.pace.turn();
  co_return co_await carry_out(ctx, group, std::move(intent));
}

task<Result<Repairer::Outcome>> Repairer::carry_out(Context ctx, metadata::GroupId group, metadata::RepairIntent intent) {
  const auto view = looked_view_;
  const auto outcome = co_await repair(ctx, group, intent);
  if (!outcome) {
    failures_.add();
    LOG(warn, "repair", "block could not be repaired now", field("error", outcome.error().message));
    co_return outcome.error().code == Errc::corrupt ? Outcome::lost : Outcome::kept;
  }
  if (*outcome == Outcome::kept) {
    if (looked_.size() < kLookedMax && view == looked_view_) looked_.insert(intent.block());
    co_return Outcome::kept;
  }
  if (const auto id = BlockId::from_raw(intent.block())) core_.repairs.forget(*id);
  metadata::Command finish;
  finish.set_group(group);
  finish.mutable_finish_repair()->set_block(intent.block());
  *finish.mutable_finish_repair()->mutable_shards() = intent.shards();
  CO_CHECK(co_await core_.deps.metadata.commit(ctx, std::move(finish)));
  co_return *outcome;
}

task<Result<bool>> Repairer::make_whole(Context ctx, metadata::GroupId group, metadata::ManifestId manifest, BlockId block,
                                        std::vector<unsigned> shards) {
  metadata::RepairIntent intent;
  intent.set_manifest(manifest);
  intent.set_block(std::string(block.raw()));
  for (const unsigned shard : shards) intent.add_shards(shard);
  CO_TRY(const Outcome outcome, co_await repair(ctx, group, std::move(intent)));
  if (outcome == Outcome::kept) co_return Error(Errc::unavailable, "a drive that the block belongs to does not work");
  co_return outcome == Outcome::done;
}

bool Repairer::hopeless(const metadata::RepairIntent& intent) {
  auto view = core_.deps.placement.view();
  if (view != looked_view_) {
    looked_.clear();
    looked_view_ = std::move(view);
  }
  const auto block = BlockId::from_raw(intent.block());
  if (!block || !looked_.contains(intent.block())) return false;
  return std::none_of(intent.shards().begin(), intent.shards().end(), [&](unsigned shard) {
    const auto home = looked_view_->home(*block, shard);
    return home && looked_view_->up(*home);
  });
}

task<Result<Repairer::Outcome>> Repairer::repair(Context ctx, metadata::GroupId group, metadata::RepairIntent intent) {
  // Pinned before it is looked up: a shard written now cannot cross the collector's removal of the block.
  const Pins::Pin pin = core_.pins.pin(intent.manifest());
  auto manifest = co_await core_.deps.metadata.manifest(ctx, group, intent.manifest());
  if (!manifest && manifest.error().code == Errc::not_found) co_return Outcome::gone;
  if (!manifest) co_return manifest.error();
  const auto block = find_block(*manifest, intent.manifest(), intent.block());
  if (!block) co_return Outcome::gone;
  CO_TRY(auto open, co_await open_manifest(core_, ctx, intent.manifest(), std::move(*manifest)));
  std::vector<unsigned> shards;
  const unsigned count = BlockLayout(*block).shards();
  for (const unsigned shard : intent.shards()) {
    if (shard < count) shards.push_back(shard);
  }
  co_return co_await repair_block(ctx, std::move(open), *block, std::move(shards));
}

task<Result<Repairer::Outcome>> Repairer::repair_block(Context ctx, std::shared_ptr<OpenManifest> open, BlockRef block,
                                                       std::vector<unsigned> shards) {
  const RingsInUse::Mark mark = core_.move_rings.mark(core_.deps.placement.view()->epoch());
  CO_TRY(const bool away, co_await all_safe_away_from_dead_homes(ctx, block, shards));
  if (away) co_return Outcome::kept;
  co_await limit_.take(block.length);
  const std::set<unsigned> doubtful(shards.begin(), shards.end());
  CO_TRY(const Buffer sealed, co_await read_sealed_block(core_, ctx, std::move(open), block, 0, doubtful));
  std::vector<Bytes> coded = encode_shards(core_, block, sealed, shards);
  std::vector<task<Result<Outcome>>> placing;
  for (std::size_t i = 0; i < shards.size(); ++i) placing.push_back(place(ctx, block, shards[i], std::move(coded[i])));
  Outcome outcome = Outcome::done;
  for (const auto& one : co_await gather(std::move(placing))) {
    if (!one) co_return one.error();
    if (*one == Outcome::kept) outcome = Outcome::kept;
  }
  co_return outcome;
}

// Whether a drive other than the home has the shard.
task<Result<bool>> Repairer::is_away(Context ctx, BlockRef block, unsigned shard) {
  const auto view = core_.deps.placement.view();
  const auto home = view->home(block.id, shard);
  for (std::size_t drive = 0; drive < view->drives.size(); ++drive) {
    if (drive == home || !view->up(drive)) continue;
    const chunkserver::ShardKey key{block.id, static_cast<std::uint8_t>(shard)};
    const auto info = co_await view->drives[drive].store->stat(ctx, key);
    if (info) co_return true;
  }
  co_return false;
}

task<Result<bool>> Repairer::all_safe_away_from_dead_homes(Context ctx, BlockRef block, std::vector<unsigned> shards) {
  const auto view = core_.deps.placement.view();
  for (const unsigned shard : shards) {
    const auto home = view->home(block.id, shard);
    if (home && view->up(*home)) co_return false;
  }
  for (const unsigned shard : shards) {
    CO_TRY(const bool away, co_await is_away(ctx, block, shard));
    if (!away) co_return false;
  }
  co_return true;
}

task<Result<bool>> Repairer::holds(Context ctx, std::shared_ptr<const Placement::View> view, std::size_t drive,
                                        chunkserver::ShardKey key, Bytes bytes) {
  const auto stored = co_await view->drives[drive].store->read(ctx, key, 0, 0);
  if (stored) co_return *stored == bytes;
  const Errc code = stored.error().code;
  if (code == Errc::not_found || code == Errc::corrupt || code == Errc::invalid) co_return false;
  if (code == Errc::unavailable) core_.deps.placement.mark_failed(view->drives[drive].id, stored.error().message);
  co_return stored.error();
}

task<Result<Repairer::Outcome>> Repairer::place(Context ctx, BlockRef block, unsigned shard, Bytes bytes) {
  const auto view = core_.deps.placement.view();
  ctx.ring_epoch = view->epoch();
  const auto home = view->home(block.id, shard);
  if (!home || !view->up(*home)) co_return co_await keep_away_from_home(ctx, block, shard, std::move(bytes));
  const chunkserver::ShardKey key{block.id, static_cast<std::uint8_t>(shard)};
  CO_TRY(bool good, co_await holds(ctx, view, *home, key, bytes));
  if (!good) {
    if (!core_.deps.placement.current(*view)) co_return ring_changed();
    const auto put = co_await view->drives[*home].store->put(ctx, key, std::vector<Bytes>(1, bytes));
    if (!put) {
      if (put.error().code == Errc::conflict) co_return put.error();  // by a ring that is not current: later
      if (put.error().code == Errc::unavailable) {
        core_.deps.placement.mark_failed(view->drives[*home].id, put.error().message);
      }
      co_return co_await keep_away_from_home(ctx, block, shard, std::move(bytes));
    }
    CO_TRY(good, co_await holds(ctx, view, *home, key, bytes));
    if (!good) co_return Error(Errc::unavailable, "a shard reads back differently from what was repaired");
    shards_.add();
    bytes_.add(block.length);
  }
  if (!core_.deps.placement.current(*view)) co_return ring_changed();
  co_await remove_strays(ctx, view, block, shard);
  co_return Outcome::done;
}

task<Result<Repairer::Outcome>> Repairer::keep_away_from_home(Context ctx, BlockRef block, unsigned shard, Bytes bytes) {
  CO_TRY(const bool away, co_await is_away(ctx, block, shard));
  if (away) co_return Outcome::kept;
  const auto view = core_.deps.placement.view();
  const auto home = view->home(block.id, shard);
  std::optional<std::size_t> best;
  std::size_t fewest = 0;
  for (std::size_t drive = 0; drive < view->ring->drives().size(); ++drive) {
    if (drive == home || !view->takes_shards(drive)) continue;
    const auto page = co_await view->drives[drive].store->list(ctx, {block.id, 0}, BlockLayout(block).shards());
    if (!page) continue;
    const auto here = static_cast<std::size_t>(std::count_if(
        page->shards.begin(), page->shards.end(), [&](const auto& info) { return info.key.block == block.id; }));
    if (best && here >= fewest) continue;
    best = drive;
    fewest = here;
  }
  if (!best) co_return Error(Errc::unavailable, "no drive is up to take a shard whose home drive is not");
  if (!core_.deps.placement.current(*view)) co_return ring_changed();
  const chunkserver::ShardKey key{block.id, static_cast<std::uint8_t>(shard)};
  CO_CHECK(co_await view->drives[*best].store->put(ctx, key, std::vector<Bytes>(1, bytes)));
  co_return Outcome::kept;
}

task<void> Repairer::remove_strays(Context ctx, std::shared_ptr<const Placement::View> view, BlockRef block,
                                   unsigned shard) {
  const std::size_t home = *view->home(block.id, shard);
  const chunkserver::ShardKey key{block.id, static_cast<std::uint8_t>(shard)};
  std::vector<task<bool>> removals;
  for (std::size_t drive = 0; drive < view->drives.size(); ++drive) {
    if (drive != home && view->up(drive)) removals.push_back(remove_stray(ctx, view, drive, home, key));
  }
  co_await gather(std::move(removals));
}

// Whether there was one.
task<bool> Repairer::remove_stray(Context ctx, std::shared_ptr<const Placement::View> view, std::size_t drive,
                                  std::size_t home, chunkserver::ShardKey key) {
  chunkserver::ShardStore* const store = view->drives[drive].store;
  const auto info = co_await store->stat(ctx, key);
  if (!info) co_return false;
  // Whoever works by a newer ring may have taken the shard from home since it was read: its node would say so now.
  const auto still = co_await view->drives[home].store->stat(ctx, key);
  if (!still || !core_.deps.placement.current(*view)) co_return false;
  // Should this fail, the spare copy does no harm: it goes with the block.
  const auto removed = co_await store->remove(ctx, std::vector<chunkserver::ShardKey>(1, key));
  co_return removed.has_value();
}

}  // namespace gabion::gateway::data
