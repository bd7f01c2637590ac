#include "chunkserver/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "common/check.h"
#include "common/crc.h"

namespace gabion::chunkserver {
namespace {

constexpr char kSegmentMagic[] = "GABIONSG";
constexpr std::uint32_t kRecordMagic = 0x43455247;  // "GREC"
constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::size_t kNumberDigits = 16;
constexpr std::size_t kHeaderCrc = 60;
constexpr std::size_t kHeadCrc = 76;

std::uint32_t head_crc(const DriveId& drive, ByteView head) {
  const std::uint32_t named = crc32c(crc32c(0, as_bytes(drive.raw())), head.first(kHeadCrc));
  return crc32c(named, head.subspan(kRecordHeadBytes));
}

}  // namespace

std::string segment_path(SegmentNumber number) {
  return fmt::format("{}/{:016x}{}", kSegmentsDir, number, kSegmentSuffix);
}

std::optional<SegmentNumber> parse_segment_file(std::string_view file_name) {
  if (file_name.size() != kNumberDigits + kSegmentSuffix.size() || !file_name.ends_with(kSegmentSuffix)) return std::nullopt;
  SegmentNumber number = 0;
  for (const char c : file_name.substr(0, kNumberDigits)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
    number = number << 4 | static_cast<SegmentNumber>(digit ? c - '0' : c - 'a' + 10);
  }
  return number;
}

std::string encode_segment_header(const SegmentName& segment) {
  std::string out(kSegmentHeaderBytes, '\0');
  std::memcpy(out.data(), kSegmentMagic, 8);
  store_le<std::uint32_t>(out.data() + 8, kFormatVersion);
  std::memcpy(out.data() + 16, segment.drive.bytes.data(), 16);
  store_le<std::uint64_t>(out.data() + 32, segment.number);
  store_le<std::uint32_t>(out.data() + kHeaderCrc, crc32c(0, as_bytes(out).first(kHeaderCrc)));
  return out;
}

HeaderCheck check_segment_header(const SegmentName& segment, ByteView bytes) {
  if (bytes.size() < kSegmentHeaderBytes || std::memcmp(bytes.data(), kSegmentMagic, 8) != 0) return HeaderCheck::damaged;
  if (load_le<std::uint32_t>(bytes.data() + kHeaderCrc) != crc32c(0, bytes.first(kHeaderCrc))) return HeaderCheck::damaged;
  if (load_le<std::uint32_t>(bytes.data() + 8) > kFormatVersion) return HeaderCheck::newer;
  const bool named = std::memcmp(bytes.data() + 16, segment.drive.bytes.data(), 16) == 0 &&
                     load_le<std::uint64_t>(bytes.data() + 32) == segment.number;
  return named ? HeaderCheck::valid : HeaderCheck::damaged;
}

void encode_head(const SegmentName& segment, std::uint64_t offset, const RecordHead& head, ByteView cells, std::byte* out) {
  GABION_CHECK(cells.size() == 4 * cells_of(head.length), "the cell table does not fit the payload");
  std::memset(out, 0, kRecordHeadBytes);
  store_le<std::uint32_t>(out, kRecordMagic);
  out[4] = static_cast<std::byte>(head.kind);
  out[5] = static_cast<std::byte>(head.key.index);
  store_le<std::uint16_t>(out + 6, static_cast<std::uint16_t>(cells_of(head.length)));
  store_le<std::uint32_t>(out + 8, head.length);
  store_le<std::uint64_t>(out + 16, segment.number);
  store_le<std::uint64_t>(out + 24, offset);
  store_le<std::uint64_t>(out + 32, head.sequence);
  std::memcpy(out + 40, head.key.block.bytes.data(), 16);
  store_le<std::uint64_t>(out + 56, head.first);
  store_le<std::uint64_t>(out + 64, head.last);
  if (!cells.empty()) std::memcpy(out + kRecordHeadBytes, cells.data(), cells.size());
  const ByteView all(out, kRecordHeadBytes + cells.size());
  store_le<std::uint32_t>(out + kHeadCrc, head_crc(segment.drive, all));
}

std::size_t head_bytes_at(ByteView first) {
  if (first.size() < kRecordHeadBytes || load_le<std::uint32_t>(first.data()) != kRecordMagic) return 0;
  const std::uint32_t length = load_le<std::uint32_t>(first.data() + 8);
  if (length > kShardBytesMax || load_le<std::uint16_t>(first.data() + 6) != cells_of(length)) return 0;
  return head_bytes(length);
}

std::optional<RecordHead> decode_head(const SegmentName& segment, std::uint64_t offset, ByteView bytes) {
  const std::size_t size = head_bytes_at(bytes);
  if (size == 0 || bytes.size() < size) return std::nullopt;
  const std::byte* at = bytes.data();
  if (load_le<std::uint64_t>(at + 16) != segment.number || load_le<std::uint64_t>(at + 24) != offset) return std::nullopt;
  if (load_le<std::uint32_t>(at + kHeadCrc) != head_crc(segment.drive, bytes.first(size))) return std::nullopt;
  RecordHead head;
  const auto kind = static_cast<std::uint8_t>(at[4]);
  if (kind < 1 || kind > 3) return std::nullopt;
  head.kind = static_cast<RecordKind>(kind);
  head.key.index = static_cast<std::uint8_t>(at[5]);
  head.length = load_le<std::uint32_t>(at + 8);
  head.sequence = load_le<std::uint64_t>(at + 32);
  std::memcpy(head.key.block.bytes.data(), at + 40, 16);
  head.first = load_le<std::uint64_t>(at + 56);
  head.last = load_le<std::uint64_t>(at + 64);
  if (head.kind != RecordKind::put && head.length != 0) return std::nullopt;
  return head;
}

std::string cell_table(const std::vector<Bytes>& pieces) {
  std::string table;
  std::uint32_t crc = 0;
  std::size_t filled = 0;  // bytes of the current cell
  const auto close_cell = [&] {
    table.append(reinterpret_cast<const char*>(&crc), sizeof crc);
    crc = 0;
    filled = 0;
  };
  for (const Bytes& piece : pieces) {
    for (ByteView rest = piece.view(); !rest.empty();) {
      const std::size_t n = std::min(rest.size(), kCellBytes - filled);
      crc = crc32c(crc, rest.first(n));
      filled += n;
      rest = rest.subspan(n);
      if (filled == kCellBytes) close_cell();
    }
  }
  if (filled != 0) close_cell();
  return table;
}

bool cells_match(ByteView table, std::size_t first, ByteView cells) {
  for (std::size_t i = first; !cells.empty(); ++i) {
    const std::size_t n = std::min(cells.size(), kCellBytes);
    if (4 * i + 4 > table.size()) return false;
    if (load_le<std::uint32_t>(table.data() + 4 * i) != crc32c(0, cells.first(n))) return false;
    cells = cells.subspan(n);
  }
  return true;
}

}  // namespace gabion::chunkserver
