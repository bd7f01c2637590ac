#include "chunkserver/drive_writer.h"

#include <algorithm>

#include "common/check.h"

namespace gabion::chunkserver {

DriveWriter::DriveWriter(const DriveOptions& options, std::uint64_t segment_bytes, const DriveId& drive, Disk& disk,
                         ShardIndex& index, SegmentTable& table, SegmentFiles& files, DriveCondition& condition,
                         Executor executor, Clock& clock, DriveMetrics& metrics)
    : options_(options), segment_bytes_(segment_bytes), drive_(drive), disk_(disk), index_(index), table_(table),
      files_(files), condition_(condition), executor_(std::move(executor)), metrics_(metrics),
      log_(options, segment_bytes, drive, disk, files, clock, metrics) {}

DriveWriter::~DriveWriter() {
  const std::lock_guard lock(mutex_);
  GABION_CHECK(!draining_ && queue_.empty(), "a drive is destroyed while operations are under way");
}

// The sequence never goes back while the drive is open, even where recovery finds nothing of the newest records any more.
void DriveWriter::open_at(const Recovered& recovered) {
  const std::uint64_t sequence = std::max(position_.next_sequence, recovered.position.next_sequence);
  position_ = recovered.position;
  position_.next_sequence = sequence;
  next_sequence_ = sequence;
  newest_ = recovered.next_segment;
  log_.continue_at(recovered.next_segment);
}

// --- Callers ---

void DriveWriter::add_record(Work& work, std::uint32_t length) {
  work.bytes_max += record_bytes(length);
  work.heads_max += aligned(head_bytes(length));
}

task<Result<void>> DriveWriter::submit(std::shared_ptr<Work> work) {
  bool start = false;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= options_.queue_operations) co_return Error(Errc::exhausted, "too many operations wait for the drive");
    queue_.push_back(work);
    start = !std::exchange(draining_, true);
  }
  if (start) asio::post(executor_, [this] { drain(); });
  co_await work->done.wait();
  co_return std::move(work->result);
}

task<Result<void>> DriveWriter::put(NewShard shard) {
  auto work = std::make_shared<Work>();
  work->kind = Kind::put;
  add_record(*work, shard.length);
  work->shard = std::move(shard);
  co_return co_await submit(std::move(work));
}

task<Result<void>> DriveWriter::remove(std::vector<ShardKey> keys) {
  // A huge list goes in parts, so that one caller does not make a batch without bound.
  for (std::size_t from = 0; from < keys.size(); from += options_.batch_operations) {
    auto work = std::make_shared<Work>();
    work->kind = Kind::remove;
    const std::size_t to = std::min(keys.size(), from + options_.batch_operations);
    work->keys.assign(keys.begin() + static_cast<std::ptrdiff_t>(from), keys.begin() + static_cast<std::ptrdiff_t>(to));
    for (std::size_t i = from; i < to; ++i) add_record(*work, 0);
    CO_CHECK(co_await submit(std::move(work)));
  }
  co_return Result<void>();
}

task<Result<void>> DriveWriter::move(SegmentNumber from, std::vector<MovedRecord> records) {
  auto work = std::make_shared<Work>();
  work->kind = Kind::move;
  work->segment = from;
  for (const MovedRecord& record : records) add_record(*work, record.head.length);
  work->records = std::move(records);
  co_return co_await submit(std::move(work));
}

task<Result<void>> DriveWriter::retire(SegmentNumber segment) {
  auto work = std::make_shared<Work>();
  work->kind = Kind::retire;
  work->segment = segment;
  co_return co_await submit(std::move(work));
}

task<Result<void>> DriveWriter::rebuild_index() {
  auto work = std::make_shared<Work>();
  work->kind = Kind::rebuild;
  co_return co_await submit(std::move(work));
}

task<Result<void>> DriveWriter::close() {
  auto work = std::make_shared<Work>();
  work->kind = Kind::close;
  co_return co_await submit(std::move(work));
}

std::uint64_t DriveWriter::reserve_bytes(const DiskSpace& space) const {
  const auto share = static_cast<std::uint64_t>(static_cast<double>(space.total_bytes) * options_.reserve_share);
  return std::max(share, options_.reserve_segments * segment_bytes_);
}

// --- The writer's executor ---

// One batch a call. When nothing waits any more, whoever is answered last may destroy this: hence nothing of it is touched
// after that.
void DriveWriter::drain() {
  const Works works = take_batch();
  process(works);
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    more = draining_ = !queue_.empty();
  }
  if (more) asio::post(executor_, [this] { drain(); });
  for (const auto& work : works) work->done.set();
}

// Operations in the order they came. Moves are alone in a batch, so that whether a record is still live can be decided by
// the index as it is; so are retire, rebuild and close.
DriveWriter::Works DriveWriter::take_batch() {
  Works works;
  std::size_t bytes = 0;
  const std::lock_guard lock(mutex_);
  while (!queue_.empty() && works.size() < options_.batch_operations) {
    const Work& next = *queue_.front();
    const bool alone = next.kind != Kind::put && next.kind != Kind::remove;
    if (!works.empty() && (alone || bytes + next.bytes_max > options_.batch_bytes)) break;
    bytes += next.bytes_max;
    works.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (alone) break;
  }
  return works;
}

void DriveWriter::process(const Works& works) {
  const auto answer = [&](const Result<void>& result) {
    for (const auto& work : works) {
      if (work->result) work->result = result;
    }
  };
  if (condition_.failed()) return answer(condition_.error());
  Result<void> result = attempt(works);
  if (!result && result.error().code == Errc::corrupt) {  // only the index says so
    condition_.set_index_damaged(true);
    result = rebuild_now();
    if (result) result = attempt(works);
  }
  if (result || result.error().code == Errc::exhausted || result.error().code == Errc::conflict) return answer(result);
  condition_.fail(result.error());
  answer(condition_.error());
}

Result<void> DriveWriter::attempt(const Works& works) {
  const Kind kind = works.front()->kind;
  const bool is_control = kind == Kind::retire || kind == Kind::rebuild || kind == Kind::close;
  return is_control ? control(*works.front()) : write_batch(works);
}

void DriveWriter::refuse_puts_without_space(Works& works) {
  const auto space = disk_.space();
  if (!space) return;  // a write will tell
  const std::uint64_t reserve = reserve_bytes(*space);
  std::uint64_t left = space->available_bytes > reserve ? space->available_bytes - reserve : 0;
  const auto refused = [&](const std::shared_ptr<Work>& work) {
    if (!work->result) return true;  // at an earlier attempt
    if (work->kind != Kind::put) return false;
    if (work->bytes_max <= left) {
      left -= work->bytes_max;
      return false;
    }
    work->result = Error(Errc::exhausted, "the drive is full");
    metrics_.refused_full.add();
    return true;
  };
  std::erase_if(works, refused);
}

Result<void> DriveWriter::write_batch(const Works& works) {
  Works accepted = works;
  refuse_puts_without_space(accepted);
  if (accepted.empty()) return {};
  std::uint64_t bytes = 0;
  std::size_t heads = 0;
  for (const auto& work : accepted) {
    bytes += work->bytes_max;
    heads += work->heads_max;
  }
  TRY(const LogPlace place, log_.reserve(bytes, position_.next_sequence));
  if (place.started_segment) {
    newest_ = place.segment;
    TRY_OK(index_.flush());
    unflushed_bytes_ = 0;
  }
  Batch batch(index_, table_, drive_, place, position_.next_sequence, heads);
  TRY_OK(fill(batch, accepted));
  return batch.empty() ? Result<void>() : commit(batch);
}

Result<void> DriveWriter::fill(Batch& batch, const Works& works) {
  for (const auto& work : works) {
    if (work->kind == Kind::put) TRY_OK(batch.put(work->shard));
    for (const ShardKey& key : work->keys) TRY_OK(batch.remove(key));
    for (const MovedRecord& record : work->records) TRY_OK(batch.move(work->segment, record));
  }
  return {};
}

// The index learns of a record only once the record is durable. A crash in between loses nothing: the record is found
// again when the log behind the index is read.
Result<void> DriveWriter::commit(Batch& batch) {
  position_.next_sequence = batch.next_sequence();  // numbers of a failed write are not used again
  const IndexBatch& changes = batch.index_batch();
  if (options_.mutation == Mutation::index_ahead) {
    TRY_OK(publish(changes));
    TRY_OK(index_.flush());
  }
  TRY_OK(log_.append(batch.pieces()));
  metrics_.batches.add();
  if (options_.mutation != Mutation::index_ahead) TRY_OK(publish(changes));
  return {};
}

Result<void> DriveWriter::publish(const IndexBatch& changes) {
  const std::uint64_t before = table_.get(changes.position.segment).bytes;
  TRY_OK(index_.apply(changes));
  table_.update(changes.segments);
  position_ = changes.position;
  next_sequence_ = position_.next_sequence;
  unflushed_bytes_ += position_.offset - std::min(before, position_.offset);
  if (unflushed_bytes_ < options_.index_flush_bytes) return {};
  unflushed_bytes_ = 0;
  return index_.flush();
}

Result<void> DriveWriter::control(const Work& work) {
  switch (work.kind) {
    case Kind::retire: return retire_now(work.segment);
    case Kind::rebuild: return rebuild_now();
    default: return close_now();
  }
}

// Compaction may be looking into the index meanwhile and find it half empty. It can then move too little, but it cannot
// remove anything: that happens here, after this, and only when the index made anew points to nothing in the segment.
Result<void> DriveWriter::rebuild_now() {
  if (!condition_.index_damaged()) return {};
  TRY_OK(log_.seal(position_.next_sequence));
  TRY_OK(index_.clear());
  TRY(const Recovered recovered, recover(options_, drive_, disk_, index_, table_));
  open_at(recovered);
  condition_.set_index_damaged(false);
  return {};
}

// The index forgets the segment durably before the segment goes: were an older state of the index to come back after a
// crash, it would point into what is gone, and the tombstone that says so might be gone as well.
Result<void> DriveWriter::retire_now(SegmentNumber segment) {
  GABION_CHECK(segment < newest_, "the newest segment cannot be retired");
  const SegmentStats stats = table_.get(segment);
  if (stats.live_shards != 0 && options_.mutation != Mutation::compaction_drops_newest) {
    return Error(Errc::conflict, "the segment still holds shards");
  }
  IndexBatch changes;
  changes.segments[segment] = std::nullopt;
  changes.position = position_;
  TRY_OK(index_.apply(changes));
  TRY_OK(index_.flush());
  TRY_OK(disk_.remove(segment_path(segment)));
  TRY_OK(disk_.sync_dir(kSegmentsDir));
  table_.update(changes.segments);
  files_.forget(segment);
  metrics_.compacted_segments.add();
  metrics_.freed_bytes.add(stats.bytes);
  return {};
}

Result<void> DriveWriter::close_now() {
  TRY(const std::uint64_t sealed_end, log_.seal(position_.next_sequence));
  if (sealed_end != 0) {
    IndexUpdate update(index_, table_);
    position_.offset = sealed_end;
    update.set_segment_bytes(position_.segment, position_.offset);
    TRY_OK(publish(update.finish(position_)));
  }
  return index_.flush();
}

}  // namespace gabion::chunkserver
