#include "chunkserver/compactor.h"

#include <algorithm>
#include <set>

namespace gabion::chunkserver {
namespace {

constexpr std::size_t kMoveBytes = 4 * MiB;  // in memory at a time
constexpr std::size_t kMoveRecords = 1024;
// How much more garbage makes a second look worth the reading.
constexpr std::uint64_t kLookAgainShare = 16;

std::uint64_t garbage_at_most(const SegmentStats& stats) { return stats.bytes - std::min(stats.bytes, stats.live_bytes); }

}  // namespace

double Compactor::threshold() {
  const auto space = disk_.space();
  const bool nearly_full = space && space->available_bytes < 2 * writer_.reserve_bytes(*space);
  return nearly_full ? options_.compact_garbage / 2 : options_.compact_garbage;
}

// Segments that may have enough garbage, the most first. Tombstones count as garbage here: whether they are is known only
// after a look.
std::vector<SegmentNumber> Compactor::candidates() {
  const double share = threshold();
  std::vector<std::pair<double, SegmentNumber>> found;
  for (const auto& [number, stats] : table_.snapshot()) {
    const std::uint64_t garbage = garbage_at_most(stats);
    if (number >= writer_.newest()) continue;
    if (static_cast<double>(garbage) < share * static_cast<double>(stats.bytes)) continue;
    const auto look = looked_at_.find(number);
    if (look != looked_at_.end()) {
      const bool more_garbage = garbage >= look->second.garbage + stats.bytes / kLookAgainShare + 1;
      const bool fewer_segments = look->second.removals != removals_ && stats.tombstone_bytes != 0;
      if (!more_garbage && !fewer_segments) continue;
    }
    const double ratio = stats.bytes == 0 ? 1.0 : static_cast<double>(garbage) / static_cast<double>(stats.bytes);
    found.emplace_back(-ratio, number);
  }
  std::sort(found.begin(), found.end());
  std::vector<SegmentNumber> numbers;
  for (const auto& [ratio, number] : found) numbers.push_back(number);
  return numbers;
}

task<Result<bool>> Compactor::run_once() {
  for (const SegmentNumber number : candidates()) {
    metrics_.compacting_segment.set(static_cast<std::int64_t>(number));
    auto compacted = co_await compact(number);
    metrics_.compacting_segment.set(0);
    if (compacted && *compacted) {
      ++removals_;
      looked_at_.erase(number);
      co_return true;
    }
    looked_at_[number] = {garbage_at_most(table_.get(number)), removals_};
    if (!compacted && compacted.error().code == Errc::unavailable) co_return std::move(compacted).error();
    if (!compacted) {
      LOG(warn, "chunkserver", "a segment is left as it is", field("segment", number), field("why", compacted.error().message));
    }
  }
  co_return false;
}

Result<bool> Compactor::worth_keeping(SegmentNumber number, const ScannedRecord& record) {
  const RecordHead& head = record.head;
  if (head.kind == RecordKind::seal) return false;
  if (head.kind == RecordKind::tombstone) {
    return options_.mutation != Mutation::tombstone_dropped_early && table_.any_between(head.first, head.last, number);
  }
  TRY(const auto entry, index_.find(head.key, ReadMode::wait));
  return entry && entry->segment == number && entry->offset == record.offset;
}

Result<std::uint64_t> Compactor::bytes_worth_keeping(File& file, SegmentNumber number, std::uint64_t size) {
  std::uint64_t bytes = 0;
  SegmentScanner scanner(file, {drive_, number}, size, 0, Payloads::skip);
  while (true) {
    TRY(const auto record, scanner.next());
    if (!record) return bytes;
    TRY(const bool keep, worth_keeping(number, *record));
    if (keep) bytes += record_bytes(record->head.length);
  }
}

task<Result<bool>> Compactor::compact(SegmentNumber number) {
  CO_TRY(const std::shared_ptr<File> file, files_.open(number));
  CO_TRY(const std::uint64_t size, file->size());
  CO_TRY(const std::uint64_t kept, bytes_worth_keeping(*file, number, size));
  if (static_cast<double>(size - kept) < threshold() * static_cast<double>(size)) co_return false;
  if (kept != 0) CO_CHECK(co_await move_all(file, number, size));
  CO_CHECK(co_await writer_.retire(number));
  co_return true;
}

// The record as it stands, whether its payload verifies or not: a bad shard stays what it is, for repair to find.
Result<MovedRecord> Compactor::read_record(File& file, SegmentNumber number, const ScannedRecord& record) {
  const std::size_t head = head_bytes(record.head.length);
  const Buffer buffer(head + record.head.length);
  TRY(const std::size_t got, file.read(record.offset, buffer.span(), ReadMode::wait));
  if (got != buffer.size()) return Error(Errc::corrupt, "a record became shorter");
  const Bytes all(buffer);
  if (!decode_head({drive_, number}, record.offset, all.view())) return Error(Errc::corrupt, "a record changed");
  MovedRecord moved{.head = record.head, .offset = record.offset};
  moved.table = all.slice(kRecordHeadBytes, head - kRecordHeadBytes);
  moved.payload = all.slice(head, record.head.length);
  return moved;
}

task<Result<void>> Compactor::move_all(std::shared_ptr<File> file, SegmentNumber number, std::uint64_t size) {
  SegmentScanner scanner(*file, {drive_, number}, size, 0, Payloads::skip);
  std::set<ShardKey> seen;  // of a test's deliberate fault
  std::vector<MovedRecord> records;
  std::uint64_t bytes = 0;
  for (bool at_end = false; !at_end;) {
    CO_TRY(const auto record, scanner.next());
    at_end = !record;
    if (record) {
      CO_TRY(bool keep, worth_keeping(number, *record));
      if (options_.mutation == Mutation::compaction_drops_newest) keep = keep && seen.insert(record->head.key).second;
      if (!keep) continue;
      CO_TRY(auto moved, read_record(*file, number, *record));
      bytes += record_bytes(record->head.length);
      records.push_back(std::move(moved));
    }
    if (records.empty() || (!at_end && bytes < kMoveBytes && records.size() < kMoveRecords)) continue;
    CO_CHECK(co_await writer_.move(number, std::exchange(records, {})));
    metrics_.compacted_bytes.add(bytes);
    const auto nanoseconds = static_cast<double>(bytes) * 1e9 / static_cast<double>(options_.compact_bytes_per_second);
    bytes = 0;
    co_await clock_.sleep(Duration(static_cast<std::int64_t>(nanoseconds)));
  }
  co_return Result<void>();
}

}  // namespace gabion::chunkserver
