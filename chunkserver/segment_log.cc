#include "chunkserver/segment_log.h"

#include "common/check.h"

namespace gabion::chunkserver {
namespace {

std::uint64_t total_of(std::span<const ByteView> pieces) {
  std::uint64_t total = 0;
  for (const ByteView piece : pieces) total += piece.size();
  return total;
}

// Only a write may report a full drive. Anything else that fails means the drive cannot be trusted any more.
Error fatal(Error error) {
  if (error.code == Errc::exhausted) error.code = Errc::unavailable;
  return error;
}

}  // namespace

Result<LogPlace> SegmentLog::reserve(std::uint64_t bytes, std::uint64_t next_sequence) {
  if (file_ && offset_ != 0 && offset_ + bytes > segment_bytes_) TRY_OK(seal(next_sequence));
  if (!file_) TRY_OK(start_segment());
  direct_ = bytes >= options_.direct_bytes;
  if (direct_) offset_ = rounded_up(offset_, kAppendAlignment);
  // The header of a new segment goes out with its first records.
  return LogPlace{.segment = name_.number,
                  .offset = offset_ == 0 ? kSegmentHeaderBytes : offset_,
                  .alignment = direct_ ? kAppendAlignment : kRecordAlignment,
                  .started_segment = offset_ == 0};
}

Result<void> SegmentLog::start_segment() {
  TRY(auto created, disk_.open(segment_path(next_number_), OpenMode::create));
  name_ = SegmentName{drive_, next_number_++};
  offset_ = 0;
  if (options_.mutation != Mutation::skip_dir_sync) {
    if (auto synced = disk_.sync_dir(kSegmentsDir); !synced) return fatal(std::move(synced).error());
  }
  file_ = std::move(created);
  files_.add(name_.number, file_);
  return {};
}

// Writes at the end and moves it. On a full drive what was written in part is cut off again, so that the bytes of a write
// that was answered with an error are not taken for a record later.
Result<void> SegmentLog::write(std::span<const ByteView> pieces, bool direct) {
  auto written = direct ? file_->write_direct(offset_, pieces) : file_->write(offset_, pieces);
  if (!written) {
    if (written.error().code != Errc::exhausted) return written;
    if (auto cut = file_->truncate(offset_); !cut) return fatal(std::move(cut).error());
    return written;
  }
  const std::uint64_t bytes = total_of(pieces);
  offset_ = rounded_up(offset_ + bytes, direct ? kAppendAlignment : kRecordAlignment);
  metrics_.written_bytes.add(bytes);
  return {};
}

Result<void> SegmentLog::sync() {
  if (options_.mutation == Mutation::skip_sync) return {};
  const TimePoint before = clock_.now();
  auto synced = file_->sync();
  if (!synced && options_.mutation == Mutation::retry_sync) synced = file_->sync();
  if (!synced) return fatal(std::move(synced).error());
  metrics_.syncs.add();
  metrics_.sync_latency.observe(clock_.now() - before);
  return {};
}

Result<void> SegmentLog::append(std::vector<ByteView> pieces) {
  GABION_CHECK(file_ != nullptr, "an append without a reserved place");
  const std::string header = offset_ == 0 ? encode_segment_header(name_) : std::string();
  if (!header.empty()) pieces.insert(pieces.begin(), as_bytes(header));
  TRY_OK(write(pieces, direct_));
  return sync();
}

Result<std::uint64_t> SegmentLog::seal(std::uint64_t sequence) {
  if (!file_) return 0;
  if (offset_ == 0) {
    file_.reset();
    return 0;
  }
  std::array<std::byte, kRecordHeadBytes> bytes;
  encode_head(name_, offset_, RecordHead{.kind = RecordKind::seal, .sequence = sequence}, {}, bytes.data());
  const ByteView piece(bytes);
  const auto written = write(std::span(&piece, 1), false);
  if (!written && written.error().code != Errc::exhausted) return written.error();
  if (written) TRY_OK(sync());
  file_.reset();  // on a full drive the segment stays without its seal, which costs a slower scan and nothing else
  return written ? offset_ : 0;
}

}  // namespace gabion::chunkserver
