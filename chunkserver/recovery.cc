#include "chunkserver/recovery.h"

#include <algorithm>
#include <utility>

#include "chunkserver/index_update.h"
#include "chunkserver/segment_scanner.h"

namespace gabion::chunkserver {
namespace {

constexpr std::size_t kChangesPerBatch = 1024;

class Recovery {
 public:
  Recovery(const DriveOptions& options, const DriveId& drive, Disk& disk, ShardIndex& index, SegmentTable& table)
      : options_(options), drive_(drive), disk_(disk), index_(index), table_(table), update_(index, table) {}

  Result<Recovered> run();

 private:
  Result<std::vector<SegmentNumber>> find_segments();
  Result<void> load_index(const std::vector<SegmentNumber>& segments);
  Result<bool> fits(const IndexState& state, const std::vector<SegmentNumber>& segments);
  Result<void> start_over();
  Result<void> fill_table(const std::vector<SegmentNumber>& segments, std::map<SegmentNumber, SegmentStats> known);
  Result<void> read_segment(SegmentNumber number, std::uint64_t from);
  Result<void> apply(SegmentNumber number, const ScannedRecord& record);
  Result<void> commit();

  const DriveOptions& options_;
  const DriveId& drive_;
  Disk& disk_;
  ShardIndex& index_;
  SegmentTable& table_;
  IndexUpdate update_;
  Recovered result_;
};

Result<std::vector<SegmentNumber>> Recovery::find_segments() {
  TRY(const auto names, disk_.list(kSegmentsDir));
  std::vector<SegmentNumber> segments;
  for (const std::string& name : names) {
    if (const auto number = parse_segment_file(name)) {
      segments.push_back(*number);
    } else {
      LOG(warn, "chunkserver", "unknown file among the segments is left alone", field("name", name));
    }
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

// Whether what the index claims can be true of these segments. If not, it is another drive's, or older or newer than they.
Result<bool> Recovery::fits(const IndexState& state, const std::vector<SegmentNumber>& segments) {
  for (const auto& [number, stats] : state.segments) {
    const bool exists = std::binary_search(segments.begin(), segments.end(), number);
    if (!exists && stats.live_shards != 0) return false;
  }
  if (!std::binary_search(segments.begin(), segments.end(), state.position.segment)) return true;
  TRY(auto file, disk_.open(segment_path(state.position.segment), OpenMode::read));
  TRY(const std::uint64_t size, file->size());
  return state.position.offset <= size;
}

Result<void> Recovery::start_over() {
  TRY_OK(index_.clear());
  result_.rebuilt = true;
  result_.position = {};
  return {};
}

Result<void> Recovery::load_index(const std::vector<SegmentNumber>& segments) {
  auto loaded = index_.load();
  if (!loaded && loaded.error().code != Errc::corrupt) return std::move(loaded).error();
  std::map<SegmentNumber, SegmentStats> known;
  if (loaded && *loaded) {
    TRY(const bool usable, fits(**loaded, segments));
    if (usable) {
      result_.position = (*loaded)->position;
      known = std::move((*loaded)->segments);
    } else {
      LOG(warn, "chunkserver", "the index does not fit the segments and is made anew");
      TRY_OK(start_over());
    }
  } else {
    TRY_OK(start_over());
  }
  return fill_table(segments, std::move(known));
}

Result<void> Recovery::fill_table(const std::vector<SegmentNumber>& segments, std::map<SegmentNumber, SegmentStats> known) {
  std::map<SegmentNumber, SegmentStats> table;
  for (const SegmentNumber number : segments) {
    const auto it = known.find(number);
    if (it != known.end()) {
      table[number] = it->second;
      continue;
    }
    TRY(auto file, disk_.open(segment_path(number), OpenMode::read));
    TRY(table[number].bytes, file->size());
  }
  table_.replace(std::move(table));
  return {};
}

Result<void> Recovery::read_segment(SegmentNumber number, std::uint64_t from) {
  TRY(auto file, disk_.open(segment_path(number), OpenMode::update));
  // What the last run wrote and did not live to sync is still only in memory. It must be on the drive before it counts,
  // and where that run's sync failed the memory is not to be believed.
  TRY_OK(file->sync());
  TRY_OK(file->forget_cached());
  TRY(const std::uint64_t size, file->size());
  const SegmentName name{drive_, number};
  std::array<std::byte, kSegmentHeaderBytes> header;
  TRY(const std::size_t got, file->read(0, header, ReadMode::wait));
  const HeaderCheck check = check_segment_header(name, ByteView(header).first(got));
  if (check == HeaderCheck::newer) return Error(Errc::invalid, segment_path(number) + " has a newer format: use a newer gabion");
  if (check == HeaderCheck::damaged) {
    LOG(warn, "chunkserver", "a segment has a damaged header; its records are read nevertheless", field("segment", number));
  }
  TRY(const bool sealed, is_sealed(*file, name, size));
  SegmentScanner scanner(*file, name, size, from, sealed ? Payloads::skip : Payloads::verify);
  while (true) {
    TRY(const auto record, scanner.next());
    if (!record) break;
    TRY_OK(apply(number, *record));
    const std::uint64_t end = record->offset + record_bytes(record->head.length);
    update_.set_segment_bytes(number, end);
    result_.position = {number, end, result_.position.next_sequence};
    if (update_.changes() >= kChangesPerBatch) TRY_OK(commit());
  }
  update_.set_segment_bytes(number, size);
  result_.position = {number, size, result_.position.next_sequence};
  result_.damaged_bytes += scanner.damaged_bytes();
  return commit();
}

Result<void> Recovery::apply(SegmentNumber number, const ScannedRecord& record) {
  const RecordHead& head = record.head;
  ++result_.records;
  result_.position.next_sequence = std::max(result_.position.next_sequence, head.sequence + 1);
  if (!record.payload_valid && options_.mutation != Mutation::skip_checksum) return {};
  if (head.kind == RecordKind::seal) return {};
  TRY(const auto known, update_.find(head.key));
  if (head.kind == RecordKind::tombstone) {
    update_.count_tombstone(number);
    if (known && known->sequence < head.sequence) update_.remove(head.key, *known);
    return {};
  }
  // Of equal sequences the later one is a copy that compaction made: the earlier is about to go.
  if (known && known->sequence > head.sequence) return {};
  return update_.place(head.key, {.segment = number,
                                  .sequence = head.sequence,
                                  .offset = static_cast<std::uint32_t>(record.offset),
                                  .length = head.length});
}

Result<void> Recovery::commit() {
  const IndexBatch& batch = update_.finish(result_.position);
  TRY_OK(index_.apply(batch));
  table_.update(batch.segments);
  update_.clear();
  return {};
}

Result<Recovered> Recovery::run() {
  TRY(const auto segments, find_segments());
  TRY_OK(load_index(segments));
  // The names found must be durable before the index, flushed below, relies on them.
  if (!segments.empty() && options_.mutation != Mutation::skip_dir_sync) TRY_OK(disk_.sync_dir(kSegmentsDir));
  const LogPosition start = result_.position;
  bool read_any = false;
  for (const SegmentNumber number : segments) {
    if (number < start.segment) continue;
    const std::uint64_t from = number == start.segment ? start.offset : 0;
    if (number == start.segment) {
      TRY(auto file, disk_.open(segment_path(number), OpenMode::read));
      TRY(const std::uint64_t size, file->size());
      if (size == from) continue;
    }
    TRY_OK(read_segment(number, from));
    read_any = true;
  }
  if (read_any || result_.rebuilt) TRY_OK(index_.flush());
  const SegmentNumber last = segments.empty() ? 0 : segments.back();
  result_.next_segment = std::max(last, start.segment) + 1;
  return result_;
}

}  // namespace

Result<Recovered> recover(const DriveOptions& options, const DriveId& drive, Disk& disk, ShardIndex& index, SegmentTable& table) {
  return Recovery(options, drive, disk, index, table).run();
}

}  // namespace gabion::chunkserver
