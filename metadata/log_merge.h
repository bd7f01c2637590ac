// Puts one segment together from what several replicas have of it. Pure.
#pragma once

#include <span>

#include "metadata/log_record.h"

namespace gabion::metadata {

struct SegmentSource {
  std::string content;
  // Records up to this index may be believed: all of them for a member of the newest epoch, and for a stale replica those
  // that were acknowledged while it was a member.
  std::uint64_t believed = 0;
  bool member = false;
  std::vector<ScannedRecord> records;
};

struct IndexRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

struct MergedSegment {
  std::string content;
  std::vector<ScannedRecord> records;
  std::vector<IndexRange> damaged;  // acknowledged, and whole in no source
};

// `committed`: everything up to it was acknowledged, so that it is never dropped; what is behind a hole after it is.
MergedSegment merge_segment(std::span<const SegmentSource> sources, const LogId& log, std::uint64_t first_index,
                            std::uint64_t committed);

}  // namespace gabion::metadata
