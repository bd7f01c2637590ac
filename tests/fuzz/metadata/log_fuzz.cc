// Decoders of the command log: whatever a drive gives back, they answer within its size and never crash.
#include "common/check.h"
#include "metadata/log_merge.h"

using namespace gabion;
using namespace gabion::metadata;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)decode_members(bytes);

  // Damage chosen by the input, in a segment that is whole otherwise.
  const LogId log;
  std::string content = segment_header(log, 1);
  for (std::uint64_t i = 1; i <= 4; ++i) append_record(content, log, RecordHeader{i, 1, i - 1}, std::string(i * 5, 'c'));
  const std::string whole = content;
  for (std::size_t i = 0; i + 2 < size; i += 3)
    content[(data[i] | data[i + 1] << 8) % content.size()] ^= static_cast<char>(data[i + 2]);
  for (const std::string& text : {content, std::string(bytes)}) {
    SegmentSource source;
    source.content = text;
    source.member = true;
    source.believed = UINT64_MAX;
    source.records = scan_segment(text, log, 1);
    std::uint64_t previous = 0;
    for (const ScannedRecord& record : source.records) {
      GABION_CHECK(record.header.index > previous, "indexes ascend");
      GABION_CHECK(record.offset + record.size <= text.size(), "records are inside the segment");
      previous = record.header.index;
    }
    SegmentSource good;
    good.content = whole;
    good.member = true;
    good.believed = UINT64_MAX;
    good.records = scan_segment(whole, log, 1);
    const SegmentSource sources[] = {source, good};
    const MergedSegment merged = merge_segment(sources, log, 1, 4);
    GABION_CHECK(merged.damaged.empty(), "what one replica lacks the other has");
  }
  return 0;
}
