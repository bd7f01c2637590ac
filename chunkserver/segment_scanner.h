// SegmentScanner reads the records of one segment in order, from any offset on. Damage does not stop it: it goes on at the
// next valid head behind. It blocks, reads in windows of bounded size, and belongs to one thread. `file` must outlive it.
#pragma once

#include <optional>
#include <vector>

#include "chunkserver/format.h"
#include "common/disk.h"

namespace gabion::chunkserver {

enum class Payloads { skip, verify };

struct ScannedRecord {
  RecordHead head;
  std::uint64_t offset = 0;
  bool payload_valid = true;  // always true with Payloads::skip
};

class SegmentScanner {
 public:
  SegmentScanner(File& file, const SegmentName& segment, std::uint64_t file_size, std::uint64_t from, Payloads payloads);

  // The next record, or nullopt at the end. An error is a failed read, never damage.
  Result<std::optional<ScannedRecord>> next();
  // Bytes passed over because they are no valid record.
  std::uint64_t damaged_bytes() const { return damaged_; }

 private:
  Result<ByteView> window(std::uint64_t offset, std::size_t bytes);
  Result<std::optional<RecordHead>> head_at(std::uint64_t offset);
  Result<std::uint64_t> padding_end(std::uint64_t offset);
  Result<std::uint64_t> next_candidate(std::uint64_t offset);
  Result<bool> payload_valid(std::uint64_t offset, const RecordHead& head);

  File& file_;
  const SegmentName segment_;
  const std::uint64_t size_;
  const Payloads payloads_;
  std::uint64_t at_;
  std::uint64_t damaged_ = 0;
  std::vector<std::byte> buffer_;
  std::uint64_t buffer_at_ = 0;
  std::size_t buffered_ = 0;
};

// Whether the segment ends with a seal.
Result<bool> is_sealed(File& file, const SegmentName& segment, std::uint64_t file_size);

}  // namespace gabion::chunkserver
