// IndexUpdate collects what a run of log records does to the index: which shard stands where now, and what that makes of
// the counts of the segments. Reads see the changes collected so far. Used by the writer for a batch and by recovery for
// a stretch of the log, so that both count alike. One thread.
#pragma once

#include <map>
#include <optional>

#include "chunkserver/segments.h"
#include "chunkserver/shard_index.h"

namespace gabion::chunkserver {

class IndexUpdate {
 public:
  IndexUpdate(ShardIndex& index, const SegmentTable& table) : index_(index), table_(table) {}

  Result<std::optional<IndexEntry>> find(const ShardKey& key);
  // A put: the shard stands at this place now, and what it had before is garbage. Sets entry.oldest.
  Result<void> place(const ShardKey& key, IndexEntry entry);
  // Removes the shard; `known` is what find() gave.
  void remove(const ShardKey& key, const IndexEntry& known);
  void count_tombstone(SegmentNumber segment);
  void set_segment_bytes(SegmentNumber segment, std::uint64_t bytes);

  bool empty() const { return batch_.shards.empty() && batch_.segments.empty(); }
  std::size_t changes() const { return batch_.shards.size(); }
  // The batch, with this position. Valid until clear().
  const IndexBatch& finish(const LogPosition& position);
  void clear();

 private:
  SegmentStats& stats(SegmentNumber segment);
  void drop(const IndexEntry& entry);

  ShardIndex& index_;
  const SegmentTable& table_;
  std::map<ShardKey, std::optional<IndexEntry>> changed_;
  IndexBatch batch_;
};

}  // namespace gabion::chunkserver
