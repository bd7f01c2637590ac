#include "chunkserver/format.h"

#include <catch2/catch_test_macros.hpp>

#include "common/crc.h"
#include "common/encoding.h"
#include "tests/unit/chunkserver/shard_store_contract.h"

namespace gabion::chunkserver {
namespace {

using test::key_of;
using test::pattern;

SegmentName sample_segment() {
  SegmentName name;
  for (std::size_t i = 0; i < 16; ++i) name.drive.bytes[i] = static_cast<std::uint8_t>(i);
  name.number = 0x1234;
  return name;
}

RecordHead sample_head(std::uint32_t length) {
  return {.kind = RecordKind::put, .key = key_of(0xabcdef, 3), .length = length, .sequence = 99};
}

std::string encoded(const RecordHead& head, std::uint64_t offset, const std::string& table) {
  std::string out(kRecordHeadBytes + table.size(), '\0');
  encode_head(sample_segment(), offset, head, as_bytes(table), reinterpret_cast<std::byte*>(out.data()));
  return out;
}

TEST_CASE("the bytes of format 1 stay what they are") {
  CHECK(hex_encode(as_bytes(encode_segment_header(sample_segment()))) ==
        "474142494f4e53470100000000000000000102030405060708090a0b0c0d0e0f34120000000000000000000000000000"
        "0000000000000000000000009f0beda7");
  const std::string table = cell_table({Bytes::copy_of("123456789")});
  CHECK(hex_encode(as_bytes(table)) == "839206e3");
  CHECK(hex_encode(as_bytes(encoded(sample_head(9), 64, table))) ==
        "475245430103010009000000000000003412000000000000400000000000000063000000000000000000"
        "000000abcdef00000000000000000000000000000000000000000000000000000000ee3ac63e839206e3");
}

TEST_CASE("a head is read back only at its own place") {
  const std::string text = pattern(1, 2 * kCellBytes + 5);
  const std::string table = cell_table({Bytes::copy_of(text)});
  REQUIRE(table.size() == 12);
  const std::string bytes = encoded(sample_head(static_cast<std::uint32_t>(text.size())), 640, table);
  const auto head = decode_head(sample_segment(), 640, as_bytes(bytes));
  REQUIRE(head.has_value());
  CHECK(head->key == key_of(0xabcdef, 3));
  CHECK(head->length == text.size());
  CHECK(head->sequence == 99);
  CHECK_FALSE(decode_head(sample_segment(), 648, as_bytes(bytes)).has_value());
  SegmentName other = sample_segment();
  other.number++;
  CHECK_FALSE(decode_head(other, 640, as_bytes(bytes)).has_value());
  other = sample_segment();
  other.drive.bytes[7] ^= 1;
  CHECK_FALSE(decode_head(other, 640, as_bytes(bytes)).has_value());
}

TEST_CASE("no flipped bit in a head or its cell table passes") {
  const std::string table = cell_table({Bytes::copy_of(pattern(1, kCellBytes + 1))});
  const std::string bytes = encoded(sample_head(kCellBytes + 1), 64, table);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      CHECK_FALSE(decode_head(sample_segment(), 64, as_bytes(flipped)).has_value());
    }
    CHECK_FALSE(decode_head(sample_segment(), 64, as_bytes(bytes).first(i)).has_value());
  }
}

TEST_CASE("a head with a length past the limit is none") {
  std::string bytes(kRecordHeadBytes, '\0');
  std::memcpy(bytes.data(), "GREC", 4);
  store_le<std::uint32_t>(bytes.data() + 8, UINT32_MAX);
  CHECK(head_bytes_at(as_bytes(bytes)) == 0);
}

TEST_CASE("the cell table does not depend on how the bytes are cut, and finds a change in any cell") {
  const std::string text = pattern(2, 2 * kCellBytes + 1000);
  const Bytes all = Bytes::copy_of(text);
  const std::string table = cell_table({all});
  CHECK(cell_table({all.slice(0, 1), all.slice(1, kCellBytes), Bytes(), all.slice(kCellBytes + 1, kCellBytes + 999)}) == table);
  CHECK(cell_table({}).empty());
  CHECK(cells_match(as_bytes(table), 0, as_bytes(text)));
  CHECK(cells_match(as_bytes(table), 1, as_bytes(text).subspan(kCellBytes)));
  CHECK_FALSE(cells_match(as_bytes(table), 0, as_bytes(text).subspan(kCellBytes)));
  CHECK_FALSE(cells_match(as_bytes(table), 2, as_bytes(text).subspan(kCellBytes)));
  std::string changed = text;
  changed[kCellBytes + 3] ^= 1;
  CHECK_FALSE(cells_match(as_bytes(table), 0, as_bytes(changed)));
}

TEST_CASE("segment files are named by their number") {
  CHECK(segment_path(0x2a) == "segments/000000000000002a.seg");
  CHECK(parse_segment_file("000000000000002a.seg") == 0x2a);
  for (const char* name : {"", "2a.seg", "000000000000002a", "000000000000002A.seg", "000000000000002a.seg.new",
                           "gggggggggggggggg.seg"}) {
    CHECK_FALSE(parse_segment_file(name).has_value());
  }
}

TEST_CASE("a segment header is checked for damage, another place and a newer format") {
  const std::string header = encode_segment_header(sample_segment());
  CHECK(check_segment_header(sample_segment(), as_bytes(header)) == HeaderCheck::valid);
  SegmentName other = sample_segment();
  other.number++;
  CHECK(check_segment_header(other, as_bytes(header)) == HeaderCheck::damaged);
  CHECK(check_segment_header(sample_segment(), as_bytes(header).first(63)) == HeaderCheck::damaged);
  std::string newer = header;
  store_le<std::uint32_t>(newer.data() + 8, kFormatVersion + 1);
  CHECK(check_segment_header(sample_segment(), as_bytes(newer)) == HeaderCheck::damaged);
  store_le<std::uint32_t>(newer.data() + 60, crc32c(0, as_bytes(newer).first(60)));
  CHECK(check_segment_header(sample_segment(), as_bytes(newer)) == HeaderCheck::newer);
}

}  // namespace
}  // namespace gabion::chunkserver
