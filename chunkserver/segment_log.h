// SegmentLog appends to the newest segment of a drive and starts a new one when it is full. It blocks and belongs to the
// writer of the drive. Segments of earlier runs are never appended to.
//
// Errors: `exhausted` leaves the log as it was. Any other means that the drive can no longer be trusted; after one the
// log must not be used.
#pragma once

#include <memory>
#include <span>

#include "chunkserver/drive_options.h"
#include "chunkserver/format.h"
#include "chunkserver/segments.h"
#include "common/clock.h"
#include "common/disk.h"

namespace gabion::chunkserver {

struct LogPlace {
  SegmentNumber segment = 0;
  std::uint64_t offset = 0;
  std::size_t alignment = kRecordAlignment;  // of the end of the append
  bool started_segment = false;
};

class SegmentLog {
 public:
  SegmentLog(const DriveOptions& options, std::uint64_t segment_bytes, const DriveId& drive, Disk& disk, SegmentFiles& files,
             Clock& clock, DriveMetrics& metrics)
      : options_(options), segment_bytes_(segment_bytes), drive_(drive), disk_(disk), files_(files), clock_(clock),
        metrics_(metrics) {}

  // The number of the next segment to be created; call before anything else.
  void continue_at(SegmentNumber next) { next_number_ = next; }
  // Where the next append of at most `bytes` will stand.
  Result<LogPlace> reserve(std::uint64_t bytes, std::uint64_t next_sequence);
  // Appends at the reserved place. Durable on success.
  Result<void> append(std::vector<ByteView> pieces);
  // Ends the newest segment, if one is open. Returns the length of the segment then, 0 when nothing was done.
  Result<std::uint64_t> seal(std::uint64_t sequence);

 private:
  Result<void> start_segment();
  Result<void> write(std::span<const ByteView> pieces, bool direct);
  Result<void> sync();

  const DriveOptions& options_;
  const std::uint64_t segment_bytes_;
  const DriveId drive_;
  Disk& disk_;
  SegmentFiles& files_;
  Clock& clock_;
  DriveMetrics& metrics_;
  SegmentNumber next_number_ = 1;
  SegmentName name_;
  std::shared_ptr<File> file_;  // null until there is something to append
  std::uint64_t offset_ = 0;    // its end; 0 while not even the header is written
  bool direct_ = false;         // how the reserved append goes out
};

}  // namespace gabion::chunkserver
