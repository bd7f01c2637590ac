#include <catch2/catch_test_macros.hpp>

#include "common/crc.h"
#include "common/encoding.h"
#include "common/rng.h"

namespace gabion {
namespace {

std::string base64_be64(std::uint64_t value) {
  std::string raw;
  append_be64(raw, value);
  return base64_encode(as_bytes(raw));
}

TEST_CASE("the checksums give the published check values") {
  const ByteView check = as_bytes("123456789");
  CHECK(crc32c(0, check) == 0xe3069283);
  CHECK(crc32(0, check) == 0xcbf43926);
  CHECK(crc64nvme(0, check) == 0xae8b14860a799888);
  CHECK(base64_be64(crc64nvme(0, as_bytes("hello world"))) == "jSnVw/bqjr4=");
  CHECK(base64_be64(crc64nvme(0, as_bytes("hello"))) == "M3eFcAZSQlc=");
}

TEST_CASE("checksums chain over pieces and combine from the checksums of parts") {
  SeededRng rng(7);
  for (int round = 0; round < 200; ++round) {
    std::string text(rng.below(5000), '\0');
    rng.fill(std::as_writable_bytes(std::span(text)));
    const std::size_t cut = rng.below(text.size() + 1);
    const ByteView whole = as_bytes(text);
    const ByteView a = whole.first(cut);
    const ByteView b = whole.subspan(cut);
    REQUIRE(crc32c(crc32c(0, a), b) == crc32c(0, whole));
    REQUIRE(crc32(crc32(0, a), b) == crc32(0, whole));
    REQUIRE(crc64nvme(crc64nvme(0, a), b) == crc64nvme(0, whole));
    REQUIRE(crc32c_combine(crc32c(0, a), crc32c(0, b), b.size()) == crc32c(0, whole));
    REQUIRE(crc32_combine(crc32(0, a), crc32(0, b), b.size()) == crc32(0, whole));
    REQUIRE(crc64nvme_combine(crc64nvme(0, a), crc64nvme(0, b), b.size()) == crc64nvme(0, whole));
  }
}

TEST_CASE("CRC64NVME by folding is CRC64NVME by tables, for every length and alignment") {
  SeededRng rng(8);
  std::string text(70000, '\0');
  rng.fill(std::as_writable_bytes(std::span(text)));
  const ByteView all = as_bytes(text);
  for (std::size_t length = 0; length <= 1200; ++length) {
    const ByteView piece = all.subspan(length % 61, length);
    REQUIRE(crc64nvme(length, piece) == crc64nvme_by_tables(length, piece));
  }
  for (int round = 0; round < 100; ++round) {
    const std::size_t start = rng.below(100);
    const ByteView piece = all.subspan(start, rng.below(all.size() - start));
    const std::uint64_t sofar = rng.next();
    REQUIRE(crc64nvme(sofar, piece) == crc64nvme_by_tables(sofar, piece));
  }
}

}  // namespace
}  // namespace gabion
