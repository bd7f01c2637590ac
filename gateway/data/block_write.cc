#include "gateway/data/block_write.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/log.h"

namespace gabion::gateway::data {

BlockWrite::BlockWrite(Core& core, Context ctx, const Executor& executor, const BlockRef& block,
                       std::vector<Bytes> shards)
    : core_(core),
      ctx_(ctx),
      executor_(executor),
      block_(block),
      layout_(block),
      view_(core.deps.placement.view()),
      started_(core.deps.clock.now()),
      targets_(view_, block) {
  GABION_CHECK(shards.size() == layout_.shards(), "a block has as many shards as its layout says");
  for (Bytes& bytes : shards) shards_.push_back({std::move(bytes), 0, std::nullopt, std::nullopt});
}

std::shared_ptr<BlockWrite> BlockWrite::start(Core& core, Context ctx, const Executor& executor, const BlockRef& block,
                                              std::vector<Bytes> shards) {
  auto self = std::make_shared<BlockWrite>(core, ctx, executor, block, std::move(shards));
  // Homes are assigned before handoffs, so that a handoff knows what every drive will hold.
  std::vector<unsigned> homeless;
  for (unsigned i = 0; i < self->shards_.size(); ++i) {
    const auto home = self->view_->home(block.id, i);
    if (home && self->view_->up(*home)) self->try_next(i);
    else homeless.push_back(i);
  }
  for (const unsigned i : homeless) self->try_next(i);
  return self;
}

void BlockWrite::try_next(unsigned index) {
  const auto drive = targets_.assign(index);
  if (!drive) return;
  Shard& shard = shards_[index];
  shard.trying = drive;
  ++shard.pending;
  if (!spawn(executor_, core_.gate, "put shard", put_shard(shared_from_this(), index, *drive))) --shard.pending;
}

task<void> BlockWrite::put_shard(std::shared_ptr<BlockWrite> self, unsigned index, std::size_t drive) {
  std::vector<Bytes> pieces(1, self->shards_[index].bytes);
  const chunkserver::ShardKey key{self->block_.id, static_cast<std::uint8_t>(index)};
  const auto result = co_await self->view_->drives[drive].store->put(self->ctx_, key, std::move(pieces));
  self->put_done(index, drive, result);
}

void BlockWrite::put_done(unsigned index, std::size_t drive, const Result<void>& result) {
  Shard& shard = shards_[index];
  --shard.pending;
  if (result) {
    const bool home = view_->home(block_.id, index) == drive;
    if (!shard.placed || home) shard.placed = drive;
    // A shard that was stored needs no memory any more, whatever the other drives still do.
    if (shard.pending == 0) shard.bytes = {};
  } else {
    core_.metrics.put_errors.add();
    if (result.error().code == Errc::exhausted) full_drives_ = true;
    if (result.error().code == Errc::unavailable) {
      core_.deps.placement.mark_failed(view_->drives[drive].id, result.error().message);
    }
    targets_.refuse(index, drive);
    if (!shard.placed && shard.pending == 0 && !abandoned_) try_next(index);
  }
  if (abandoned_ && pending() == 0) core_.discards.add({block_.id, layout_.shards()});
  changed_->set();
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
  return Targets::safe(layout_, placed, view_->drives.size());
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
  if (full_drives_) return {Errc::exhausted, "too many drives are full to store the data safely"};
  const auto view = core_.deps.placement.view();
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
    if (pending() == 0) {
      if (!enough) co_return refusal();
      break;
    }
    if (enough && now >= late) break;
    if (now >= ctx_.deadline) co_return Error(Errc::deadline, "the drives did not store the data in the time allowed");
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
