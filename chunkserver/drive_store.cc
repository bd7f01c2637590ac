#include "chunkserver/drive_store.h"

#include <algorithm>

#include "common/check.h"

namespace gabion::chunkserver {
namespace {

constexpr std::uint64_t kSegmentBytesMin = 32 * MiB;
constexpr std::uint64_t kSegmentBytesMax = 256 * MiB;
constexpr std::uint64_t kSegmentsPerDrive = 128;
constexpr std::uint64_t kOffsetsEnd = 2 * GiB;  // the index keeps offsets in 32 bits
constexpr Duration kPauseStep = std::chrono::milliseconds(250);
constexpr int kReadAttempts = 8;

std::uint64_t segment_bytes_for(const DriveOptions& options, const DiskSpace& space) {
  if (options.segment_bytes != 0) return options.segment_bytes;
  return std::clamp(space.total_bytes / kSegmentsPerDrive, kSegmentBytesMin, kSegmentBytesMax);
}

Error corrupt(const ShardKey& key, std::string_view why) {
  return {Errc::corrupt, fmt::format("shard {}/{}: {}", key.block.to_hex(), key.index, why)};
}

}  // namespace

Result<std::unique_ptr<DriveStore>> DriveStore::open(const DriveOptions& options, const Identity& identity, Disk& disk,
                                                     ShardIndex& index, Executor writer, Executor readers, Clock& clock,
                                                     DriveMetrics& metrics) {
  TRY(const DiskSpace space, disk.space());
  const std::uint64_t segment_bytes = segment_bytes_for(options, space);
  if (segment_bytes + options.batch_bytes + kShardBytesMax > kOffsetsEnd) {
    return Error(Errc::invalid, "segments and batches together must stay below 2 GiB");
  }
  std::unique_ptr<DriveStore> drive(new DriveStore(options, identity, segment_bytes, disk, index, std::move(writer),
                                                   std::move(readers), clock, metrics));
  TRY(drive->recovered_, recover(drive->options_, identity.drive, disk, index, drive->table_));
  drive->writer_.open_at(drive->recovered_);
  const Recovered& recovered = drive->recovered_;
  if (recovered.records != 0) {
    LOG(info, "chunkserver", "drive recovered", field("drive", identity.drive.to_hex()), field("records", recovered.records),
        field("damaged_bytes", recovered.damaged_bytes), field("index_rebuilt", recovered.rebuilt));
  }
  return drive;
}

DriveStore::DriveStore(const DriveOptions& options, const Identity& identity, std::uint64_t segment_bytes, Disk& disk,
                       ShardIndex& index, Executor writer, Executor readers, Clock& clock, DriveMetrics& metrics)
    : options_(options), identity_(identity), disk_(disk), index_(index), readers_(std::move(readers)), clock_(clock),
      metrics_(metrics), condition_(metrics), files_(disk, options_.open_segments),
      writer_(options_, segment_bytes, identity_.drive, disk, index, table_, files_, condition_, std::move(writer), clock,
              metrics),
      compactor_(options_, identity_.drive, disk, index, table_, files_, writer_, clock, metrics) {}

Result<void> DriveStore::usable(const Context& ctx) const {
  if (!condition_.usable()) return condition_.error();
  const bool late = ctx.deadline != TimePoint::max() && clock_.now() >= ctx.deadline;
  if (late) return Error(Errc::deadline, "no time left for the drive");
  return {};
}

// --- Writes ---

task<Result<void>> DriveStore::put(Context ctx, ShardKey key, std::vector<Bytes> pieces) {
  CO_CHECK(usable(ctx));
  std::size_t length = 0;
  for (const Bytes& piece : pieces) length += piece.size();
  if (length > kShardBytesMax) co_return Error(Errc::too_large, fmt::format("a shard has at most {} bytes", kShardBytesMax));
  NewShard shard;
  shard.key = key;
  shard.length = static_cast<std::uint32_t>(length);
  shard.table = cell_table(pieces);
  shard.pieces = std::move(pieces);
  metrics_.puts.add();
  co_return co_await writer_.put(std::move(shard));
}

task<Result<void>> DriveStore::remove(Context ctx, std::vector<ShardKey> keys) {
  CO_CHECK(usable(ctx));
  metrics_.removes.add(keys.size());
  co_return co_await writer_.remove(std::move(keys));
}

// --- Reads ---

// A damaged index cannot be asked and must not be believed. Whoever finds it so has it made anew and asks again; others
// are told that the drive cannot be used until then.
Result<std::optional<IndexEntry>> DriveStore::find(const ShardKey& key, ReadMode mode) {
  auto entry = index_.find(key, mode);
  if (entry || entry.error().code != Errc::corrupt) return entry;
  condition_.set_index_damaged(true);
  return condition_.error();
}

Result<IndexPage> DriveStore::list_now(const ShardKey& from, std::size_t limit) {
  auto page = index_.list(from, limit);
  if (page || page.error().code != Errc::corrupt) return page;
  condition_.set_index_damaged(true);
  return condition_.error();
}

Result<ShardPage> DriveStore::list_before_now(std::uint64_t position, ShardKey from, std::size_t limit) {
  ShardPage out;
  for (;;) {
    TRY(const IndexPage page, list_now(from, limit - out.shards.size()));
    for (const auto& [key, entry] : page.entries) {
      if (entry.sequence < position) out.shards.push_back({key, entry.length});
    }
    out.more = page.more;
    if (!page.more || out.shards.size() == limit) return out;
    from = next_key(page.entries.back().first).value_or(from);
  }
}

Result<std::shared_ptr<File>> DriveStore::segment_file(SegmentNumber number, ReadMode mode) {
  if (auto file = files_.cached(number)) return file;
  if (mode == ReadMode::cached_only) return Error(Errc::would_block, "the segment is not open");
  return files_.open(number);
}

// Exactly these bytes of a segment. Much that must come from the device is read past the page cache.
Result<Bytes> DriveStore::read_bytes(File& file, const ShardKey& key, std::uint64_t offset, std::size_t length, ReadMode mode) {
  const bool direct = mode == ReadMode::wait && length >= options_.direct_bytes;
  const std::uint64_t from = direct ? offset / kDirectAlignment * kDirectAlignment : offset;
  const std::size_t skip = offset - from;
  const std::size_t size = direct ? rounded_up(skip + length, kDirectAlignment) : length;
  const Buffer buffer(size + (direct ? kDirectAlignment : 0));
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
  const std::size_t unaligned = direct ? rounded_up(address, kDirectAlignment) - address : 0;
  const MutableBytes into = buffer.span().subspan(unaligned, size);
  auto got = direct ? file.read_direct(from, into) : file.read(from, into, mode);
  if (!got && got.error().code == Errc::would_block) return std::move(got).error();
  if (!got) return corrupt(key, got.error().message);  // an unreadable sector is as bad as a flipped bit
  if (*got < skip + length) return corrupt(key, "its segment ends before it");
  return Bytes(buffer).slice(unaligned + skip, length);
}

// Head and table are read together with the cells when nothing lies between them, in one read; else in two.
Result<Bytes> DriveStore::read_cells(File& file, const ShardKey& key, const IndexEntry& entry, Range range, ReadMode mode) {
  const std::size_t head_size = head_bytes(entry.length);
  const std::size_t first = range.offset / kCellBytes;
  const std::size_t from = first * kCellBytes;
  const std::size_t to = std::min<std::size_t>(entry.length, cells_of(range.offset + range.length) * kCellBytes);
  const std::size_t together = first == 0 ? to : 0;
  TRY(const Bytes start, read_bytes(file, key, entry.offset, head_size + together, mode));
  Bytes cells = start.slice(head_size, together);
  if (first != 0) {
    TRY(cells, read_bytes(file, key, entry.offset + head_size + from, to - from, mode));
  }
  const ByteView head_view = start.view().first(head_size);
  const auto head = decode_head({identity_.drive, entry.segment}, entry.offset, head_view);
  if (options_.mutation != Mutation::skip_checksum) {
    if (!head || head->key != key || head->sequence != entry.sequence || head->length != entry.length) {
      return corrupt(key, "its record is damaged");
    }
    if (!cells_match(head_view.subspan(kRecordHeadBytes), first, cells.view())) {
      return corrupt(key, "a checksum does not match");
    }
  }
  return cells.slice(range.offset - from, range.length);
}

Result<Bytes> DriveStore::read_at(const ShardKey& key, const IndexEntry& entry, Range range, ReadMode mode) {
  const std::uint64_t end = std::uint64_t{range.offset} + range.length;
  if (range.offset > entry.length || end > entry.length) {
    return Error(Errc::invalid, fmt::format("bytes {} to {} of a shard of {}", range.offset, end, entry.length));
  }
  if (range.length == 0) range.length = entry.length - range.offset;
  TRY(const auto file, segment_file(entry.segment, mode));
  return read_cells(*file, key, entry, range, mode);
}

Result<Bytes> DriveStore::read_now(const ShardKey& key, Range range, ReadMode mode) {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    TRY(const auto entry, find(key, mode));
    if (!entry) return Error(Errc::not_found, "no such shard");
    auto bytes = read_at(key, *entry, range, mode);
    // Compaction may move the shard and remove its segment between the two looks.
    if (!bytes && bytes.error().code == Errc::not_found) continue;
    return bytes;
  }
  return corrupt(key, "its segment is missing");
}

task<Result<Bytes>> DriveStore::read_range(ShardKey key, Range range, ReadMode mode) {
  auto bytes = mode == ReadMode::cached_only ? read_now(key, range, mode) : Error(Errc::would_block, "");
  if (!bytes && bytes.error().code == Errc::would_block) {
    bytes = co_await offload(readers_, [this, key, range] { return read_now(key, range, ReadMode::wait); });
  }
  if (!bytes && condition_.index_damaged()) {
    CO_CHECK(co_await writer_.rebuild_index());
    bytes = co_await offload(readers_, [this, key, range] { return read_now(key, range, ReadMode::wait); });
  }
  if (!bytes && bytes.error().code == Errc::corrupt) {
    metrics_.corrupt_reads.add();
    LOG(warn, "chunkserver", "bad shard", field("drive", identity_.drive.to_hex()), field("error", bytes.error().message));
  }
  co_return bytes;
}

task<Result<Bytes>> DriveStore::read(Context ctx, ShardKey key, std::uint32_t offset, std::uint32_t length) {
  CO_CHECK(usable(ctx));
  metrics_.reads.add();
  auto bytes = co_await read_range(key, Range{offset, length}, ReadMode::cached_only);
  if (bytes) metrics_.read_bytes.add(bytes->size());
  co_return bytes;
}

task<Result<void>> DriveStore::verify(Context ctx, ShardKey key) {
  CO_CHECK(usable(ctx));
  CO_CHECK(co_await read_range(key, Range{}, ReadMode::wait));
  co_return Result<void>();
}

task<Result<std::optional<IndexEntry>>> DriveStore::find_waiting(ShardKey key) {
  co_return co_await offload(readers_, [this, key] { return find(key, ReadMode::wait); });
}

task<Result<ShardInfo>> DriveStore::stat(Context ctx, ShardKey key) {
  CO_CHECK(usable(ctx));
  auto entry = find(key, ReadMode::cached_only);
  if (!entry && entry.error().code == Errc::would_block) entry = co_await find_waiting(key);
  if (!entry && condition_.index_damaged()) {
    CO_CHECK(co_await writer_.rebuild_index());
    entry = co_await find_waiting(key);
  }
  if (!entry) co_return std::move(entry).error();
  if (!*entry) co_return Error(Errc::not_found, "no such shard");
  co_return ShardInfo{key, (*entry)->length};
}

task<Result<ShardPage>> DriveStore::list_any(Context ctx, std::uint64_t before, ShardKey from, std::size_t limit) {
  CO_CHECK(usable(ctx));
  auto page = co_await offload(readers_, [=, this] { return list_before_now(before, from, limit); });
  if (!page && condition_.index_damaged()) {
    CO_CHECK(co_await writer_.rebuild_index());
    page = co_await offload(readers_, [=, this] { return list_before_now(before, from, limit); });
  }
  co_return page;
}

task<Result<ShardPage>> DriveStore::list(Context ctx, ShardKey from, std::size_t limit) {
  return list_any(ctx, UINT64_MAX, from, limit);
}

task<Result<ShardPage>> DriveStore::list_before(Context ctx, std::uint64_t position, ShardKey from, std::size_t limit) {
  return list_any(ctx, position, from, limit);
}

// --- State ---

DriveStatus DriveStore::status_now() {
  DriveStatus status;
  if (!condition_.usable()) {
    status.health = DriveHealth::failed;
    status.reason = condition_.reason();
  }
  const SegmentStats total = table_.total();
  status.shards = total.live_shards;
  status.shard_bytes = total.payload_bytes;
  status.segment_bytes = total.bytes;
  if (const auto space = disk_.space()) {
    const std::uint64_t reserve = writer_.reserve_bytes(*space);
    status.total_bytes = space->total_bytes;
    status.available_bytes = space->available_bytes > reserve ? space->available_bytes - reserve : 0;
  }
  return status;
}

task<Result<DriveStatus>> DriveStore::status(Context) { co_return status_now(); }

// --- Background work ---

task<Result<bool>> DriveStore::compact_alone() {
  if (compacting_.exchange(true)) co_return false;
  auto compacted = co_await compactor_.run_once();
  compacting_.store(false);
  co_return compacted;
}

task<Result<bool>> DriveStore::compact_once() {
  if (!condition_.usable()) co_return condition_.error();
  co_return co_await run_on(readers_, compact_alone());
}

task<void> DriveStore::compact_in_background() {
  while (!gate_.closing() && !condition_.failed()) {
    bool compacted = false;
    if (!paused_) {
      const auto result = co_await compact_alone();
      compacted = result && *result;
    }
    for (Duration waited{}; !compacted && waited < options_.compact_pause && !gate_.closing(); waited += kPauseStep) {
      co_await clock_.sleep(kPauseStep);
    }
  }
}

void DriveStore::start() { spawn(readers_, gate_, "compaction", compact_in_background()); }

void DriveStore::pause_compaction(bool paused) {
  paused_ = paused;
  metrics_.compaction_paused.set(paused ? 1 : 0);
}

task<void> DriveStore::give_up(std::string why) {
  condition_.fail(Error(Errc::unavailable, std::move(why)));
  co_await gate_.close();
  (void)co_await writer_.close();  // behind what was being written; it writes nothing itself
}

task<void> DriveStore::stop() {
  co_await gate_.close();
  const auto closed = co_await writer_.close();
  if (!closed) LOG(warn, "chunkserver", "a drive was not closed cleanly", field("error", closed.error().message));
}

}  // namespace gabion::chunkserver
