// The bytes of a drive. What is written here is read for years: a change means a new kFormatVersion.
//
// A drive is one directory:
//
//   gabion.drive                    identity, text (identity.h)
//   segments/<16 hex digits>.seg    segments, named by their number, which only rises
//   index/                          RocksDB, a cache of what the segments say (shard_index.h)
//
// A segment is a header and then records, each at an offset that is a multiple of 8. A segment is appended to by the one
// run of the program that created it, and never again after that run. A segment that ends with a seal record was
// completed in order: everything before the seal was synced. One without a seal may end in bytes of a write that a power
// cut tore; there, a record counts only when its payload verifies too.
//
//   segment header (64 bytes)          record head (80 bytes, then 4 bytes for each cell)
//    0  8  "GABIONSG"                   0  4  "GREC"
//    8  4  format version               4  1  kind: 1 put, 2 tombstone, 3 seal
//   12  4  zero                         5  1  index of the shard in its block
//   16 16  drive id                     6  2  number of cells
//   32  8  segment number               8  4  payload length
//   40 20  zero                        12  4  zero
//   60  4  CRC32C of bytes 0 to 59     16  8  number of the segment the record stands in
//                                      24  8  offset of the record in it
//                                      32  8  sequence number
//                                      40 16  block id
//                                      56  8  tombstone: first segment that may hold what it removes
//                                      64  8  tombstone: last such segment
//                                      72  4  zero
//                                      76  4  CRC32C of the drive id, bytes 0 to 75 and the cell table
//                                      80  4  CRC32C of cell 0, and so on
//
// The payload follows the cell table at once, and zeros up to the next multiple of 8. Large appends start and end at a
// multiple of 4096, with zeros before and after, so that they can go to the device past the page cache. All integers are
// little-endian.
// A head names its drive, segment and offset, so that neither stale bytes, nor a misdirected write, nor a payload that
// contains a copy of a segment can pass for a record: a reader that meets damage looks for the next valid head.
//
// Sequence numbers rise over the life of a drive. Of the records of one shard, the highest sequence wins; a copy that
// compaction makes keeps its number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "chunkserver/shard_store.h"
#include "common/bytes.h"
#include "common/ids.h"

namespace gabion::chunkserver {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kRecordHeadBytes = 80;  // without the cell table
inline constexpr std::size_t kRecordAlignment = 8;
inline constexpr std::size_t kAppendAlignment = 4096;  // of large appends
inline constexpr std::size_t kCellsMax = (kShardBytesMax + kCellBytes - 1) / kCellBytes;
inline constexpr std::size_t kHeadBytesMax = kRecordHeadBytes + 4 * kCellsMax;
inline constexpr char kSegmentsDir[] = "segments";
inline constexpr char kIndexDir[] = "index";

static_assert(kSegmentHeaderBytes % kRecordAlignment == 0);

using SegmentNumber = std::uint64_t;

// Which file a record stands in.
struct SegmentName {
  DriveId drive;
  SegmentNumber number = 0;
};

std::string segment_path(SegmentNumber number);
// The number in a file name of the segments directory; nullopt for a name that is no segment's.
std::optional<SegmentNumber> parse_segment_file(std::string_view file_name);

std::string encode_segment_header(const SegmentName& segment);
enum class HeaderCheck { valid, damaged, newer };
HeaderCheck check_segment_header(const SegmentName& segment, ByteView bytes);

enum class RecordKind : std::uint8_t { put = 1, tombstone = 2, seal = 3 };

struct RecordHead {
  RecordKind kind = RecordKind::put;
  ShardKey key = {};
  std::uint32_t length = 0;  // of the payload
  std::uint64_t sequence = 0;
  SegmentNumber first = 0;  // tombstones only
  SegmentNumber last = 0;
};

constexpr std::size_t cells_of(std::uint32_t length) { return (length + kCellBytes - 1) / kCellBytes; }
constexpr std::size_t head_bytes(std::uint32_t length) { return kRecordHeadBytes + 4 * cells_of(length); }
constexpr std::uint64_t rounded_up(std::uint64_t value, std::size_t to) { return (value + to - 1) / to * to; }
constexpr std::size_t aligned(std::size_t bytes) { return rounded_up(bytes, kRecordAlignment); }
// All bytes of a record with a payload of this length, padding included.
constexpr std::size_t record_bytes(std::uint32_t length) { return aligned(head_bytes(length) + length); }

// Writes the head and its cell table to `out`, which has head_bytes(head.length) bytes. `cells` is that many CRCs.
void encode_head(const SegmentName& segment, std::uint64_t offset, const RecordHead& head, ByteView cells, std::byte* out);

// How many bytes head and cell table take, from the first kRecordHeadBytes of a record; 0 when those start no record.
std::size_t head_bytes_at(ByteView first);
// nullopt unless `bytes` starts with a valid head of a record at this very place. Never reads past `bytes`.
std::optional<RecordHead> decode_head(const SegmentName& segment, std::uint64_t offset, ByteView bytes);

// The CRC table of a shard whose bytes are the pieces one after the other.
std::string cell_table(const std::vector<Bytes>& pieces);
// Whether the bytes of whole cells, from cell number `first` on, match the table (4 bytes a cell).
bool cells_match(ByteView table, std::size_t first, ByteView cells);

}  // namespace gabion::chunkserver
