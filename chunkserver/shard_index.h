// ShardIndex maps shards to where they stand in the segments of one drive. It is a cache: the segments are the truth, and
// whatever the index lacks is read from them at open. RocksIndex keeps it on the drive; the simulation has one in memory.
//
// Changes come in batches, in the order of the log, from one thread at a time. A batch is atomic, and carries the position
// in the log up to which the index then knows everything. A crash loses batches from the end, never one from the middle;
// after flush() it loses none of those before. Reads are thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "chunkserver/format.h"
#include "common/disk.h"
#include "common/result.h"

namespace gabion::chunkserver {

struct IndexEntry {
  SegmentNumber segment = 0;
  std::uint64_t sequence = 0;
  SegmentNumber oldest = 0;  // no record of this shard that no tombstone covers stands in a segment before this one
  std::uint32_t offset = 0;
  std::uint32_t length = 0;

  friend bool operator==(const IndexEntry&, const IndexEntry&) = default;
};

// What the index knows of one segment.
struct SegmentStats {
  std::uint64_t bytes = 0;            // of the segment, live or not
  std::uint64_t live_bytes = 0;       // of the records the index points to, heads included
  std::uint64_t live_shards = 0;
  std::uint64_t payload_bytes = 0;    // of the live shards
  std::uint64_t tombstone_bytes = 0;

  friend bool operator==(const SegmentStats&, const SegmentStats&) = default;
};

// Every record before this place in the log is in the index.
struct LogPosition {
  SegmentNumber segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t next_sequence = 1;

  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

struct IndexState {
  LogPosition position;
  std::map<SegmentNumber, SegmentStats> segments;
};

struct IndexBatch {
  std::vector<std::pair<ShardKey, std::optional<IndexEntry>>> shards;  // nullopt removes; the later of two wins
  std::map<SegmentNumber, std::optional<SegmentStats>> segments;       // nullopt: the segment is gone
  LogPosition position;
};

struct IndexPage {
  std::vector<std::pair<ShardKey, IndexEntry>> entries;
  bool more = false;
};

class ShardIndex {
 public:
  virtual ~ShardIndex() = default;
  // nullopt when the index is new and knows nothing. corrupt when it is damaged: clear() it.
  virtual Result<std::optional<IndexState>> load() = 0;
  // would_block only with ReadMode::cached_only.
  virtual Result<std::optional<IndexEntry>> find(const ShardKey& key, ReadMode mode) = 0;
  virtual Result<IndexPage> list(const ShardKey& from, std::size_t limit) = 0;
  virtual Result<void> apply(const IndexBatch& batch) = 0;
  virtual Result<void> flush() = 0;
  // Forgets everything, durably.
  virtual Result<void> clear() = 0;
};

}  // namespace gabion::chunkserver
