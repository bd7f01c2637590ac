#include "gateway/data/rebalance.h"

#include <algorithm>
#include <set>

#include "common/log.h"
#include "gateway/data/group_walk.h"

namespace gabion::gateway::data {
namespace {

constexpr std::size_t kManifestsPerPage = 256;

chunkserver::ShardKey key_of(const BlockRef& block, unsigned shard) { return {block.id, static_cast<std::uint8_t>(shard)}; }

Error ring_changed() { return {Errc::conflict, "the ring changed while a block was moved"}; }

}  // namespace

Rebalancer::Rebalancer(BlockStore& store, Repairer& repairer, RebalanceOptions options)
    : core_(store.core()),
      repairer_(repairer),
      options_(options),
      background_(store.core().deps.clock, options.retry),
      limit_(store.core().deps.clock, options.bytes_per_second) {}

void Rebalancer::start(const Executor& executor) {
  background_.start(executor, [this] { return cycle(); });
}

void Rebalancer::assign(std::optional<Assignment> assignment) {
  if (work_.assign(std::move(assignment))) background_.wake();
}

void Rebalancer::add_to(MetricsRegistry& registry) const {
  registry.add("gabion_rebalance_shards_total", "Shards copied to their homes by the current ring.", "", moved_shards_);
  registry.add("gabion_rebalance_bytes_total", "Bytes of those shards.", "", moved_bytes_);
  registry.add("gabion_rebalance_strays_total", "Shards removed from where they belonged before.", "", strays_);
  registry.add("gabion_rebalance_rebuilt_blocks_total", "Blocks of which a shard was nowhere and was reconstructed.", "",
               rebuilt_blocks_);
}

bool Rebalancer::goes_on(const Assignment& begun) const {
  const auto now = work_.current();
  return !background_.stopping() && now && !now->paused && now->continues(begun);
}

task<bool> Rebalancer::wait_for(const Assignment& begun, bool Assignment::* condition) {
  while (goes_on(begun)) {
    const auto now = work_.current();
    if (now && (*now).*condition) co_return true;
    co_await core_.deps.clock.sleep(options_.poll);
  }
  co_return false;
}

task<void> Rebalancer::cycle() {
  const auto begun = work_.current();
  if (!begun || begun->paused || progress().finished) co_return;
  if (core_.deps.placement.view()->epoch() < begun->epoch) co_return;  // the ring has not come yet
  Context ctx;
  ctx.priority = Priority::background;
  const auto done = co_await carry_out(ctx, *begun);
  if (done || !goes_on(*begun)) co_return;
  LOG(warn, "rebalance", "the rebalance goes on later", field("job", begun->job), field("error", done.error().message));
}

task<Result<void>> Rebalancer::carry_out(Context ctx, Assignment begun) {
  const Error interrupted(Errc::cancelled, "the job was interrupted");
  const bool movers = co_await wait_for(begun, &Assignment::movers_settled);
  if (!movers) co_return interrupted;
  {
    const auto progress = work_.edit();
    *progress = {};
    progress->job = begun.job;
    progress->share = begun.share;
  }
  Walked walked;
  CO_CHECK(co_await settle_urgent(ctx, begun));
  CO_TRY(auto left, co_await walk(ctx, begun, walked, 0));
  const bool writers = co_await wait_for(begun, &Assignment::writers_settled);
  if (!writers) co_return interrupted;
  CO_TRY(auto late, co_await walk(ctx, begun, walked, 0));
  left.add(std::move(late));
  const bool all = co_await settle_left(ctx, begun, std::move(left));
  if (!all) co_return interrupted;
  const bool repaired = co_await repairs_settled(begun);
  if (!repaired || !goes_on(begun)) co_return interrupted;
  const auto progress = work_.edit();
  // The share may have changed this very moment; then it is another's end.
  if (progress->job == begun.job && progress->share == begun.share) progress->finished = true;
  co_return Result<void>();
}

void Rebalancer::Left::add(Left other) {
  failed.insert(failed.end(), other.failed.begin(), other.failed.end());
  lost.insert(lost.end(), other.lost.begin(), other.lost.end());
}

task<bool> Rebalancer::settle_left(Context ctx, Assignment begun, Left left) {
  bool second_chance = true;
  for (;;) {
    if (left.failed.empty() && second_chance) {
      second_chance = false;
      left.failed.swap(left.lost);
      const auto progress = work_.edit();
      progress->failed_blocks -= left.failed.size();
      progress->blocks_done -= left.failed.size();
    }
    if (left.failed.empty()) co_return true;
    co_await core_.deps.clock.sleep(options_.retry);
    if (!goes_on(begun)) co_return false;
    Left again = co_await settle_all(ctx, begun, std::exchange(left.failed, {}));
    left.add(std::move(again));
  }
}

// When several drives are lost, some blocks are nearer to being lost than others.
task<Result<void>> Rebalancer::settle_urgent(Context ctx, Assignment begun) {
  if (core_.deps.placement.view()->drives_lost() < 2) co_return Result<void>();
  Walked walked;
  CO_CHECK(co_await walk(ctx, begun, walked, 2));
  // The walk over all blocks looks at these again.
  const auto progress = work_.edit();
  progress->blocks_done = 0;
  progress->failed_blocks = 0;
  co_return Result<void>();
}

task<Result<Rebalancer::Left>> Rebalancer::walk(Context ctx, Assignment begun, Walked& walked, unsigned shards_lost) {
  Left left;
  GroupWalk groups(core_.deps.metadata);
  for (;;) {
    CO_TRY(const auto group, co_await groups.next(ctx));
    if (!group) break;
    CO_TRY(auto one, co_await walk_group(ctx, begun, *group, walked[*group], shards_lost));
    left.add(std::move(one));
    // Of very many lost ones the rest has no second chance.
    while (left.lost.size() > options_.failed_max) left.lost.pop_back();
    if (left.failed.size() > options_.failed_max) {
      co_return Error(Errc::unavailable, "too many blocks cannot be moved now");
    }
  }
  const auto progress = work_.edit();
  progress->blocks_total = progress->blocks_done + left.failed.size();
  co_return left;
}

task<Result<Rebalancer::Left>> Rebalancer::walk_group(Context ctx, Assignment begun, metadata::GroupId group,
                                                      metadata::ManifestId& last_own, unsigned shards_lost) {
  Left left;
  const metadata::ManifestId end_of_own = metadata::manifest_id(group + 1, 0);
  for (metadata::ManifestId last = last_own;;) {
    if (!goes_on(begun)) co_return Error(Errc::cancelled, "the job was interrupted");
    CO_TRY(auto page, co_await core_.deps.metadata.manifests(ctx, group, last, kManifestsPerPage));
    if (page.empty()) break;
    last = page.back().id;
    std::deque<Item> items;
    const auto view = core_.deps.placement.view();
    for (const auto& entry : page) {
      if (entry.id < end_of_own) last_own = entry.id;
      for (int i = 0; i < entry.manifest.blocks_size(); ++i) {
        const auto block = block_ref(entry.manifest, entry.id, i);
        if (!block || !begun.share.owns(block->id)) continue;
        if (shards_lost != 0 && view->shards_lost(block->id) < shards_lost) continue;
        items.push_back({group, entry.id, *block});
      }
    }
    auto again = co_await settle_all(ctx, begun, std::move(items));
    left.add(std::move(again));
    if (left.failed.size() > options_.failed_max) break;
  }
  last_own = std::max(last_own, metadata::manifest_id(group, 0));
  co_return left;
}

task<Rebalancer::Left> Rebalancer::settle_all(Context ctx, Assignment begun, std::deque<Item> items) {
  Left left;
  std::vector<task<bool>> lanes;
  for (std::size_t i = 0; i < std::min(options_.blocks_at_once, items.size()); ++i) {
    lanes.push_back(settle_some(ctx, begun, items, left));
  }
  co_await gather(std::move(lanes));
  left.failed.insert(left.failed.end(), items.begin(), items.end());
  co_return left;
}

// One after the other, beside others that do the same.
task<bool> Rebalancer::settle_some(Context ctx, Assignment begun, std::deque<Item>& items, Left& left) {
  while (!items.empty() && goes_on(begun)) {
    const Item item = items.front();
    items.pop_front();
    const Outcome outcome = co_await settle(ctx, item);
    const auto progress = work_.edit();
    if (outcome == Outcome::failed) left.failed.push_back(item);
    else ++progress->blocks_done;
    if (outcome != Outcome::lost) continue;
    left.lost.push_back(item);
    ++progress->failed_blocks;
  }
  co_return true;
}

task<Rebalancer::Outcome> Rebalancer::settle(Context ctx, Item item) {
  const auto settled = co_await settle_block(ctx, item);
  if (settled) co_return Outcome::settled;
  if (settled.error().code == Errc::corrupt) {
    LOG(error, "rebalance", "block is beyond repair", field("block", item.block.id.to_hex()),
        field("error", settled.error().message));
    co_return Outcome::lost;
  }
  LOG(debug, "rebalance", "block cannot be moved now", field("block", item.block.id.to_hex()),
      field("error", settled.error().message));
  co_return Outcome::failed;
}

// False when nothing refers to the block any more.
task<Result<bool>> Rebalancer::settle_block(Context ctx, Item item) {
  const Pins::Pin pin = core_.pins.pin(item.manifest);
  const auto view = core_.deps.placement.view();
  ctx.ring_epoch = view->epoch();
  const BlockLayout layout(item.block);
  std::vector<task<Result<bool>>> looks;
  for (unsigned shard = 0; shard < layout.shards(); ++shard) looks.push_back(at_home(ctx, view, item.block, shard));
  const auto present = co_await gather(std::move(looks));
  std::vector<unsigned> missing, moved;
  for (unsigned shard = 0; shard < layout.shards(); ++shard) {
    if (!present[shard]) co_return present[shard].error();
    if (!*present[shard]) missing.push_back(shard);
    if (!view->former_homes(item.block.id, shard).empty()) moved.push_back(shard);
  }
  if (missing.empty() && moved.empty()) co_return true;
  const auto turn = co_await core_.pace.turn();
  const RingsInUse::Mark mark = core_.move_rings.mark(view->epoch());
  if (!core_.deps.placement.current(*view)) co_return ring_changed();
  CO_TRY(const bool deleted, co_await gone(ctx, item));
  if (deleted) co_return false;
  std::vector<unsigned> nowhere;
  std::set<unsigned> verified;
  for (const unsigned shard : missing) {
    CO_TRY(const bool copied, co_await copy_home(ctx, view, item.block, shard));
    if (copied) verified.insert(shard);
    else nowhere.push_back(shard);
  }
  if (!nowhere.empty()) {
    rebuilt_blocks_.add();
    const std::size_t shards = nowhere.size();
    CO_TRY(const bool whole, co_await repairer_.make_whole(ctx, item.group, item.manifest, item.block.id, std::move(nowhere)));
    if (!whole) co_return false;
    moved_shards_.add(shards);
    moved_bytes_.add(shards * layout.shard_bytes());
    const auto progress = work_.edit();
    progress->bytes_moved += shards * layout.shard_bytes();
  }
  for (const unsigned shard : moved) {
    CO_CHECK(co_await remove_strays(ctx, view, item.block, shard, verified.contains(shard)));
  }
  co_return true;
}

task<Result<bool>> Rebalancer::gone(Context ctx, Item item) {
  const auto manifest = co_await core_.deps.metadata.manifest(ctx, item.group, item.manifest);
  if (!manifest && manifest.error().code == Errc::not_found) co_return true;
  if (!manifest) co_return manifest.error();
  // Or others have taken the block's place.
  co_return std::none_of(manifest->blocks().begin(), manifest->blocks().end(),
                         [&item](const metadata::Block& block) { return block.id() == item.block.id.raw(); });
}

task<Result<bool>> Rebalancer::at_home(Context ctx, std::shared_ptr<const Placement::View> view, BlockRef block,
                                       unsigned shard) {
  const auto home = view->home(block.id, shard);
  if (!home || !view->up(*home)) co_return Error(Errc::unavailable, "the home of a shard does not work");
  const auto info = co_await view->drives[*home].store->stat(ctx, key_of(block, shard));
  if (info) co_return info->length == BlockLayout(block).shard_bytes();
  if (info.error().code == Errc::not_found || info.error().code == Errc::corrupt) co_return false;
  co_return info.error();
}

// False when no former home has it.
task<Result<bool>> Rebalancer::copy_home(Context ctx, std::shared_ptr<const Placement::View> view, BlockRef block,
                                         unsigned shard) {
  const auto home = view->home(block.id, shard);
  const chunkserver::ShardKey key = key_of(block, shard);
  const std::size_t bytes = BlockLayout(block).shard_bytes();
  CO_TRY(const auto lease, co_await core_.deps.memory.acquire(ctx, 2 * bytes));
  for (const std::size_t from : view->former_homes(block.id, shard)) {
    if (!view->up(from)) continue;
    const auto found = co_await view->drives[from].store->read(ctx, key, 0, 0);
    if (!found || found->size() != bytes) continue;
    co_await limit_.take(bytes);
    chunkserver::ShardStore& to = *view->drives[*home].store;
    if (!core_.deps.placement.current(*view)) co_return ring_changed();
    if (core_.options.sabotage.remove_unverified) {
      (void)co_await view->drives[from].store->remove(ctx, std::vector<chunkserver::ShardKey>(1, key));
    }
    CO_CHECK(co_await to.put(ctx, key, std::vector<Bytes>(1, *found)));
    CO_TRY(const Bytes back, co_await to.read(ctx, key, 0, 0));
    if (!(back == *found)) co_return Error(Errc::unavailable, "a shard reads back differently from what was copied");
    moved_shards_.add();
    moved_bytes_.add(bytes);
    const auto progress = work_.edit();
    progress->bytes_moved += bytes;
    co_return true;
  }
  co_return false;
}

task<Result<bool>> Rebalancer::good_at_home(Context ctx, std::shared_ptr<const Placement::View> view, BlockRef block,
                                            unsigned shard) {
  const std::size_t bytes = BlockLayout(block).shard_bytes();
  CO_TRY(const auto lease, co_await core_.deps.memory.acquire(ctx, bytes));
  chunkserver::ShardStore& store = *view->drives[*view->home(block.id, shard)].store;
  const auto read = co_await store.read(ctx, key_of(block, shard), 0, 0);
  if (read) co_return read->size() == bytes;
  if (read.error().code == Errc::not_found || read.error().code == Errc::corrupt) co_return false;
  co_return read.error();
}

// The shard is at home: what former homes still have of it may go, once home was read and is good.
task<Result<void>> Rebalancer::remove_strays(Context ctx, std::shared_ptr<const Placement::View> view, BlockRef block,
                                             unsigned shard, bool verified) {
  const chunkserver::ShardKey key = key_of(block, shard);
  for (const std::size_t drive : view->former_homes(block.id, shard)) {
    if (!view->up(drive)) co_return Error(Errc::unavailable, "a drive that a shard is to leave does not work");
    chunkserver::ShardStore& store = *view->drives[drive].store;
    const auto info = co_await store.stat(ctx, key);
    if (!info && info.error().code == Errc::not_found) continue;
    if (!info) co_return info.error();
    if (!verified) {
      CO_TRY(verified, co_await good_at_home(ctx, view, block, shard));
    }
    if (!verified) {
      CO_TRY(verified, co_await copy_home(ctx, view, block, shard));
    }
    if (!verified) co_return Error(Errc::unavailable, "a shard is good neither at home nor where it was before");
    // Whoever works by a newer ring may have taken the shard from home since it was read: its node would say so now.
    CO_TRY(const bool still, co_await at_home(ctx, view, block, shard));
    if (!still || !core_.deps.placement.current(*view)) co_return ring_changed();
    CO_CHECK(co_await store.remove(ctx, std::vector<chunkserver::ShardKey>(1, key)));
    strays_.add();
  }
  co_return Result<void>();
}

// Blocks that are on the list of repairs may have shards nowhere but on a drive that is to be given up.
task<bool> Rebalancer::repairs_settled(const Assignment& begun) {
  const std::uint64_t since = repairer_.progress().rounds_begun;
  while (goes_on(begun)) {
    const Repairer::Progress progress = repairer_.progress();
    if (progress.rounds_ended > since && progress.all_settled) co_return true;
    repairer_.wake();
    co_await core_.deps.clock.sleep(options_.poll);
  }
  co_return false;
}

}  // namespace gabion::gateway::data
