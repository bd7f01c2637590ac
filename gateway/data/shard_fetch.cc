#include "gateway/data/shard_fetch.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/log.h"

namespace gabion::gateway::data {

ShardFetch::ShardFetch(Core& core, Context ctx, Executor executor, Request request, MemoryBudget::Lease lease)
    : core_(core),
      ctx_(ctx),
      executor_(std::move(executor)),
      request_(std::move(request)),
      layout_(request_.block),
      view_(core.deps.placement.view()),
      lease_(std::move(lease)) {
  for (const ShardRange& range : layout_.ranges(request_.begin, request_.end)) targets_.push_back({range, std::nullopt});
  list_sources();
}

task<Result<std::vector<Bytes>>> ShardFetch::fetch(Core& core, Context ctx, Request request, MemoryBudget::Lease lease) {
  const Executor executor = co_await asio::this_coro::executor;
  auto self = std::make_shared<ShardFetch>(core, ctx, executor, std::move(request), std::move(lease));
  core.metrics.fetches.add();
  co_return co_await self->run();
}

// The homes of all shards, then where they were by previous rings; drives to be avoided come last.
void ShardFetch::list_sources() {
  std::vector<Source> last;
  for (unsigned i = 0; i < layout_.shards(); ++i) {
    const auto home = view_->home(request_.block.id, i);
    if (!home) continue;
    if (!view_->up(*home)) {
      unanswered_ = true;
      continue;
    }
    const bool avoided = request_.avoided->contains(view_->drives[*home].id);
    (avoided ? last : sources_).push_back({i, *home, false});
  }
  for (unsigned i = 0; i < layout_.shards() && !view_->previous.empty(); ++i) {
    for (const std::size_t drive : view_->former_homes(request_.block.id, i)) {
      if (!view_->up(drive)) unanswered_ = true;
      else if (request_.avoided->contains(view_->drives[drive].id)) last.push_back({i, drive, true});
      else sources_.push_back({i, drive, true});
    }
  }
  sources_.insert(sources_.end(), last.begin(), last.end());
}

// --- Reads ---

void ShardFetch::start(const Source& source, const ShardRange& range) {
  auto read = std::make_unique<Read>();
  read->shard = source.shard;
  read->drive = source.drive;
  read->begin = range.begin;
  read->end = range.end;
  read->started = core_.deps.clock.now();
  reads_.push_back(std::move(read));
  ++pending_;
  ++events_;
  if (!spawn(executor_, core_.gate, "read shard", read_shard(shared_from_this(), reads_.size() - 1))) {
    --pending_;
    reads_.back()->state = Read::State::failed;
    unanswered_ = true;
  }
}

task<void> ShardFetch::read_shard(std::shared_ptr<ShardFetch> self, std::size_t index) {
  Read& read = *self->reads_[index];
  const chunkserver::ShardKey key{self->request_.block.id, static_cast<std::uint8_t>(read.shard)};
  auto* store = self->view_->drives[read.drive].store;
  auto bytes = co_await store->read(self->ctx_, key, read.begin, read.end - read.begin);
  --self->pending_;
  ++self->events_;
  if (bytes && bytes->size() != read.end - read.begin) bytes = Error(Errc::corrupt, "a drive gave fewer bytes than asked for");
  if (bytes) {
    read.bytes = std::move(*bytes);
    read.state = Read::State::done;
    const Duration latency = self->core_.deps.clock.now() - read.started;
    self->core_.metrics.shard_read_latency.observe(latency);
    // What is read in the background gives way to clients, and says nothing of how long they wait.
    if (self->ctx_.priority == Priority::interactive) {
      self->core_.hedge.learn(latency);
      self->core_.pace.client_read(Pace::Where::gateway, latency);
    }
  } else {
    read.state = Read::State::failed;
    self->read_failed(read, bytes.error());
  }
  self->changed_->set();
}

void ShardFetch::read_failed(const Read& read, const Error& error) {
  const DriveId drive = view_->drives[read.drive].id;
  switch (error.code) {
    case Errc::not_found:
    case Errc::corrupt:
    case Errc::invalid: {  // the shard on the drive is shorter than it must be
      // While shards move it is no news that one is not here.
      if (error.code == Errc::not_found && !view_->former_homes(request_.block.id, read.shard).empty()) break;
      core_.metrics.bad_shards.add();
      LOG(warn, "data", "shard is missing or bad", field("block", request_.block.id.to_hex()), field("shard", read.shard),
          field("drive", drive.to_hex()), field("error", error.message));
      const bool home = view_->home(request_.block.id, read.shard) == read.drive;
      if (home && request_.block.manifest != 0 && !core_.options.sabotage.forget_repairs) {
        core_.repairs.add(request_.block, read.shard);
      }
      break;
    }
    case Errc::unavailable:
      core_.deps.placement.mark_failed(drive, error.message);
      [[fallthrough]];
    default:
      unanswered_ = true;
      request_.avoided->insert(drive);
  }
}

task<void> ShardFetch::search_drive(std::shared_ptr<ShardFetch> self, std::size_t drive) {
  const BlockId block = self->request_.block.id;
  auto page = co_await self->view_->drives[drive].store->list(self->ctx_, {block, 0}, self->layout_.shards());
  --self->pending_;
  ++self->events_;
  if (page) {
    for (const chunkserver::ShardInfo& shard : page->shards) {
      if (shard.key.block != block || shard.key.index >= self->layout_.shards()) continue;
      const auto known = std::any_of(self->sources_.begin(), self->sources_.end(), [&](const Source& source) {
        return source.shard == shard.key.index && source.drive == drive;
      });
      if (!known) self->sources_.push_back({shard.key.index, drive, false});
    }
  } else {
    self->unanswered_ = true;
  }
  self->changed_->set();
}

void ShardFetch::search() {
  searched_ = true;
  core_.metrics.searches.add();
  for (std::size_t drive = 0; drive < view_->drives.size(); ++drive) {
    if (!view_->up(drive)) {
      unanswered_ = true;
      continue;
    }
    ++pending_;
    ++events_;
    if (!spawn(executor_, core_.gate, "search shards", search_drive(shared_from_this(), drive))) --pending_;
  }
}

// --- Decisions ---

bool ShardFetch::start_home(const Target& target) {
  if (request_.distrusted.contains(target.range.shard)) return false;
  for (const Source& source : sources_) {
    if (source.shard != target.range.shard) continue;
    if (request_.avoided->contains(view_->drives[source.drive].id)) return false;
    start(source, target.range);
    return true;
  }
  return false;
}

const ShardFetch::Read* ShardFetch::find(unsigned shard, const ShardRange& range, Read::State state) const {
  for (const auto& read : reads_) {
    if (read->shard == shard && read->state == state && read->begin <= range.begin && read->end >= range.end) {
      return read.get();
    }
  }
  return nullptr;
}

Bytes ShardFetch::cut(const Read& read, const ShardRange& range) {
  return read.bytes.slice(range.begin - read.begin, range.end - range.begin);
}

bool ShardFetch::advance(Target& target) {
  if (target.bytes) return true;
  if (const Read* own = find(target.range.shard, target.range, Read::State::done)) {
    target.bytes = cut(*own, target.range);
    return true;
  }
  const Read* pending = find(target.range.shard, target.range, Read::State::pending);
  if (pending != nullptr && !pending->late) return false;
  if (pending == nullptr && start_former(target)) return false;
  degraded_ = true;
  return widened_ && advance_by_others(target);
}

bool ShardFetch::advance_by_others(Target& target) {
  const auto count = [&] {
    std::pair<std::vector<const Read*>, unsigned> out;  // done, and pending in time
    for (unsigned shard = 0; shard < layout_.shards(); ++shard) {
      if (shard == target.range.shard) continue;
      if (const Read* done = find(shard, target.range, Read::State::done)) out.first.push_back(done);
      else if (const Read* on = find(shard, target.range, Read::State::pending); on != nullptr && !on->late) ++out.second;
    }
    return out;
  };
  auto [done, coming] = count();
  if (done.size() >= layout_.needed()) {
    done.resize(layout_.needed());
    rebuild(target, done);
    return true;
  }
  while (done.size() + coming < layout_.needed()) {
    if (!start_other(target)) {
      if (!searched_) search();
      break;
    }
    ++coming;
  }
  return false;
}

bool ShardFetch::tried(const Source& source, const ShardRange& range) const {
  return std::any_of(reads_.begin(), reads_.end(), [&](const auto& read) {
    const bool overlaps = read->begin < range.end && range.begin < read->end;
    const bool covers = read->begin <= range.begin && read->end >= range.end;
    if (read->shard != source.shard) return false;
    // One good or timely read of a shard is enough; a source that failed within the range is not asked again.
    if (covers && (read->state == Read::State::done || (read->state == Read::State::pending && !read->late))) return true;
    return read->drive == source.drive && (covers || (overlaps && read->state == Read::State::failed));
  });
}

bool ShardFetch::start_other(const Target& target) {
  for (const Source& source : sources_) {
    if (request_.distrusted.contains(source.shard) || tried(source, target.range)) continue;
    start(source, target.range);
    return true;
  }
  return false;
}

bool ShardFetch::start_former(const Target& target) {
  if (request_.distrusted.contains(target.range.shard)) return false;
  for (const Source& source : sources_) {
    if (!source.former || source.shard != target.range.shard || tried(source, target.range)) continue;
    start(source, target.range);
    return true;
  }
  return false;
}

void ShardFetch::rebuild(Target& target, const std::vector<const Read*>& present) {
  core_.metrics.reconstructions.add();
  const std::size_t length = target.range.end - target.range.begin;
  if (layout_.copies()) {
    target.bytes = cut(*present.front(), target.range);
    return;
  }
  std::vector<erasure::Codec::Present> shards;
  std::vector<Bytes> keep;
  for (const Read* read : present) {
    keep.push_back(cut(*read, target.range));
    shards.push_back({read->shard, keep.back().view()});
  }
  Buffer out(length);
  const erasure::Codec::Wanted wanted{target.range.shard, out.span()};
  const auto result = core_.codec(request_.block.profile).reconstruct(shards, std::span(&wanted, 1));
  GABION_CHECK(result.has_value(), "any k distinct shards reconstruct another");
  target.bytes = Bytes(out);
}

void ShardFetch::mark_late(TimePoint give_up) {
  const TimePoint now = core_.deps.clock.now();
  const Duration delay = ctx_.priority == Priority::interactive ? core_.hedge.delay() : core_.options.hedge_max;
  TimePoint next = give_up;
  for (const auto& read : reads_) {
    if (read->state != Read::State::pending || read->late) continue;
    if (now >= read->started + delay) {
      read->late = true;
      core_.metrics.hedges.add();
      request_.avoided->insert(view_->drives[read->drive].id);
    } else {
      next = std::min(next, read->started + delay);
    }
  }
  if (next == alarm_ || pending_ == 0) return;
  alarm_ = next;
  core_.alarms.at(executor_, next, changed_);
}

// k shards and the result, for each target.
std::size_t ShardFetch::memory_for_reconstruction() const {
  std::size_t bytes = 0;
  for (const Target& target : targets_) bytes += (layout_.needed() + 1) * (target.range.end - target.range.begin);
  return bytes;
}

Error ShardFetch::failure() const {
  core_.metrics.reads_failed.add();
  std::set<unsigned> good;
  for (const auto& read : reads_) {
    if (read->state == Read::State::done) good.insert(read->shard);
  }
  // By a ring that was replaced meanwhile, shards were looked for where they may have just left.
  const bool moved = !core_.deps.placement.current(*view_);
  return {unanswered_ || moved ? Errc::unavailable : Errc::corrupt,
          fmt::format("block {} cannot be read: {} of the {} shards it takes are {}", request_.block.id.to_hex(),
                      good.size(), layout_.needed(), unanswered_ || moved ? "within reach" : "left")};
}

task<Result<std::vector<Bytes>>> ShardFetch::run() {
  auto self = shared_from_this();
  const TimePoint give_up = std::min(ctx_.deadline, core_.deps.clock.now() + core_.options.read_patience);
  for (const Target& target : targets_) start_home(target);
  for (;;) {
    mark_late(give_up);
    const std::uint64_t events = events_;
    bool all = true;
    for (Target& target : targets_) all = advance(target) && all;
    if (all) break;
    if (degraded_ && !widened_) {
      // A reader holds one lease and waits for another here. Were all memory held so, the wait would end in a refusal.
      const std::size_t more = memory_for_reconstruction();
      if (!request_.funded && lease_.bytes() < more) {
        CO_TRY(auto extra, co_await core_.deps.memory.acquire(ctx_, more));
        lease_.absorb(std::move(extra));
      }
      widened_ = true;
      continue;
    }
    // What was begun in this round may have ended in it already.
    if (pending_ == 0 && events_ != events) continue;
    if (pending_ == 0) co_return failure();
    if (core_.deps.clock.now() >= give_up) {
      co_return Error(Errc::deadline, "the drives did not give the data in the time allowed");
    }
    co_await changed_->wait();
  }
  std::vector<Bytes> out;
  for (Target& target : targets_) out.push_back(std::move(*target.bytes));
  co_return out;
}

}  // namespace gabion::gateway::data
