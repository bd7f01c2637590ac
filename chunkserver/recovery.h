// Recovery brings the index of a drive up to what its segments say, at open. It reads only what lies behind the position
// that the index was flushed at, or everything when the index is new, damaged, or knows segments that are not there.
// It blocks, changes no segment and removes nothing. A segment that cannot be read fails the open.
#pragma once

#include "chunkserver/drive_options.h"
#include "chunkserver/segments.h"
#include "chunkserver/shard_index.h"

namespace gabion::chunkserver {

struct Recovered {
  LogPosition position;
  SegmentNumber next_segment = 1;
  std::uint64_t records = 0;        // read from segments
  std::uint64_t damaged_bytes = 0;  // in the stretch that was read: torn by a crash, or rotten
  bool rebuilt = false;             // the index was made anew
};

// Fills `table` too.
Result<Recovered> recover(const DriveOptions& options, const DriveId& drive, Disk& disk, ShardIndex& index, SegmentTable& table);

}  // namespace gabion::chunkserver
