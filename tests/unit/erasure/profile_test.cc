#include <catch2/catch_test_macros.hpp>

#include "erasure/codec.h"

namespace gabion::erasure {
namespace {

TEST_CASE("the default profile follows from the number of drives") {
  const std::vector<std::string> expected = {"1+0", "1+0", "1+1", "2+1", "2+2", "2+2", "4+2",
                                             "4+2", "4+2", "4+2", "4+2", "8+3", "8+3"};
  for (std::size_t drives = 0; drives < expected.size(); ++drives) {
    CHECK(to_string(default_profile(drives)) == expected[drives]);
    CHECK(default_profile(drives).total() <= std::max<std::size_t>(drives, 1));
  }
  CHECK(to_string(default_profile(1000)) == "8+3");
}

TEST_CASE("a profile is written data+parity and read back the same") {
  for (unsigned k = 1; k <= 32; ++k) {
    for (unsigned m = 0; m <= 8; ++m) {
      const Profile profile{.data = k, .parity = m};
      const auto again = parse_profile(to_string(profile));
      REQUIRE(again.has_value());
      CHECK(*again == profile);
    }
  }
}

TEST_CASE("a malformed profile is invalid, and the text says what is allowed") {
  for (const char* text : {"", "+", "4", "4+", "+2", "0+2", "33+2", "4+9", "4+2+1", "4-2", " 4+2", "4+2 ",
                           "a+b", "4+-1", "99999999999999999999+1", "4294967297+1"}) {
    INFO(text);
    const auto profile = parse_profile(text);
    REQUIRE(profile.has_error());
    CHECK(profile.error().code == Errc::invalid);
    CHECK(profile.error().message.find("data+parity") != std::string::npos);
  }
}

}  // namespace
}  // namespace gabion::erasure
