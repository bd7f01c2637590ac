#include "chunkserver/index_update.h"

#include <algorithm>

namespace gabion::chunkserver {

Result<std::optional<IndexEntry>> IndexUpdate::find(const ShardKey& key) {
  if (const auto it = changed_.find(key); it != changed_.end()) return it->second;
  return index_.find(key, ReadMode::wait);
}

SegmentStats& IndexUpdate::stats(SegmentNumber segment) {
  auto& slot = batch_.segments[segment];
  if (!slot) slot = table_.get(segment);
  return *slot;
}

void IndexUpdate::drop(const IndexEntry& entry) {
  SegmentStats& old = stats(entry.segment);
  old.live_bytes -= record_bytes(entry.length);
  old.live_shards -= 1;
  old.payload_bytes -= entry.length;
}

Result<void> IndexUpdate::place(const ShardKey& key, IndexEntry entry) {
  TRY(const auto known, find(key));
  entry.oldest = known ? std::min(known->oldest, entry.segment) : entry.segment;
  if (known) drop(*known);
  SegmentStats& now = stats(entry.segment);
  now.live_bytes += record_bytes(entry.length);
  now.live_shards += 1;
  now.payload_bytes += entry.length;
  changed_[key] = entry;
  batch_.shards.emplace_back(key, entry);
  return {};
}

void IndexUpdate::remove(const ShardKey& key, const IndexEntry& known) {
  drop(known);
  changed_[key] = std::nullopt;
  batch_.shards.emplace_back(key, std::nullopt);
}

void IndexUpdate::count_tombstone(SegmentNumber segment) { stats(segment).tombstone_bytes += record_bytes(0); }

void IndexUpdate::set_segment_bytes(SegmentNumber segment, std::uint64_t bytes) { stats(segment).bytes = bytes; }

const IndexBatch& IndexUpdate::finish(const LogPosition& position) {
  batch_.position = position;
  return batch_;
}

void IndexUpdate::clear() {
  changed_.clear();
  batch_ = {};
}

}  // namespace gabion::chunkserver
