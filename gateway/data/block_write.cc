#include "gateway/data/block_write.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/log.h"

namespace gabion::gateway::data {
namespace {

constexpr Duration kRingPoll = std::chrono::milliseconds(20);

}  // namespace

BlockWrite::BlockWrite(Core& core, Context ctx, const Executor& executor, const BlockRef& block,
                       std::vector<Bytes> shards)
    : core_(core),
      ctx_(ctx),
      executor_(executor),
      block_(block),
      layout_(block),
      view_(core.deps.placement.view()),
      begun_by_(view_->epoch()),
      started_(core.deps.clock.now()),
      targets_(view_, block) {
  GABION_CHECK(shards.size() == layout_.shards(), "a block has as many shards as its layout says");
  for (Bytes& bytes : shards) shards_.push_back({std::move(bytes), 0, std::nullopt});
}

std::shared_ptr<BlockWrite> BlockWrite::start(Core& core, Context ctx, const Executor& executor, const BlockRef& block,
                                              std::vector<Bytes> shards) {
  auto self = std::make_shared<BlockWrite>(core, ctx, executor, block, std::move(shards));
  self->begin();
  return self;
}

// Homes are assigned before handoffs, so that a handoff knows what every drive will hold.
void BlockWrite::begin() {
  std::vector<unsigned> homeless;
  for (unsigned i = 0; i < shards_.size(); ++i) {
    if (shards_[i].placed || shards_[i].pending != 0) continue;
    const auto home = view_->home(block_.id, i);
    if (home && view_->up(*home)) try_next(i);
    else homeless.push_back(i);
  }
  for (const unsigned i : homeless) try_next(i);
}

void BlockWrite::try_next(unsigned index) {
  // It was stored, on a drive that the newer ring does not know: repair will make it anew.
  if (shards_[index].bytes.empty()) return;
  const auto drive = targets_.assign(index);
  if (!drive) return;
  Shard& shard = shards_[index];
  ++shard.pending;
  if (!spawn(executor_, core_.gate, "put shard", put_shard(shared_from_this(), index, view_, *drive))) --shard.pending;
}

task<void> BlockWrite::put_shard(std::shared_ptr<BlockWrite> self, unsigned index, SharedView view, std::size_t drive) {
  std::vector<Bytes> pieces(1, self->shards_[index].bytes);
  const chunkserver::ShardKey key{self->block_.id, static_cast<std::uint8_t>(index)};
  const auto result = co_await view->drives[drive].store->put(self->ctx_, key, std::move(pieces));
  self->put_done(index, view, drive, result);
}

void BlockWrite::put_done(unsigned index, const SharedView& view, std::size_t drive, const Result<void>& result) {
  Shard& shard = shards_[index];
  --shard.pending;
  // By the ring that the block goes by now. A drive that is not in it any more does not count.
  const auto now = view == view_ ? std::optional(drive) : view_->find(view->drives[drive].id);
  if (result && now) {
    const bool home = view_->home(block_.id, index) == *now;
    if (!shard.placed || home) shard.placed = now;
    // A shard that was stored needs no memory any more, whatever the other drives still do.
    if (shard.pending == 0) shard.bytes = {};
  } else if (!result) {
    if (result.error().code == Errc::unavailable) {
      core_.deps.placement.mark_failed(view->drives[drive].id, result.error().message);
    }
    put_failed(index, view == view_ ? now : std::nullopt, result.error());
  }
  if (abandoned_ && pending() == 0) core_.discards.add({block_.id, layout_.shards()});
  changed_->set();
}

void BlockWrite::put_failed(unsigned index, std::optional<std::size_t> drive, const Error& error) {
  core_.metrics.put_errors.add();
  if (drive) targets_.refuse(index, *drive);
  if (error.code == Errc::exhausted) full_drives_ = true;
  if (error.code == Errc::conflict && !followed_) {
    stale_ = true;
    return;
  }
  Shard& shard = shards_[index];
  if (!shard.placed && shard.pending == 0 && !abandoned_) try_next(index);
}

bool BlockWrite::follow_ring() {
  auto newer = core_.deps.placement.view();
  if (newer->epoch() <= view_->epoch()) return false;
  for (Shard& shard : shards_) {
    if (shard.placed) shard.placed = newer->find(view_->drives[*shard.placed].id);
  }
  view_ = std::move(newer);
  targets_ = Targets(view_, block_);
  for (const Shard& shard : shards_) {
    if (shard.placed) targets_.hold(*shard.placed);
  }
  stale_ = false;
  followed_ = true;
  core_.metrics.rings_followed.add();
  if (!abandoned_) begin();
  return true;
}

unsigned BlockWrite::pending() const {
  unsigned sum = 0;
  for (const Shard& shard : shards_) sum += shard.pending;
  return sum;
}

bool BlockWrite::safe() const {
  std::vector<std::optional<std::size_t>> placed;
  for (const Shard& shard : shards_) placed.push_back(shard.placed);
  if (core_.options.sabotage.acknowledge_early) {
    const auto count = std::count_if(placed.begin(), placed.end(), [](const auto& p) { return p.has_value(); });
    return count >= static_cast<std::ptrdiff_t>(layout_.needed());
  }
  return Targets::safe(layout_, placed, view_->drives.size()) && view_->spread(placed);
}

std::vector<unsigned> BlockWrite::not_at_home() const {
  std::vector<unsigned> out;
  for (unsigned i = 0; i < shards_.size(); ++i) {
    if (!shards_[i].placed || shards_[i].placed != view_->home(block_.id, i)) out.push_back(i);
    if (!shards_[i].placed) core_.metrics.shards_unwritten.add();
    else if (out.size() && out.back() == i) core_.metrics.shards_displaced.add();
  }
  return out;
}

Error BlockWrite::refusal() const {
  core_.metrics.writes_refused.add();
  if (full_drives_) return {Errc::exhausted, "too many drives are full or busy to store the data safely"};
  if (stale_) return {Errc::unavailable, "drives know a newer ring, which has not come to this node yet"};
  const auto view = core_.deps.placement.view();
  if (view->domain_count >= 3 && view->up_count() * 2 < view->drives.size()) {
    return {Errc::unavailable, "most drives are out of reach: this node may be cut off from the others"};
  }
  const std::string what = layout_.copies() ? fmt::format("{} copies", layout_.shards())
                                            : erasure::to_string(block_.profile);
  return {Errc::unavailable,
          fmt::format("too few drives work: to store a block safely as {} takes {}, and {} of {} are up", what,
                      Targets::drives_needed(layout_, view->drives.size()), view->up_count(), view->drives.size())};
}

task<Result<std::vector<unsigned>>> BlockWrite::wait() {
  auto self = shared_from_this();  // the writer may be destroyed while its task waits here
  const TimePoint late = started_ + core_.options.straggler_wait;
  for (;;) {
    const bool enough = safe();
    const TimePoint now = core_.deps.clock.now();
    if (core_.options.sabotage.acknowledge_early && enough) break;
    if (stale_ && pending() == 0 && follow_ring()) continue;
    if (pending() == 0 && !(stale_ && now < late)) {
      if (!enough) co_return refusal();
      break;
    }
    if (enough && now >= late) break;
    if (now >= ctx_.deadline) co_return Error(Errc::deadline, "the drives did not store the data in the time allowed");
    if (stale_ && pending() == 0) {
      co_await core_.deps.clock.sleep(kRingPoll);
      continue;
    }
    if (!enough && now >= late && !widened_) {
      widened_ = true;
      for (unsigned i = 0; i < shards_.size(); ++i) {
        if (!shards_[i].placed) try_next(i);
      }
    }
    wake_at(std::min(now < late ? late : TimePoint::max(), ctx_.deadline));
    co_await changed_->wait();
  }
  core_.metrics.blocks_written.add();
  core_.metrics.bytes_written.add(block_.length);
  core_.metrics.block_write_latency.observe(core_.deps.clock.now() - started_);
  co_return not_at_home();
}

void BlockWrite::wake_at(TimePoint when) {
  if (when == TimePoint::max() || when == alarm_) return;
  alarm_ = when;
  core_.alarms.at(executor_, when, changed_);
}

void BlockWrite::abandon() {
  if (abandoned_) return;
  abandoned_ = true;
  if (pending() == 0) core_.discards.add({block_.id, layout_.shards()});
}

}  // namespace gabion::gateway::data
