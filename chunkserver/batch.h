// Batch turns one group commit into the bytes to append and the changes to the index. Built by the writer for one place in
// the log; the pieces refer to the memory of the shards, which the caller keeps alive. One thread.
#pragma once

#include <vector>

#include "chunkserver/drive_options.h"
#include "chunkserver/format.h"
#include "chunkserver/index_update.h"
#include "chunkserver/segment_log.h"

namespace gabion::chunkserver {

// A shard to be written, with its cell table made.
struct NewShard {
  ShardKey key;
  std::uint32_t length = 0;
  std::vector<Bytes> pieces;
  std::string table;
};

// A record that compaction moves: its head, where it stands, and its bytes as they are.
struct MovedRecord {
  RecordHead head;
  std::uint64_t offset = 0;
  Bytes table = {};
  Bytes payload = {};
};

class Batch {
 public:
  // `heads_max` is an upper bound of the bytes of all heads, tables and padding.
  Batch(ShardIndex& index, const SegmentTable& table, const DriveId& drive, const LogPlace& place, std::uint64_t next_sequence,
        std::size_t heads_max);

  Result<void> put(const NewShard& shard);
  Result<void> remove(const ShardKey& key);
  // Left out when the shard has been replaced or removed since `from` was looked at.
  Result<void> move(SegmentNumber from, const MovedRecord& record);

  bool empty() const { return pieces_.empty(); }
  const std::vector<ByteView>& pieces() const { return pieces_; }
  std::uint64_t next_sequence() const { return next_sequence_; }
  const IndexBatch& index_batch();

 private:
  std::uint64_t append_head(const RecordHead& head, ByteView table);
  void append_padding(const RecordHead& head);

  const SegmentName name_;
  const std::size_t alignment_;
  std::uint64_t offset_;
  std::uint64_t next_sequence_;
  IndexUpdate update_;
  std::vector<std::byte> heads_;  // never grows past its first capacity, as pieces point into it
  std::vector<ByteView> pieces_;
};

}  // namespace gabion::chunkserver
