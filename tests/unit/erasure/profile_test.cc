#include <algorithm>
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

struct Clustered {
  std::vector<std::size_t> nodes;
  std::string expected;
};
const Clustered kClusters[] = {
    {{6}, "4+2"},                // a single node: by its drives
    {{12}, "8+3"},
    {{6, 0}, "4+2"},             // a node without drives is no failure domain
    {{1, 1}, "1+1"},
    {{2, 2}, "2+2"},
    {{6, 6}, "2+2"},             // each node must have no more than may be lost
    {{1, 3}, "1+1"},
    {{1, 1, 1}, "1+1"},          // two drives are left for what the third had
    {{1, 1, 1, 1}, "2+1"},
    {{1, 1, 1, 1, 1}, "2+2"},
    {{1, 1, 1, 1, 1, 1}, "2+2"},
    {{1, 1, 1, 1, 1, 1, 1}, "4+2"},
    {{3, 3, 3, 3}, "4+2"},       // 8+3 would not fit on nine drives
    {{4, 4, 4}, "4+2"},
    {{4, 4, 4, 4}, "8+3"},
    {{12, 12, 12}, "4+2"},       // 8+3 would have four shards on a node
    {{4, 2, 2}, "2+2"},
    {{4, 2, 2, 2}, "4+2"},
    {{4, 1, 1, 1, 1, 1}, "2+2"},
    {{4, 1, 1, 1, 1, 1, 1, 1, 1}, "4+2"},
    {{100, 1, 1}, "1+1"},
    {std::vector<std::size_t>(12, 1), "8+3"},
    {std::vector<std::size_t>(30, 12), "8+3"},
};

TEST_CASE("with several nodes the loss of any one leaves every block readable, and room to make it whole again") {
  for (const Clustered& cluster : kClusters) {
    const Profile profile = default_profile(cluster.nodes);
    CHECK(to_string(profile) == cluster.expected);
    std::vector<std::size_t> nodes = cluster.nodes;
    std::erase(nodes, 0);
    if (nodes.size() < 3) continue;
    CHECK(most_in_one(nodes, profile.total()).value() <= profile.parity);
    nodes.erase(std::max_element(nodes.begin(), nodes.end()));
    CHECK(most_in_one(nodes, profile.total()).has_value());
  }
}

TEST_CASE("shards lie as evenly on nodes as the drives allow") {
  const std::vector<std::size_t> nodes = {4, 1, 1};
  CHECK(most_in_one(nodes, 3) == 1u);
  CHECK(most_in_one(nodes, 4) == 2u);
  CHECK(most_in_one(nodes, 6) == 4u);
  CHECK_FALSE(most_in_one(nodes, 7));
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
