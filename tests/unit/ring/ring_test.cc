#include "ring/ring.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <set>

#include "common/crc.h"
#include "tests/unit/ring/drives.h"

namespace gabion::ring {
namespace {

Ring built(std::vector<Drive> drives, unsigned width, unsigned bits, const Ring& previous = {}) {
  auto ring = build(previous, std::move(drives), width, bits);
  REQUIRE(ring.has_value());
  return *ring;
}

std::vector<std::uint64_t> places_of(const Ring& ring) {
  std::vector<std::uint64_t> places(ring.drives().size());
  for (std::uint32_t p = 0; p < ring.partitions(); ++p) {
    for (const DriveIndex drive : ring.row(p)) ++places[drive];
  }
  return places;
}

// With its checksum and length made right again, so that the check behind it is reached.
std::string resealed(std::string encoded) {
  const std::size_t body = encoded.size() - 4;
  store_le<std::uint64_t>(encoded.data() + 8, body);
  store_le<std::uint32_t>(encoded.data() + body,
                          crc32c(0, as_bytes(std::string_view(encoded).substr(0, body))));
  return encoded;
}

TEST_CASE("six equal drives share 4+2 rows evenly: each row holds all six") {
  const Ring ring = built(equal_drives(6), 6, 10);
  CHECK(ring.epoch() == 1);
  CHECK(ring.partitions() == 1024);
  for (const std::uint64_t places : places_of(ring)) CHECK(places == 1024);
  CHECK(quality(ring).imbalance < 1e-6);
  CHECK(quality(ring).crowded_rows == 0);
}

TEST_CASE("a single drive is a ring") {
  const Ring ring = built(equal_drives(1), 1, 0);
  CHECK(ring.row(0).size() == 1);
  CHECK(ring.partition_of(BlockId{.bytes = {0xff, 0xff}}) == 0);
}

TEST_CASE("a block's partition is the leading bits of its id") {
  const Ring ring = built(equal_drives(3), 3, 12);
  BlockId block;
  block.bytes = {0xab, 0xcd, 0xef, 1, 2, 3};
  CHECK(ring.partition_of(block) == 0xabc);
  const Ring fine = built(equal_drives(3), 3, 16);
  CHECK(fine.partition_of(block) == 0xabcd);
}

TEST_CASE("drives share rows by weight") {
  std::vector<Drive> drives = equal_drives(8);
  for (unsigned i = 0; i < 4; ++i) drives[i].weight = 2;
  const Ring ring = built(drives, 3, 12);
  const std::vector<std::uint64_t> places = places_of(ring);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const double expected = 4096 * 3 * ring.drives()[i].weight / 12;
    CHECK(std::abs(static_cast<double>(places[i]) - expected) <= 1);
  }
}

TEST_CASE("a drive far heavier than the others holds one place of every row and no more") {
  std::vector<Drive> drives = equal_drives(4);
  drives[0].weight = 1000;
  const Ring ring = built(drives, 2, 9);
  const std::vector<std::uint64_t> places = places_of(ring);
  CHECK(*std::max_element(places.begin(), places.end()) == 512);
  CHECK(quality(ring).imbalance < 0.01);
}

TEST_CASE("a drive without weight is listed but holds nothing") {
  std::vector<Drive> drives = equal_drives(5);
  drives[2].weight = 0;
  const Ring ring = built(drives, 4, 8);
  REQUIRE(ring.drives().size() == 5);
  const std::vector<std::uint64_t> places = places_of(ring);
  for (std::size_t i = 0; i < 5; ++i) CHECK((places[i] == 0) == (ring.drives()[i].id == drive_id(2)));
}

TEST_CASE("rows spread over the widest domains first, then over the nodes within") {
  // Three zones of two, three and four nodes with two drives each; a row of six takes two of each zone, on
  // two nodes.
  std::vector<Drive> drives;
  unsigned number = 0;
  for (const unsigned zone : {2u, 3u, 4u}) {
    for (unsigned n = 0; n < zone * 2; ++n) {
      drives.push_back(
          make_drive(number++, 1, {"zone" + std::to_string(zone), "node" + std::to_string(n / 2)}));
    }
  }
  const Ring ring = built(drives, 6, 10);
  for (std::uint32_t p = 0; p < ring.partitions(); ++p) {
    std::multiset<std::string> zones;
    std::set<std::vector<std::string>> nodes;
    for (const DriveIndex drive : ring.row(p)) {
      zones.insert(ring.drives()[drive].domain[0]);
      nodes.insert(ring.drives()[drive].domain);
    }
    for (const unsigned zone : {2u, 3u, 4u}) REQUIRE(zones.count("zone" + std::to_string(zone)) == 2);
    REQUIRE(nodes.size() == 6);
  }
  CHECK(quality(ring).imbalance < 0.01);
}

TEST_CASE("the first drives of a row are in different domains too") {
  std::vector<Drive> drives;
  for (unsigned i = 0; i < 12; ++i) drives.push_back(make_drive(i, 1, {"zone" + std::to_string(i % 3)}));
  const Ring ring = built(drives, 6, 8);
  for (std::uint32_t p = 0; p < ring.partitions(); ++p) {
    std::set<std::string> zones;
    for (const DriveIndex drive : ring.row(p).first(3)) zones.insert(ring.drives()[drive].domain[0]);
    REQUIRE(zones.size() == 3);
  }
}

TEST_CASE("every position of a row is shared evenly") {
  const Ring ring = built(equal_drives(12), 6, 12);
  for (unsigned position = 0; position < 6; ++position) {
    std::vector<unsigned> counts(12);
    for (std::uint32_t p = 0; p < ring.partitions(); ++p) ++counts[ring.row(p)[position]];
    for (const unsigned count : counts) {
      CHECK(count > 4096 / 12 * 0.8);
      CHECK(count < 4096 / 12 * 1.2);
    }
  }
}

TEST_CASE("every pair of drives meets in some row, so that all of them help to rebuild one") {
  const Ring ring = built(equal_drives(20), 6, 12);
  std::vector<std::set<DriveIndex>> met(20);
  for (std::uint32_t p = 0; p < ring.partitions(); ++p) {
    for (const DriveIndex a : ring.row(p)) met[a].insert(ring.row(p).begin(), ring.row(p).end());
  }
  for (const auto& others : met) CHECK(others.size() == 20);
}

TEST_CASE("the order in which drives are given does not matter, and nothing moves without a reason") {
  std::vector<Drive> drives;
  for (unsigned i = 0; i < 9; ++i)
    drives.push_back(make_drive(i, 1 + i % 4, {"node" + std::to_string(i % 4)}));
  const Ring ring = built(drives, 4, 10);
  std::reverse(drives.begin(), drives.end());
  CHECK(built(drives, 4, 10) == ring);
  const Ring again = built(drives, 4, 10, ring);
  CHECK(again.epoch() == 2);
  CHECK(movement(ring, again).moved == 0);
  CHECK(movement(ring, again).minimum == 0);
}

TEST_CASE("a drive that stays in a row keeps its position") {
  const Ring before = built(equal_drives(8), 4, 10);
  const Ring after = built(equal_drives(9), 4, 10, before);
  for (std::uint32_t p = 0; p < after.partitions(); ++p) {
    for (unsigned i = 0; i < 4; ++i) {
      const DriveId& was = before.drives()[before.row(p)[i]].id;
      for (unsigned j = 0; j < 4; ++j) {
        if (after.drives()[after.row(p)[j]].id == was) REQUIRE(i == j);
      }
    }
  }
}

TEST_CASE("a drive added to six takes a seventh of each and nothing else moves") {
  const Ring before = built(equal_drives(6), 6, 12);
  const Ring after = built(equal_drives(7), 6, 12, before);
  const Movement moved = movement(before, after);
  CHECK(moved.minimum == 4096 * 6 / 7);
  CHECK(moved.moved <= moved.minimum + 2);
}

TEST_CASE("more partitions split the old ones and move nothing but the rounding") {
  const Ring before = built(equal_drives(7), 3, 8);
  const Ring after = built(equal_drives(7), 3, 11, before);
  CHECK(after.partitions() == 2048);
  CHECK(movement(before, after).moved <= movement(before, after).minimum + 7);
  CHECK(build(after, equal_drives(7), 3, 8).error().code == Errc::invalid);
}

TEST_CASE("too few drives is an error that names the number needed") {
  std::vector<Drive> drives = equal_drives(6);
  drives[0].weight = 0;
  const auto ring = build(Ring{}, drives, 6, 8);
  REQUIRE(ring.has_error());
  CHECK(ring.error().code == Errc::invalid);
  CHECK(ring.error().message == "a row of 6 needs at least 6 drives with weight, but there are 5");
  CHECK(build(Ring{}, {}, 1, 8).has_error());
}

TEST_CASE("drives that cannot be placed are refused") {
  auto refused = [](std::vector<Drive> drives, unsigned width = 2, unsigned bits = 8) {
    const auto ring = build(Ring{}, std::move(drives), width, bits);
    return ring.has_error() && ring.error().code == Errc::invalid;
  };
  CHECK(refused({make_drive(1), make_drive(1)}));
  CHECK(refused({make_drive(1), make_drive(2, -1)}));
  CHECK(refused({make_drive(1), make_drive(2, std::numeric_limits<double>::quiet_NaN())}));
  CHECK(refused({make_drive(1), make_drive(2, std::numeric_limits<double>::infinity())}));
  CHECK(refused({make_drive(1, 1, {"a"}), make_drive(2, 1, {"a", "b"})}));
  CHECK(refused({make_drive(1, 1, {std::string(256, 'x')}), make_drive(2, 1, {"a"})}));
  CHECK(refused(equal_drives(3), 0));
  CHECK(refused(equal_drives(80), 65));
  CHECK(refused(equal_drives(3), 2, 21));
}

TEST_CASE("weights may differ by any factor") {
  std::vector<Drive> drives = equal_drives(6);
  drives[0].weight = 1e300;
  drives[1].weight = 1e-300;
  drives[2].weight = 1e12;
  const Ring ring = built(drives, 3, 8);
  CHECK(quality(ring).crowded_rows == 0);
}

TEST_CASE("a ring read back from its encoded form is the same") {
  std::vector<Drive> drives;
  for (unsigned i = 0; i < 9; ++i)
    drives.push_back(make_drive(i, 0.5 * i, {"zone" + std::to_string(i % 3), "", "n"}));
  for (const Ring& ring : {Ring{}, built(equal_drives(1), 1, 0), built(drives, 5, 9)}) {
    const auto again = Ring::decode(ring.encode());
    REQUIRE(again.has_value());
    CHECK(*again == ring);
  }
}

TEST_CASE("an encoded ring that is cut short or has a bit flipped is refused") {
  const std::string encoded = built({make_drive(1, 1, {"a"}), make_drive(2, 2, {"b"})}, 2, 3).encode();
  for (std::size_t length = 0; length < encoded.size(); ++length) {
    CHECK(Ring::decode(std::string_view(encoded).substr(0, length)).has_error());
  }
  for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
    std::string flipped = encoded;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    CHECK(Ring::decode(flipped).has_error());
  }
  CHECK(Ring::decode(encoded + '\0').has_error());
}

TEST_CASE("an encoded ring with a right checksum and impossible content is refused") {
  const std::string encoded = built({make_drive(1), make_drive(2), make_drive(3)}, 2, 3).encode();
  REQUIRE(Ring::decode(resealed(encoded)).has_value());
  auto refused = [&](std::size_t offset, unsigned char byte) {
    std::string changed = encoded;
    changed[offset] = static_cast<char>(byte);
    return Ring::decode(resealed(changed)).has_error();
  };
  CHECK(refused(24, 30));  // partition_bits
  CHECK(refused(24, 255));
  CHECK(refused(25, 0));  // width
  CHECK(refused(25, 255));
  CHECK(refused(26, 200));            // levels
  CHECK(refused(28, 2));              // fewer drives than listed
  CHECK(refused(31, 0xff));           // four billion drives
  CHECK(refused(32 + 16 + 7, 0xff));  // a negative or undefined weight
  const std::size_t table = 32 + 3 * 24;
  CHECK(refused(table, 3));                                               // no such drive
  CHECK(refused(table, static_cast<unsigned char>(encoded[table + 2])));  // twice in one row
}

}  // namespace
}  // namespace gabion::ring
