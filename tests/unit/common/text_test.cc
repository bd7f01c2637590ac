#include <catch2/catch_test_macros.hpp>

#include "common/text.h"

namespace gabion {
namespace {

constexpr WallMicros kNovember1994 = 784111777ull * 1000000;

TEST_CASE("dates are written as HTTP and S3 demand and read back in every form") {
  CHECK(http_date(kNovember1994) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(iso_date(kNovember1994 + 999999) == "1994-11-06T08:49:37.000Z");
  CHECK(amz_date(kNovember1994) == "19941106T084937Z");
  for (const char* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    INFO(text);
    CHECK(parse_http_date(text) == kNovember1994);
  }
  CHECK(parse_iso_date("1994-11-06T08:49:37Z") == kNovember1994);
  CHECK(parse_iso_date("1994-11-06T08:49:37.123Z") == kNovember1994);
  CHECK(parse_amz_date("19941106T084937Z") == kNovember1994);
  for (const char* bad : {"", "yesterday", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT",
                          "Sun, 06 Nov 1994 08:49:37 GMT "}) {
    INFO(bad);
    CHECK_FALSE(parse_http_date(bad));
  }
  CHECK_FALSE(parse_amz_date("19941106T084937"));
}

TEST_CASE("sizes are read with binary and decimal units") {
  CHECK(parse_size("1048576") == 1048576);
  CHECK(parse_size("64KiB") == 65536);
  CHECK(parse_size("64 K") == 65536);
  CHECK(parse_size("5GB") == 5000000000);
  CHECK(parse_size("1TiB") == 1099511627776);
  for (const char* bad : {"", "KiB", "-1", "1.5G", "5 apples", "99999999999999999999", "99999999999TiB"})
    CHECK_FALSE(parse_size(bad));
  CHECK(format_size(1536) == "1.5 KiB");
}

TEST_CASE("drive patterns expand in order, several at once, keeping leading zeros") {
  CHECK(*expand_braces("/d") == std::vector<std::string>{"/d"});
  CHECK(*expand_braces("/d{1...3}") == std::vector<std::string>{"/d1", "/d2", "/d3"});
  CHECK(*expand_braces("/d{08...10}") == std::vector<std::string>{"/d08", "/d09", "/d10"});
  CHECK(*expand_braces("/n{1...2}/d{1...2}") == std::vector<std::string>{"/n1/d1", "/n1/d2", "/n2/d1", "/n2/d2"});
  for (const char* bad : {"/d{", "/d{1..3}", "/d{3...1}", "/d{a...b}", "/d{1...9999999}"}) {
    INFO(bad);
    CHECK(expand_braces(bad).error().code == Errc::invalid);
  }
}

TEST_CASE("numbers are read strictly") {
  CHECK(parse_u64("18446744073709551615") == ~0ull);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "18446744073709551616", "0x1"}) CHECK_FALSE(parse_u64(bad));
}

}  // namespace
}  // namespace gabion
