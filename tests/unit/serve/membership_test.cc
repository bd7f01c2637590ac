// What a node remembers of itself, on its drives.
#include <catch2/catch_test_macros.hpp>

#include "tests/support/sim.h"
#include "tools/serve/addresses.h"
#include "tools/serve/membership.h"

namespace gabion::serve {
namespace {

Membership member(std::uint32_t node, std::uint64_t version) {
  Membership membership;
  membership.set_cluster("0123456789abcdef");
  membership.set_node(node);
  membership.set_version(version);
  return membership;
}

TEST_CASE("the newest sound copy of the membership counts") {
  SeededRng rng(1);
  sim::SimDisk a(rng), b(rng), c(rng);
  REQUIRE(write_membership({&a}, member(2, 7)).has_value());
  REQUIRE(write_membership({&b}, member(2, 9)).has_value());
  REQUIRE(write_membership({&c}, member(2, 11)).has_value());
  REQUIRE(c.flip_bit(kMembershipFile, 30, 3));
  const auto read = read_membership({&a, &b, &c});
  REQUIRE(read.has_value());
  REQUIRE(read->has_value());
  CHECK((*read)->version() == 9);
}

TEST_CASE("a node without any copy knows nothing") {
  SeededRng rng(1);
  sim::SimDisk a(rng);
  const auto read = read_membership({&a});
  REQUIRE(read.has_value());
  CHECK_FALSE(read->has_value());
}

TEST_CASE("drives of two nodes given together are refused: neither may take the other's number for its own") {
  SeededRng rng(1);
  sim::SimDisk a(rng), b(rng);
  REQUIRE(write_membership({&a}, member(2, 7)).has_value());
  REQUIRE(write_membership({&b}, member(3, 9)).has_value());
  const auto read = read_membership({&a, &b});
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().code == Errc::invalid);
}

TEST_CASE("an address at which nobody could reach a node is no address to tell others") {
  CHECK(check_reachable("192.0.2.7:9002").has_value());
  CHECK(check_reachable("storage3.example:9002").has_value());
  CHECK(check_reachable("[2001:db8::7]:9002").has_value());
  for (const char* nowhere : {"0.0.0.0:9002", "[::]:9002", ":9002", "192.0.2.7:0", "192.0.2.7", ""}) {
    INFO(nowhere);
    CHECK_FALSE(check_reachable(nowhere).has_value());
  }
}

}  // namespace
}  // namespace gabion::serve
