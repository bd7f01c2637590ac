// The bytes of the command log: records in segments, and the file that says which replicas belong to the log. Pure.
//
// A segment is a header and records one after the other, each padded to 8 bytes; the segments of all replicas are equal
// byte for byte. A record's header has its own CRC, so that its length can be believed, and names the last index that was
// acknowledged when it was written: all records up to it were on every replica of that epoch. The CRCs start from the
// log's id, which clients do not know, so that nobody can hide a valid record inside a command.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/ids.h"
#include "common/result.h"

namespace gabion::metadata {

using LogId = Id<struct LogTag>;

struct RecordHeader {
  std::uint64_t index = 0;
  std::uint64_t epoch = 0;
  std::uint64_t committed = 0;
};

inline constexpr std::size_t kSegmentHeaderSize = 48;
inline constexpr std::size_t kRecordHeaderSize = 40;
inline constexpr std::size_t kRecordAlignment = 8;
inline constexpr std::size_t kRecordPayloadMax = 8 * MiB;

std::string segment_header(const LogId& log, std::uint64_t first_index);
bool segment_header_valid(std::string_view content, const LogId& log, std::uint64_t first_index);
void append_record(std::string& out, const LogId& log, const RecordHeader& header, std::string_view payload);

struct ScannedRecord {
  RecordHeader header;
  std::size_t offset = 0;  // of the record in the segment
  std::size_t size = 0;    // with header and padding
  std::size_t payload_size = 0;
};

// The record at the start of `bytes`, or nullopt when there is none that is whole.
std::optional<ScannedRecord> parse_record(std::string_view bytes, const LogId& log);

// All whole records of a segment with ascending indexes, also those behind damage.
std::vector<ScannedRecord> scan_segment(std::string_view content, const LogId& log, std::uint64_t first_index);

// Which replicas hold all that was acknowledged, by epoch: whoever is not a member of the newest epoch is stale.
struct Members {
  LogId log;
  std::uint64_t epoch = 0;
  std::uint64_t committed = 0;  // everything up to here was acknowledged
  std::vector<DriveId> drives;
};
std::string encode_members(const Members& members);
Result<Members> decode_members(std::string_view content);

}  // namespace gabion::metadata
