// Compactor frees the space of removed and replaced shards: it moves what a segment still has worth keeping to the newest
// segment, and then removes the segment. Worth keeping is a put that the index points to, and a tombstone while another
// segment may still hold what it removed. A segment is removed only when the index points to nothing in it any more; one
// that cannot be read, or whose live records cannot be found, is left alone.
//
// run_once() blocks and must run on the readers' executor, one call at a time. What is referred to must outlive it.
#pragma once

#include <map>

#include "chunkserver/drive_options.h"
#include "chunkserver/drive_writer.h"
#include "chunkserver/segment_scanner.h"
#include "chunkserver/segments.h"

namespace gabion::chunkserver {

class Compactor {
 public:
  Compactor(const DriveOptions& options, const DriveId& drive, Disk& disk, ShardIndex& index, SegmentTable& table,
            SegmentFiles& files, DriveWriter& writer, Clock& clock, DriveMetrics& metrics)
      : options_(options), drive_(drive), disk_(disk), index_(index), table_(table), files_(files), writer_(writer),
        clock_(clock), metrics_(metrics) {}

  // Compacts the segment with the most garbage. False when none has enough.
  task<Result<bool>> run_once();

 private:
  // A segment that was looked at and not worth it, so that it is not read again before something has changed.
  struct Look {
    std::uint64_t garbage = 0;
    std::uint64_t removals = 0;
  };

  std::vector<SegmentNumber> candidates();
  double threshold();
  Result<bool> worth_keeping(SegmentNumber number, const ScannedRecord& record);
  task<Result<bool>> compact(SegmentNumber number);
  Result<std::uint64_t> bytes_worth_keeping(File& file, SegmentNumber number, std::uint64_t size);
  task<Result<void>> move_all(std::shared_ptr<File> file, SegmentNumber number, std::uint64_t size);
  Result<MovedRecord> read_record(File& file, SegmentNumber number, const ScannedRecord& record);

  const DriveOptions& options_;
  const DriveId drive_;
  Disk& disk_;
  ShardIndex& index_;
  SegmentTable& table_;
  SegmentFiles& files_;
  DriveWriter& writer_;
  Clock& clock_;
  DriveMetrics& metrics_;
  std::map<SegmentNumber, Look> looked_at_;
  std::uint64_t removals_ = 0;
};

}  // namespace gabion::chunkserver
