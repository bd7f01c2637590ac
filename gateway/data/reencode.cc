#include "gateway/data/reencode.h"

#include <algorithm>
#include <set>

#include "common/log.h"
#include "gateway/data/block_reads.h"
#include "gateway/data/block_write.h"
#include "gateway/data/encode.h"

namespace gabion::gateway::data {
namespace {

constexpr std::size_t kManifestsPerPage = 256;

Error interrupted() { return {Errc::cancelled, "the job was interrupted"}; }

}  // namespace

// Owned by the coroutines of one recode(). Unless kept, the blocks are erased again.
class Reencoder::Attempt {
 public:
  Attempt(Core& core, std::shared_ptr<const Placement::View> view)
      : core_(core),
        profile_(view->profile.value_or(core.options.profile)),
        mark_(core.write_rings.mark(view->epoch())) {
    manifest_.set_data_shards(profile_.data);
    manifest_.set_parity_shards(profile_.parity);
    manifest_.set_ring_epoch(view->epoch());
  }
  ~Attempt() {
    if (kept_) return;
    for (const auto& write : writes_) write->abandon();
  }

  task<Result<void>> add(Context ctx, std::shared_ptr<OpenManifest> open, BlockRef old) {
    BlockRef block = old;
    block.id = BlockId::random(core_.deps.rng);
    block.profile = profile_;
    block.sealed_as = old.sealed_as.value_or(old.id);
    const std::size_t room = BlockLayout(block).buffer_bytes();
    CO_TRY(const Buffer sealed, co_await read_sealed_block(core_, ctx, std::move(open), old, room));
    const Executor executor = co_await asio::this_coro::executor;
    auto write = BlockWrite::start(core_, ctx, executor, block, encode_block(core_, block, sealed));
    writes_.push_back(write);
    CO_TRY(const auto missing, co_await write->wait());
    metadata::Block& made = *manifest_.add_blocks();
    made.set_id(std::string(block.id.raw()));
    made.set_length(block.length);
    made.set_copies(block.copies);
    made.set_sealed_as(std::string(block.sealed_as->raw()));
    manifest_.set_ring_epoch(std::min(manifest_.ring_epoch(), write->ring_epoch()));
    if (missing.empty()) co_return Result<void>();
    metadata::RepairIntent& intent = intents_.emplace_back();
    intent.set_block(made.id());
    for (const unsigned shard : missing) intent.add_shards(shard);
    co_return Result<void>();
  }

  metadata::Command command(const Item& item, std::uint64_t contents) const {
    metadata::Command command;
    command.set_group(item.group);
    metadata::ReplaceBlocks& replace = *command.mutable_replace_blocks();
    replace.set_manifest(item.manifest);
    replace.set_contents(contents);
    *replace.mutable_blocks() = manifest_;
    for (const metadata::RepairIntent& intent : intents_) *replace.add_intents() = intent;
    return command;
  }

  bool is(const metadata::Manifest& manifest) const {
    return manifest.blocks_size() != 0 && manifest.blocks(0).id() == manifest_.blocks(0).id();
  }
  // They are the manifest's now, or may be.
  void keep() { kept_ = true; }

 private:
  Core& core_;
  const erasure::Profile profile_;
  const RingsInUse::Mark mark_;
  metadata::Manifest manifest_;
  std::vector<metadata::RepairIntent> intents_;
  std::vector<std::shared_ptr<BlockWrite>> writes_;
  bool kept_ = false;
};

Reencoder::Reencoder(BlockStore& store, ReencodeOptions options)
    : core_(store.core()),
      options_(options),
      background_(store.core().deps.clock, options.retry),
      limit_(store.core().deps.clock, options.bytes_per_second) {}

void Reencoder::start(const Executor& executor) {
  background_.start(executor, [this] { return cycle(); });
}

void Reencoder::assign(std::optional<Assignment> assignment) {
  if (work_.assign(std::move(assignment))) background_.wake();
}

void Reencoder::add_to(MetricsRegistry& registry) const {
  registry.add("gabion_reencode_blocks_total", "Blocks coded anew for a narrower storage class.", "", blocks_);
  registry.add("gabion_reencode_bytes_total", "Plaintext bytes of those blocks.", "", bytes_);
  registry.add("gabion_reencode_failures_total", "Attempts to code a manifest's blocks anew that failed.", "", failures_);
  registry.add("gabion_reencode_doubtful_blocks_total", "New blocks of which it is not known whether they are in use.", "",
               in_doubt_);
}

bool Reencoder::goes_on(const Assignment& begun) const {
  const auto now = work_.current();
  return !background_.stopping() && now && !now->paused && now->continues(begun);
}

task<void> Reencoder::cycle() {
  const auto begun = work_.current();
  if (!begun || begun->paused || progress().finished) co_return;
  if (core_.deps.placement.view()->epoch() < begun->epoch) co_return;  // the class has not come yet
  Context ctx;
  ctx.priority = Priority::background;
  const auto done = co_await carry_out(ctx, *begun);
  if (done || !goes_on(*begun)) co_return;
  LOG(warn, "reencode", "coding anew goes on later", field("job", begun->job), field("error", done.error().message));
}

task<Result<void>> Reencoder::carry_out(Context ctx, Assignment begun) {
  CO_TRY(const std::uint64_t total, co_await walk(ctx, begun, Walk::count));
  {
    const auto progress = work_.edit();
    if (progress->job == begun.job && progress->share == begun.share) progress->blocks_total = progress->blocks_done + total;
  }
  for (;;) {
    CO_TRY(const std::uint64_t failed, co_await walk(ctx, begun, Walk::recode));
    CO_TRY(const std::uint64_t left, co_await walk(ctx, begun, Walk::last));
    if (!goes_on(begun)) co_return interrupted();
    {
      const auto progress = work_.edit();
      if (progress->job != begun.job || progress->share != begun.share) co_return interrupted();
      progress->failed_blocks = failed;
      progress->finished = left == 0;
    }
    if (left == 0) co_return Result<void>();
    co_await core_.deps.clock.sleep(options_.retry);
  }
}

bool Reencoder::wide(const metadata::Manifest& manifest) const {
  return manifest.blocks_size() != 0 && manifest.data_shards() + manifest.parity_shards() > core_.profile().total();
}

task<Result<std::uint64_t>> Reencoder::walk(Context ctx, Assignment begun, Walk what) {
  const WallMicros since = core_.deps.clock.wall();
  std::uint64_t sum = 0;
  std::set<metadata::GroupId> seen;
  for (bool more = true; more;) {
    more = false;
    CO_TRY(const auto groups, co_await core_.deps.metadata.groups(ctx));
    for (const metadata::GroupId group : groups) {
      if (!seen.insert(group).second) continue;
      more = true;
      CO_TRY(const std::uint64_t found, co_await walk_group(ctx, begun, what, group, since));
      sum += found;
    }
  }
  co_return sum;
}

task<Result<std::uint64_t>> Reencoder::walk_group(Context ctx, Assignment begun, Walk what, metadata::GroupId group,
                                                   WallMicros since) {
  std::uint64_t sum = 0;
  for (metadata::ManifestId last = 0;;) {
    if (!goes_on(begun)) co_return interrupted();
    CO_TRY(const auto page, co_await core_.deps.metadata.manifests(ctx, group, last, kManifestsPerPage));
    if (page.empty()) break;
    last = page.back().id;
    std::vector<Item> items;
    for (const auto& entry : page) {
      if (!begun.share.owns_number(entry.id) || !wide(entry.manifest)) continue;
      items.push_back({group, entry.id, static_cast<std::uint64_t>(entry.manifest.blocks_size())});
      if (what != Walk::recode) sum += items.back().blocks;
    }
    if (what == Walk::recode) sum += co_await recode_all(ctx, begun, std::move(items));
  }
  if (what != Walk::last) co_return sum;
  CO_TRY(const std::uint64_t deleted, co_await deleted_since(ctx, begun, group, since));
  co_return sum + deleted;
}

task<Result<std::uint64_t>> Reencoder::deleted_since(Context ctx, Assignment begun, metadata::GroupId group, WallMicros since) {
  std::uint64_t sum = 0;
  for (metadata::ManifestId last = 0;;) {
    if (!goes_on(begun)) co_return interrupted();
    CO_TRY(const auto page, co_await core_.deps.metadata.doomed(ctx, group, last, kManifestsPerPage));
    if (page.empty()) co_return sum;
    last = page.back().manifest();
    for (const metadata::Doomed& entry : page) {
      const bool wide = entry.data_shards() + entry.parity_shards() > core_.profile().total();
      if (wide && entry.doomed_us() >= since && begun.share.owns_number(entry.manifest())) {
        sum += static_cast<std::uint64_t>(entry.blocks_size());
      }
    }
  }
}

task<std::uint64_t> Reencoder::recode_all(Context ctx, Assignment begun, std::vector<Item> items) {
  std::uint64_t failed = 0;
  for (std::size_t next = 0; next < items.size() && goes_on(begun);) {
    std::vector<task<std::uint64_t>> work;
    for (; next < items.size() && work.size() < options_.manifests_at_once; ++next) {
      work.push_back(recode_one(ctx, begun, items[next]));
    }
    for (const std::uint64_t blocks : co_await gather(std::move(work))) failed += blocks;
  }
  co_return failed;
}

task<std::uint64_t> Reencoder::recode_one(Context ctx, Assignment begun, Item item) {
  const auto done = co_await recode(ctx, begun, item);
  if (done) co_return std::uint64_t{0};
  if (!goes_on(begun)) co_return item.blocks;
  failures_.add();
  const bool lost = done.error().code == Errc::corrupt;
  LOG(warn, "reencode", lost ? "blocks that are beyond repair cannot be coded anew" : "blocks cannot be coded anew now",
      field("manifest", item.manifest), field("error", done.error().message));
  co_return item.blocks;
}

task<Result<void>> Reencoder::recode(Context ctx, Assignment begun, Item item) {
  // Pinned before it is looked up: the blocks stay while they are read.
  const Pins::Pin pin = core_.pins.pin(item.manifest);
  auto manifest = co_await core_.deps.metadata.manifest(ctx, item.group, item.manifest);
  if (!manifest && manifest.error().code == Errc::not_found) co_return Result<void>();  // deleted meanwhile
  if (!manifest) co_return manifest.error();
  const auto view = core_.deps.placement.view();
  if (!wide(*manifest)) co_return Result<void>();
  const std::uint64_t contents = manifest->contents();
  const int blocks = manifest->blocks_size();
  CO_TRY(const auto open, co_await open_manifest(core_, ctx, item.manifest, std::move(*manifest)));
  auto attempt = std::make_shared<Attempt>(core_, view);
  for (int i = 0; i < blocks; ++i) {
    if (!goes_on(begun)) co_return interrupted();
    CO_TRY(const BlockRef block, block_ref(open->manifest, item.manifest, i));
    co_await limit_.take(block.length);
    CO_CHECK(co_await attempt->add(ctx, open, block));
    bytes_.add(block.length);
    const auto progress = work_.edit();
    if (progress->job == begun.job) progress->bytes_moved += block.length;
  }
  CO_CHECK(co_await commit(ctx, item, contents, attempt));
  blocks_.add(static_cast<std::uint64_t>(blocks));
  const auto progress = work_.edit();
  if (progress->job == begun.job && progress->share == begun.share) progress->blocks_done += static_cast<std::uint64_t>(blocks);
  co_return Result<void>();
}

task<Result<void>> Reencoder::commit(Context ctx, Item item, std::uint64_t contents, std::shared_ptr<Attempt> attempt) {
  const auto result = co_await core_.deps.metadata.commit(ctx, attempt->command(item, contents));
  if (!result) {
    if (result.error().code == Errc::unknown_outcome) {
      attempt->keep();
      in_doubt_.add(item.blocks);
    }
    co_return result.error();
  }
  if (result->outcome() == metadata::SOURCE_GONE) co_return Result<void>();
  if (result->outcome() == metadata::APPLIED) {
    attempt->keep();
    co_return Result<void>();
  }
  // A command that came twice without being recognised is refused the second time: these are the manifest's blocks then.
  const auto now = co_await core_.deps.metadata.manifest(ctx, item.group, item.manifest);
  if (now && !attempt->is(*now)) {
    co_return Error(Errc::conflict, "the manifest, or the ring that its new blocks were placed by, changed meanwhile");
  }
  attempt->keep();
  if (now) co_return Result<void>();
  in_doubt_.add(item.blocks);
  co_return now.error();
}

}  // namespace gabion::gateway::data
