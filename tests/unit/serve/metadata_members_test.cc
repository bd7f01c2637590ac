// Which step the metadata's group takes next as nodes come and go.
#include <catch2/catch_test_macros.hpp>

#include "tools/serve/metadata_members.h"

namespace gabion::serve {
namespace {

using Kind = MemberStep::Kind;
using metadata::raft::Member;
using metadata::raft::MemberRole;

constexpr MemberCandidate up(std::uint32_t node) { return {NodeId{node}, true, false}; }
constexpr MemberCandidate down(std::uint32_t node) { return {NodeId{node}, false, false}; }
constexpr MemberCandidate leaving(std::uint32_t node) { return {NodeId{node}, true, true}; }
constexpr MemberCandidate lost(std::uint32_t node) { return {NodeId{node}, false, true}; }
constexpr Member voter(std::uint32_t node) { return {NodeId{node}, MemberRole::voter}; }
constexpr Member standby(std::uint32_t node) { return {NodeId{node}, MemberRole::standby}; }

MemberStep step(const std::vector<Member>& members, const std::vector<MemberCandidate>& candidates) {
  return next_member_step(NodeId{1}, members, candidates);
}

TEST_CASE("one voter stays alone until there can be three, as either of two would stop the other") {
  CHECK(step({voter(1)}, {up(1)}) == MemberStep{});
  CHECK(step({voter(1)}, {up(1), up(2)}) == MemberStep{});
  CHECK(step({voter(1)}, {up(1), up(2), up(3)}) == MemberStep{Kind::add, NodeId{2}});
}

TEST_CASE("a node is added without a vote, gets one, and then the next is added, up to three") {
  const std::vector<MemberCandidate> nodes{up(1), up(2), up(3), up(4)};
  CHECK(step({voter(1), standby(2)}, nodes) == MemberStep{Kind::promote, NodeId{2}});
  CHECK(step({voter(1), voter(2)}, nodes) == MemberStep{Kind::add, NodeId{3}});
  CHECK(step({voter(1), voter(2), standby(3)}, nodes) == MemberStep{Kind::promote, NodeId{3}});
  CHECK(step({voter(1), voter(2), voter(3)}, nodes) == MemberStep{});
}

TEST_CASE("a node that is down is not added, and a voter that is down is not given up for it") {
  CHECK(step({voter(1)}, {up(1), down(2), up(3)}) == MemberStep{});
  CHECK(step({voter(1)}, {up(1), down(2), up(3), up(4)}) == MemberStep{Kind::add, NodeId{3}});
  CHECK(step({voter(1), voter(2), voter(3)}, {up(1), down(2), up(3), up(4)}) == MemberStep{});
}

TEST_CASE("whoever leaves is replaced first, and then removed") {
  const std::vector<Member> three{voter(1), voter(2), voter(3)};
  CHECK(step(three, {up(1), leaving(2), up(3), up(4)}) == MemberStep{Kind::add, NodeId{4}});
  CHECK(step({voter(1), voter(2), voter(3), voter(4)}, {up(1), lost(2), up(3), up(4)}) == MemberStep{Kind::remove, NodeId{2}});
  CHECK(step({voter(1), voter(2), voter(3), voter(4)}, {up(1), up(3), up(4)}) == MemberStep{Kind::remove, NodeId{2}});
}

TEST_CASE("nobody is removed whom the rest could not do without") {
  CHECK(step({voter(1), voter(2), voter(3)}, {up(1), lost(2), down(3)}) == MemberStep{});
}

TEST_CASE("a leader that leaves hands over to a voter that stays and works") {
  const std::vector<Member> four{voter(1), voter(2), voter(3), voter(4)};
  CHECK(step(four, {leaving(1), down(2), up(3), up(4)}) == MemberStep{Kind::transfer, NodeId{3}});
}

}  // namespace
}  // namespace gabion::serve
