#include "chunkserver/batch.h"

#include "common/check.h"

namespace gabion::chunkserver {
namespace {

constexpr std::byte kZeros[kRecordAlignment] = {};

}  // namespace

Batch::Batch(ShardIndex& index, const SegmentTable& table, const DriveId& drive, const LogPlace& place,
             std::uint64_t next_sequence, std::size_t heads_max)
    : name_{drive, place.segment}, alignment_(place.alignment), offset_(place.offset), next_sequence_(next_sequence),
      update_(index, table) {
  heads_.reserve(heads_max);
}

// Returns the offset of the record.
std::uint64_t Batch::append_head(const RecordHead& head, ByteView table) {
  const std::size_t bytes = kRecordHeadBytes + table.size();
  GABION_CHECK(heads_.size() + bytes <= heads_.capacity(), "the bound of a batch's heads is too small");
  const std::size_t at = heads_.size();
  heads_.resize(at + bytes);
  encode_head(name_, offset_, head, table, heads_.data() + at);
  pieces_.emplace_back(heads_.data() + at, bytes);
  return offset_;
}

void Batch::append_padding(const RecordHead& head) {
  const std::size_t bytes = record_bytes(head.length);
  const std::size_t padding = bytes - head_bytes(head.length) - head.length;
  if (padding != 0) pieces_.emplace_back(kZeros, padding);
  offset_ += bytes;
}

Result<void> Batch::put(const NewShard& shard) {
  const RecordHead head{.key = shard.key, .length = shard.length, .sequence = next_sequence_++};
  const std::uint64_t offset = append_head(head, as_bytes(shard.table));
  for (const Bytes& piece : shard.pieces) {
    if (!piece.empty()) pieces_.push_back(piece.view());
  }
  append_padding(head);
  return update_.place(shard.key, {.segment = name_.number,
                                   .sequence = head.sequence,
                                   .offset = static_cast<std::uint32_t>(offset),
                                   .length = shard.length});
}

Result<void> Batch::remove(const ShardKey& key) {
  TRY(const auto known, update_.find(key));
  if (!known) return {};
  const RecordHead head{.kind = RecordKind::tombstone,
                        .key = key,
                        .sequence = next_sequence_++,
                        .first = known->oldest,
                        .last = known->segment};
  append_head(head, {});
  append_padding(head);
  update_.remove(key, *known);
  update_.count_tombstone(name_.number);
  return {};
}

Result<void> Batch::move(SegmentNumber from, const MovedRecord& record) {
  if (record.head.kind == RecordKind::tombstone) {
    append_head(record.head, {});
    append_padding(record.head);
    update_.count_tombstone(name_.number);
    return {};
  }
  TRY(const auto known, update_.find(record.head.key));
  if (!known || known->segment != from || known->offset != record.offset) return {};
  const std::uint64_t offset = append_head(record.head, record.table.view());
  if (!record.payload.empty()) pieces_.push_back(record.payload.view());
  append_padding(record.head);
  return update_.place(record.head.key, {.segment = name_.number,
                                         .sequence = record.head.sequence,
                                         .offset = static_cast<std::uint32_t>(offset),
                                         .length = record.head.length});
}

const IndexBatch& Batch::index_batch() {
  const std::uint64_t end = rounded_up(offset_, alignment_);
  update_.set_segment_bytes(name_.number, end);
  return update_.finish({name_.number, end, next_sequence_});
}

}  // namespace gabion::chunkserver
