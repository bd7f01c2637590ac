#include "metadata/log_record.h"

#include "common/crc.h"

namespace gabion::metadata {
namespace {

constexpr std::uint32_t kSegmentMagic = 0x534c4d47;  // "GMLS"
constexpr std::uint32_t kRecordMagic = 0x524c4d47;   // "GMLR"
constexpr std::uint32_t kMembersMagic = 0x4d4c4d47;  // "GMLM"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kMembersHeaderSize = 16;
constexpr std::size_t kMembersFixedSize = 16 + 8 + 8 + 8;
constexpr std::size_t kMembersMax = 1024;

std::uint32_t checksum(const LogId& log, std::string_view bytes) {
  return crc32c(crc32c(0, as_bytes(log.raw())), as_bytes(bytes));
}

std::size_t padded(std::size_t size) { return (size + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment; }

template <class Int>
void append_le(std::string& out, Int value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

// Segment header: CRC32C of the rest, magic, version, length, log id, first index, zero.
std::string segment_header(const LogId& log, std::uint64_t first_index) {
  std::string fields;
  append_le(fields, kSegmentMagic);
  append_le(fields, kVersion);
  append_le(fields, static_cast<std::uint32_t>(kSegmentHeaderSize));
  fields.append(log.raw());
  append_le(fields, first_index);
  append_le(fields, std::uint64_t{0});
  std::string out;
  append_le(out, checksum(log, fields));
  return out.append(fields);
}

bool segment_header_valid(std::string_view content, const LogId& log, std::uint64_t first_index) {
  return content.substr(0, kSegmentHeaderSize) == segment_header(log, first_index);
}

// Record header: CRC32C of the rest of the header, magic, index, epoch, committed, payload length, payload CRC32C.
void append_record(std::string& out, const LogId& log, const RecordHeader& header, std::string_view payload) {
  const std::size_t start = out.size();
  append_le(out, std::uint32_t{0});
  append_le(out, kRecordMagic);
  append_le(out, header.index);
  append_le(out, header.epoch);
  append_le(out, header.committed);
  append_le(out, static_cast<std::uint32_t>(payload.size()));
  append_le(out, checksum(log, payload));
  const std::string_view fields(out.data() + start + 4, kRecordHeaderSize - 4);
  store_le(out.data() + start, checksum(log, fields));
  out.append(payload);
  out.resize(start + padded(kRecordHeaderSize + payload.size()), '\0');
}

std::optional<ScannedRecord> parse_record(std::string_view bytes, const LogId& log) {
  if (bytes.size() < kRecordHeaderSize || load_le<std::uint32_t>(bytes.data() + 4) != kRecordMagic) return std::nullopt;
  if (load_le<std::uint32_t>(bytes.data()) != checksum(log, bytes.substr(4, kRecordHeaderSize - 4))) return std::nullopt;
  ScannedRecord record;
  record.header.index = load_le<std::uint64_t>(bytes.data() + 8);
  record.header.epoch = load_le<std::uint64_t>(bytes.data() + 16);
  record.header.committed = load_le<std::uint64_t>(bytes.data() + 24);
  record.payload_size = load_le<std::uint32_t>(bytes.data() + 32);
  record.size = padded(kRecordHeaderSize + record.payload_size);
  if (record.payload_size > kRecordPayloadMax || record.size > bytes.size()) return std::nullopt;
  const std::string_view payload = bytes.substr(kRecordHeaderSize, record.payload_size);
  if (load_le<std::uint32_t>(bytes.data() + 36) != checksum(log, payload)) return std::nullopt;
  return record;
}

std::vector<ScannedRecord> scan_segment(std::string_view content, const LogId& log, std::uint64_t first_index) {
  std::vector<ScannedRecord> records;
  std::uint64_t next = first_index;
  std::size_t offset = kSegmentHeaderSize;
  while (offset + kRecordHeaderSize <= content.size()) {
    auto record = parse_record(content.substr(offset), log);
    if (!record || record->header.index < next) {
      offset += kRecordAlignment;
      continue;
    }
    record->offset = offset;
    offset += record->size;
    next = record->header.index + 1;
    records.push_back(*record);
  }
  return records;
}

// Members file: magic, version, length of the fields, CRC32C of the fields; log id, epoch, committed, count, drive ids.
std::string encode_members(const Members& members) {
  std::string fields(members.log.raw());
  append_le(fields, members.epoch);
  append_le(fields, members.committed);
  append_le(fields, static_cast<std::uint64_t>(members.drives.size()));
  for (const DriveId& drive : members.drives) fields.append(drive.raw());
  std::string out;
  append_le(out, kMembersMagic);
  append_le(out, kVersion);
  append_le(out, static_cast<std::uint32_t>(fields.size()));
  append_le(out, crc32c(0, as_bytes(fields)));
  return out.append(fields);
}

Result<Members> decode_members(std::string_view content) {
  const auto damaged = [] { return Error(Errc::corrupt, "the list of log replicas is damaged"); };
  if (content.size() < kMembersHeaderSize + kMembersFixedSize) return damaged();
  if (load_le<std::uint32_t>(content.data()) != kMembersMagic) return damaged();
  const std::string_view fields = content.substr(kMembersHeaderSize);
  if (load_le<std::uint32_t>(content.data() + 8) != fields.size()) return damaged();
  if (load_le<std::uint32_t>(content.data() + 12) != crc32c(0, as_bytes(fields))) return damaged();
  if (load_le<std::uint32_t>(content.data() + 4) != kVersion) {
    return Error(Errc::invalid, "the metadata log was written by a newer version");
  }
  Members members;
  members.log = *LogId::from_raw(fields.substr(0, 16));
  members.epoch = load_le<std::uint64_t>(fields.data() + 16);
  members.committed = load_le<std::uint64_t>(fields.data() + 24);
  const auto count = load_le<std::uint64_t>(fields.data() + 32);
  if (count > kMembersMax || fields.size() != kMembersFixedSize + count * 16) return damaged();
  for (std::size_t i = 0; i < count; ++i) {
    members.drives.push_back(*DriveId::from_raw(fields.substr(kMembersFixedSize + i * 16, 16)));
  }
  return members;
}

}  // namespace gabion::metadata
