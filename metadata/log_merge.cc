#include "metadata/log_merge.h"

#include <map>

namespace gabion::metadata {
namespace {

struct Found {
  const SegmentSource* source;
  const ScannedRecord* record;
};

std::map<std::uint64_t, Found> collect(std::span<const SegmentSource> sources) {
  std::map<std::uint64_t, Found> found;
  for (const bool members : {true, false}) {
    for (const SegmentSource& source : sources) {
      if (source.member != members) continue;
      for (const ScannedRecord& record : source.records) {
        if (record.header.index <= source.believed) found.try_emplace(record.header.index, Found{&source, &record});
      }
    }
  }
  return found;
}

// Keeps the bytes of damaged records, so that what follows stays where it is.
void fill(std::string& content, std::size_t end, std::span<const SegmentSource> sources) {
  for (const SegmentSource& source : sources) {
    if (source.member && source.content.size() >= end) {
      content.append(source.content, content.size(), end - content.size());
      return;
    }
  }
  content.resize(end, '\0');
}

}  // namespace

MergedSegment merge_segment(std::span<const SegmentSource> sources, const LogId& log, std::uint64_t first_index,
                            std::uint64_t committed) {
  MergedSegment merged;
  merged.content = segment_header(log, first_index);
  std::uint64_t next = first_index;
  for (const auto& [index, found] : collect(sources)) {
    const ScannedRecord& record = *found.record;
    if (record.offset < merged.content.size()) continue;
    if (index != next || record.offset != merged.content.size()) {
      if (next > committed) break;
      if (index > next) merged.damaged.push_back({next, index - 1});
      fill(merged.content, record.offset, sources);
    }
    merged.content.append(found.source->content, record.offset, record.size);
    merged.records.push_back(record);
    next = index + 1;
  }
  if (next <= committed) {
    merged.damaged.push_back({next, committed});
    std::size_t end = merged.content.size();
    for (const SegmentSource& source : sources) {
      if (source.member) end = std::max(end, source.content.size());
    }
    fill(merged.content, end, sources);
  }
  return merged;
}

}  // namespace gabion::metadata
