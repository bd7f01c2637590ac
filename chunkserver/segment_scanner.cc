#include "chunkserver/segment_scanner.h"

#include <algorithm>
#include <cstring>

#include "common/check.h"

namespace gabion::chunkserver {
namespace {

constexpr std::size_t kWindowBytes = 256 * KiB;
static_assert(kWindowBytes >= kHeadBytesMax && kWindowBytes >= kCellBytes && kWindowBytes >= kAppendAlignment);
static_assert(kAppendAlignment == kDirectAlignment);

}  // namespace

SegmentScanner::SegmentScanner(File& file, const SegmentName& segment, std::uint64_t file_size, std::uint64_t from,
                               Payloads payloads)
    : file_(file), segment_(segment), size_(file_size), payloads_(payloads),
      at_(aligned(std::max<std::uint64_t>(from, kSegmentHeaderBytes))) {}

// At least `bytes` bytes from `offset` on, or all up to the end of the file. Valid until the next call.
Result<ByteView> SegmentScanner::window(std::uint64_t offset, std::size_t bytes) {
  GABION_CHECK(bytes <= kWindowBytes, "a window is smaller than what is asked of it");
  if (offset >= size_) return ByteView();
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, size_ - offset));
  if (offset < buffer_at_ || offset + wanted > buffer_at_ + buffered_) {
    buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kWindowBytes, size_ - offset)));
    buffered_ = 0;
    TRY(buffered_, file_.read(offset, buffer_, ReadMode::wait));
    buffer_at_ = offset;
  }
  const auto skip = static_cast<std::size_t>(offset - buffer_at_);
  return ByteView(buffer_.data() + skip, buffered_ - std::min(skip, buffered_));
}

Result<std::optional<RecordHead>> SegmentScanner::head_at(std::uint64_t offset) {
  TRY(ByteView bytes, window(offset, kRecordHeadBytes));
  const std::size_t size = head_bytes_at(bytes);
  if (size == 0) return std::nullopt;
  if (bytes.size() < size) {
    TRY(bytes, window(offset, size));
  }
  auto head = decode_head(segment_, offset, bytes);
  if (head && offset + head_bytes(head->length) + head->length > size_) return std::nullopt;  // cut off by a crash
  return head;
}

// Where the zeros end that a large append has before or after it; `offset` itself when there are none.
Result<std::uint64_t> SegmentScanner::padding_end(std::uint64_t offset) {
  const std::uint64_t end = std::min<std::uint64_t>(rounded_up(offset, kAppendAlignment), size_);
  TRY(const ByteView bytes, window(offset, static_cast<std::size_t>(end - offset)));
  if (bytes.size() < end - offset) return offset;
  const ByteView padding = bytes.first(static_cast<std::size_t>(end - offset));
  return std::all_of(padding.begin(), padding.end(), [](std::byte b) { return b == std::byte{}; }) ? end : offset;
}

// The first offset after `offset` where a head could start, or the end of the file.
Result<std::uint64_t> SegmentScanner::next_candidate(std::uint64_t offset) {
  for (offset += kRecordAlignment; offset + kRecordHeadBytes <= size_;) {
    TRY(const ByteView bytes, window(offset, kRecordHeadBytes));
    if (bytes.size() < kRecordHeadBytes) break;
    for (std::size_t i = 0; i + kRecordHeadBytes <= bytes.size(); i += kRecordAlignment, offset += kRecordAlignment) {
      if (head_bytes_at(bytes.subspan(i)) != 0) return offset;
    }
  }
  return size_;
}

Result<bool> SegmentScanner::payload_valid(std::uint64_t offset, const RecordHead& head) {
  std::string table(4 * cells_of(head.length), '\0');
  TRY(const std::size_t got, file_.read(offset + kRecordHeadBytes, std::as_writable_bytes(std::span(table)), ReadMode::wait));
  if (got != table.size()) return false;
  std::uint64_t at = offset + head_bytes(head.length);
  std::size_t left = head.length;
  for (std::size_t cell = 0; left != 0; ++cell) {
    const std::size_t n = std::min(left, kCellBytes);
    TRY(const ByteView bytes, window(at, n));
    if (bytes.size() < n || !cells_match(as_bytes(table), cell, bytes.first(n))) return false;
    at += n;
    left -= n;
  }
  return true;
}

Result<std::optional<ScannedRecord>> SegmentScanner::next() {
  while (at_ < size_) {
    TRY(const auto head, head_at(at_));
    if (!head) {
      TRY(const std::uint64_t after_padding, padding_end(at_));
      if (after_padding != at_) {
        at_ = after_padding;
        continue;
      }
      TRY(const std::uint64_t candidate, next_candidate(at_));
      damaged_ += candidate - at_;
      at_ = candidate;
      continue;
    }
    ScannedRecord record{.head = *head, .offset = at_};
    if (payloads_ == Payloads::verify) {
      TRY(record.payload_valid, payload_valid(at_, *head));
    }
    at_ += record_bytes(head->length);
    return record;
  }
  return std::nullopt;
}

Result<bool> is_sealed(File& file, const SegmentName& segment, std::uint64_t file_size) {
  if (file_size < kSegmentHeaderBytes + kRecordHeadBytes) return false;
  std::array<std::byte, kRecordHeadBytes> bytes;
  const std::uint64_t offset = file_size - kRecordHeadBytes;
  TRY(const std::size_t got, file.read(offset, bytes, ReadMode::wait));
  if (got != bytes.size()) return false;
  const auto head = decode_head(segment, offset, bytes);
  return head && head->kind == RecordKind::seal;
}

}  // namespace gabion::chunkserver
