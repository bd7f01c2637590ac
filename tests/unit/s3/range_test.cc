#include "gateway/s3/range.h"

#include <catch2/catch_test_macros.hpp>

using namespace gabion::gateway::s3;

TEST_CASE("a range selects bytes, and what is malformed selects all") {
  struct Case {
    std::string header;
    std::uint64_t offset, length;
  };
  for (const Case& c : {Case{"bytes=0-8", 0, 9}, Case{"bytes=1-", 1, 9}, Case{"bytes=-2", 8, 2}, Case{"bytes=-15", 0, 10},
                        Case{"bytes=0-100", 0, 10}, Case{"bytes=9-9", 9, 1}, Case{"bytes=0-0", 0, 1},
                        Case{"bytes=3-99999999999999999999999", 3, 7}}) {
    INFO(c.header);
    const auto range = parse_range(c.header, 10);
    REQUIRE(range.has_value());
    REQUIRE(range->has_value());
    CHECK((*range)->offset == c.offset);
    CHECK((*range)->length == c.length);
  }
  for (const char* header : {"", "bytes=1-0", "bytes=-1-", "bytes=0--1", "bytes=-", "0-1", "bytes=0-1,3-4",
                             "bytes=", "bytes=a-b", "items=0-1", "bytes=1", "bytes= 0 - 1", "bytes=0x0-1"}) {
    INFO(header);
    const auto range = parse_range(header, 10);
    REQUIRE(range.has_value());
    CHECK_FALSE(range->has_value());
  }
}

TEST_CASE("a range of which nothing exists is not satisfiable") {
  for (const char* header : {"bytes=100-200", "bytes=10-", "bytes=10-10", "bytes=-0", "bytes=99999999999999999999999-"}) {
    INFO(header);
    const auto range = parse_range(header, 10);
    REQUIRE(range.has_error());
    CHECK(range.error().code == &kInvalidRange);
    CHECK(range.error().details == decltype(S3Error::details){{"RangeRequested", header}, {"ActualObjectSize", "10"}});
  }
  for (const char* header : {"bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-5"}) {
    INFO(header);
    CHECK(parse_range(header, 0).has_error());
  }
}

TEST_CASE("the range of a part copy is strict") {
  const auto whole = parse_copy_range("bytes=0-9", 10);
  REQUIRE(whole.has_value());
  CHECK(whole->length == 10);
  CHECK(parse_copy_range("bytes=3-3", 10)->offset == 3);
  for (const char* header : {"", "0-9", "bytes=0-", "bytes=-5", "bytes=5-4", "bytes=0-1,2-3", "bytes=a-b", "bytes=0-9 "}) {
    INFO(header);
    CHECK(parse_copy_range(header, 10).error().code == &kInvalidArgument);
  }
  CHECK(parse_copy_range("bytes=0-10", 10).error().message == "Range specified is not valid for source object of size: 10");
  CHECK(parse_copy_range("bytes=10-11", 10).error().code == &kInvalidRequest);
}

TEST_CASE("Content-Range names the first and last byte and the size") {
  CHECK(content_range(ByteRange(0, 9), 10) == "bytes 0-8/10");
}
