#include "chunkserver/segment_scanner.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/support/sim.h"
#include "tests/unit/chunkserver/shard_store_contract.h"

namespace gabion::chunkserver {
namespace {

using test::key_of;
using test::pattern;

// A segment written by hand.
class Segment {
 public:
  Segment() : content_(encode_segment_header(name_)) {}
  std::uint64_t add(const RecordHead& head, const std::string& payload) {
    const std::uint64_t offset = content_.size();
    const std::string table = cell_table({Bytes::copy_of(payload)});
    std::string bytes(head_bytes(head.length), '\0');
    encode_head(name_, offset, head, as_bytes(table), reinterpret_cast<std::byte*>(bytes.data()));
    content_ += bytes + payload;
    content_.resize(offset + record_bytes(head.length));
    return offset;
  }
  std::uint64_t put(std::uint64_t number, std::size_t size) {
    return add({.key = key_of(number), .length = static_cast<std::uint32_t>(size), .sequence = number}, pattern(number, size));
  }
  std::string& content() { return content_; }
  std::unique_ptr<File> file() {
    disk_.wipe();
    auto file = disk_.open("segment", OpenMode::create);
    REQUIRE(file.has_value());
    REQUIRE((*file)->write(0, as_bytes(content_)).has_value());
    return std::move(*file);
  }
  std::vector<ScannedRecord> scan(Payloads payloads, std::uint64_t* damaged = nullptr) {
    const auto opened = file();
    SegmentScanner scanner(*opened, name_, content_.size(), 0, payloads);
    std::vector<ScannedRecord> records;
    while (true) {
      auto record = scanner.next();
      REQUIRE(record.has_value());
      if (!*record) break;
      records.push_back(**record);
    }
    if (damaged) *damaged = scanner.damaged_bytes();
    return records;
  }
  const SegmentName& name() const { return name_; }

 private:
  SegmentName name_{DriveId{{1, 2, 3}}, 9};
  std::string content_;
  SeededRng rng_{1};
  sim::SimDisk disk_{rng_};
};

TEST_CASE("a scan returns every record in order, whatever their sizes") {
  Segment segment;
  std::vector<std::uint64_t> offsets;
  for (std::uint64_t i = 1; i <= 40; ++i) offsets.push_back(segment.put(i, i % 7 == 0 ? 300 * KiB : i * 37 % 500));
  for (const Payloads payloads : {Payloads::skip, Payloads::verify}) {
    const auto records = segment.scan(payloads);
    REQUIRE(records.size() == 40);
    for (std::uint64_t i = 1; i <= 40; ++i) {
      CHECK(records[i - 1].head.key == key_of(i));
      CHECK(records[i - 1].offset == offsets[i - 1]);
      CHECK(records[i - 1].payload_valid);
    }
  }
}

TEST_CASE("a scan goes on behind a damaged head and counts what it passed over") {
  Segment segment;
  segment.put(1, 1000);
  const auto bad = segment.put(2, 400 * KiB);
  segment.put(3, 10);
  segment.content()[bad + 30] ^= 1;
  std::uint64_t damaged = 0;
  const auto records = segment.scan(Payloads::skip, &damaged);
  REQUIRE(records.size() == 2);
  CHECK(records[1].head.key == key_of(3));
  CHECK(damaged == record_bytes(400 * KiB));
}

TEST_CASE("a damaged payload is told when payloads are verified") {
  Segment segment;
  segment.put(1, 1000);
  const auto bad = segment.put(2, 200 * KiB);
  segment.put(3, 10);
  segment.content()[bad + head_bytes(200 * KiB) + 150 * KiB] ^= 1;
  const auto records = segment.scan(Payloads::verify);
  REQUIRE(records.size() == 3);
  CHECK(records[0].payload_valid);
  CHECK_FALSE(records[1].payload_valid);
  CHECK(records[2].payload_valid);
}

TEST_CASE("a segment cut anywhere gives the records before the cut and no error") {
  Segment segment;
  for (std::uint64_t i = 1; i <= 3; ++i) segment.put(i, 50);
  const std::string whole = segment.content();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    segment.content() = whole.substr(0, size);
    std::size_t expected = 0;
    for (std::size_t end = kSegmentHeaderBytes; end + head_bytes(50) + 50 <= size; end += record_bytes(50)) ++expected;
    REQUIRE(segment.scan(Payloads::verify).size() == expected);
  }
}

TEST_CASE("a shard that contains a copy of its own segment does not add records to a scan") {
  Segment segment;
  segment.put(1, 100);
  segment.put(2, 100);
  const std::string copy = segment.content();
  const auto at = segment.add({.key = key_of(3), .length = static_cast<std::uint32_t>(copy.size()), .sequence = 3}, copy);
  segment.put(4, 100);
  segment.content()[at + 5] ^= 1;  // so that the scan has to look through the payload
  const auto records = segment.scan(Payloads::skip);
  REQUIRE(records.size() == 3);
  CHECK(records[2].head.key == key_of(4));
}

TEST_CASE("only a segment that ends with its seal is sealed") {
  Segment segment;
  segment.put(1, 100);
  const auto sealed = [&] { return *is_sealed(*segment.file(), segment.name(), segment.content().size()); };
  CHECK_FALSE(sealed());
  segment.add({.kind = RecordKind::seal, .sequence = 2}, "");
  CHECK(sealed());
  segment.put(2, 10);
  CHECK_FALSE(sealed());
}

}  // namespace
}  // namespace gabion::chunkserver
