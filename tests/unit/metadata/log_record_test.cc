#include <catch2/catch_test_macros.hpp>

#include "metadata/log_merge.h"

namespace gabion::metadata {
namespace {

LogId log_id(std::uint8_t n) {
  LogId id;
  id.bytes.fill(n);
  return id;
}

// A segment with records 1..count.
std::string segment(const LogId& log, std::uint64_t count, std::uint64_t committed = 0) {
  std::string content = segment_header(log, 1);
  for (std::uint64_t i = 1; i <= count; ++i) {
    append_record(content, log, RecordHeader{i, 1, committed}, "command " + std::to_string(i));
  }
  return content;
}

SegmentSource source(std::string content, const LogId& log, bool member = true, std::uint64_t believed = UINT64_MAX) {
  SegmentSource out;
  out.records = scan_segment(content, log, 1);
  out.content = std::move(content);
  out.member = member;
  out.believed = believed;
  return out;
}

}  // namespace

TEST_CASE("the bytes of the log do not change between versions") {
  const std::string record = [] {
    std::string out;
    append_record(out, log_id(1), RecordHeader{0x0102, 3, 0x0101}, "abc");
    return out;
  }();
  REQUIRE(record.size() == 48);
  CHECK(record.substr(4, 4) == "GMLR");
  CHECK(load_le<std::uint64_t>(record.data() + 8) == 0x0102);
  CHECK(load_le<std::uint64_t>(record.data() + 16) == 3);
  CHECK(load_le<std::uint64_t>(record.data() + 24) == 0x0101);
  CHECK(load_le<std::uint32_t>(record.data() + 32) == 3);
  CHECK(record.substr(40) == std::string("abc\0\0\0\0\0", 8));
  CHECK(segment_header(log_id(1), 5).size() == kSegmentHeaderSize);
}

TEST_CASE("a scan finds all records, and those behind a damaged one") {
  const LogId log = log_id(1);
  std::string content = segment(log, 5);
  auto records = scan_segment(content, log, 1);
  REQUIRE(records.size() == 5);
  CHECK(records[4].offset + records[4].size == content.size());
  for (std::size_t at = records[2].offset; at < records[3].offset; ++at) {
    std::string damaged = content;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    const auto found = scan_segment(damaged, log, 1);
    // Padding is not covered, as it says nothing.
    if (at >= records[2].offset + kRecordHeaderSize + records[2].payload_size) continue;
    REQUIRE(found.size() == 4);
    CHECK(found[2].header.index == 4);
  }
  CHECK(scan_segment(content.substr(0, content.size() - 1), log, 1).size() == 4);
}

TEST_CASE("a record hidden in a command is not taken for one") {
  std::string hidden;
  append_record(hidden, log_id(9), RecordHeader{2, 1, 0}, "forged");
  std::string content = segment_header(log_id(1), 1);
  append_record(content, log_id(1), RecordHeader{1, 1, 0}, hidden);
  content[kSegmentHeaderSize] = static_cast<char>(content[kSegmentHeaderSize] ^ 1);
  CHECK(scan_segment(content, log_id(1), 1).empty());
}

TEST_CASE("the list of members is read as it was written, and not when a bit of it is wrong") {
  Members members;
  members.log = log_id(3);
  members.epoch = 7;
  members.committed = 99;
  members.drives.resize(3);
  members.drives[2].bytes.fill(4);
  const std::string content = encode_members(members);
  const Members read = decode_members(content).value();
  CHECK(read.log == members.log);
  CHECK(read.epoch == 7);
  CHECK(read.committed == 99);
  CHECK(read.drives == members.drives);
  for (std::size_t at = 0; at < content.size(); ++at) {
    std::string damaged = content;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    CHECK(!decode_members(damaged).has_value());
    CHECK(!decode_members(content.substr(0, at)).has_value());
  }
}

TEST_CASE("replicas complete each other, and the longest whole one wins") {
  const LogId log = log_id(1);
  const std::string whole = segment(log, 6);
  const auto records = scan_segment(whole, log, 1);
  std::string damaged = whole.substr(0, records[5].offset);
  damaged[records[1].offset + 9] = 'x';
  const std::vector<SegmentSource> sources{source(damaged, log), source(whole.substr(0, records[4].offset + 3), log)};
  const MergedSegment merged = merge_segment(sources, log, 1, 3);
  CHECK(merged.damaged.empty());
  CHECK(merged.content == whole.substr(0, records[5].offset));
}

TEST_CASE("a hole in what was acknowledged is told, and one behind it ends the log") {
  const LogId log = log_id(1);
  const std::string whole = segment(log, 6);
  const auto records = scan_segment(whole, log, 1);
  std::string damaged = whole;
  damaged[records[3].offset + 9] = 'x';
  const std::vector<SegmentSource> sources{source(damaged, log)};
  const MergedSegment told = merge_segment(sources, log, 1, 4);
  REQUIRE(told.damaged.size() == 1);
  CHECK(told.damaged[0].first == 4);
  CHECK(told.damaged[0].last == 4);
  CHECK(told.content == damaged);
  const MergedSegment ended = merge_segment(sources, log, 1, 3);
  CHECK(ended.damaged.empty());
  CHECK(ended.content == whole.substr(0, records[3].offset));
  const MergedSegment lost = merge_segment(sources, log, 1, 8);
  REQUIRE(lost.damaged.size() == 2);
  CHECK(lost.damaged[1].first == 7);
  CHECK(lost.damaged[1].last == 8);
}

TEST_CASE("a stale replica helps with what was acknowledged in its time, and with nothing else") {
  const LogId log = log_id(1);
  const std::string whole = segment(log, 6);
  const auto records = scan_segment(whole, log, 1);
  std::string damaged = whole.substr(0, records[4].offset);
  damaged[records[1].offset + 9] = 'x';
  const std::vector<SegmentSource> sources{source(whole, log, false, 3), source(damaged, log)};
  const MergedSegment merged = merge_segment(sources, log, 1, 4);
  CHECK(merged.damaged.empty());
  CHECK(merged.content == whole.substr(0, records[4].offset));
}

}  // namespace gabion::metadata
