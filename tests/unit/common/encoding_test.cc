#include <catch2/catch_test_macros.hpp>

#include "common/encoding.h"
#include "common/ids.h"
#include "common/rng.h"

namespace gabion {
namespace {

TEST_CASE("hex and base64 round-trip, and reject what is malformed") {
  SeededRng rng(1);
  for (std::size_t size = 0; size < 100; ++size) {
    std::string raw(size, '\0');
    rng.fill(std::as_writable_bytes(std::span(raw)));
    REQUIRE(hex_decode(hex_encode(as_bytes(raw))) == raw);
    REQUIRE(base64_decode(base64_encode(as_bytes(raw))) == raw);
  }
  for (const char* bad : {"a", "zz", "0g"}) CHECK_FALSE(hex_decode(bad));
  for (const char* bad : {"A", "AA", "AAA", "A===", "AA=A", "AB==", "AAB=", "AA==AAAA", "AA=*", " AAA", "====", "AAA\n"}) {
    INFO(bad);
    CHECK_FALSE(base64_decode(bad));
  }
}

TEST_CASE("percent-encoding follows SigV4's rules byte by byte") {
  CHECK(percent_encode("a/b c+d~é", Slash::keep) == "a/b%20c%2Bd~%C3%A9");
  CHECK(percent_encode("a/b", Slash::encode) == "a%2Fb");
  CHECK(percent_decode("a%2Fb+c%20", Plus::literal) == "a/b+c ");
  CHECK(percent_decode("a+b", Plus::space) == "a b");
  CHECK(percent_decode("%252F", Plus::literal) == "%2F");
  for (const char* bad : {"%", "%2", "%zz", "abc%1"}) CHECK_FALSE(percent_decode(bad, Plus::literal));
}

TEST_CASE("only well-formed UTF-8 is accepted") {
  for (const char* good : {"", "abc", "é", "€", "😀", "\xf4\x8f\xbf\xbf"}) CHECK(is_valid_utf8(good));
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xff", "a\xc3(", "\xf0\x9f\x98"}) {
    CHECK_FALSE(is_valid_utf8(bad));
  }
}

TEST_CASE("ids are ordered, printable and strict about their form") {
  SeededRng rng(5);
  const BlockId id = BlockId::random(rng);
  CHECK(BlockId::from_hex(id.to_hex()) == id);
  CHECK(BlockId::from_raw(id.raw()) == id);
  CHECK_FALSE(BlockId::from_hex("12"));
  CHECK_FALSE(BlockId::from_raw("short"));
  CHECK(BlockId().is_zero());
  CHECK(BlockId() < id);
}

}  // namespace
}  // namespace gabion
