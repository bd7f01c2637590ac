// The table of key ranges: what the cluster's state says, and what it must not say.
#include <catch2/catch_test_macros.hpp>

#include "metadata/cluster/ranges.h"
#include "metadata/cluster/splits.h"

namespace gabion::metadata::cluster {
namespace {

using Groups = std::vector<GroupId>;

ClusterState state_of(const std::vector<std::pair<std::string, GroupId>>& ranges) {
  ClusterState state;
  for (const auto& [start, group] : ranges) {
    state.add_ranges()->set_start(start);
    state.mutable_ranges()->rbegin()->set_group(group);
  }
  return state;
}

void pending(ClusterState& state, GroupId parent, GroupId child, std::string at) {
  PendingSplit& split = *state.add_splits();
  split.set_parent(parent);
  split.set_child(child);
  split.set_at(std::move(at));
}

}  // namespace

TEST_CASE("without a table group 0 has everything") {
  const RangeTable table = RangeTable::of(ClusterState()).value();
  CHECK(table == RangeTable());
  CHECK(table.single());
  CHECK(table.find(7, "key").owners == Groups{0});
  CHECK(table.groups() == Groups{0});
}

TEST_CASE("a key belongs to the last range that begins at it or before it") {
  const RangeTable table =
      RangeTable::of(state_of({{"", 0}, {boundary_at(5, ""), 2}, {boundary_at(5, "m"), 1}, {boundary_at(9, "x"), 4}})).value();
  CHECK_FALSE(table.single());
  CHECK(table.groups() == Groups{0, 1, 2, 4});
  struct Expected {
    BucketId bucket;
    std::string key;
    GroupId group;
  };
  for (const Expected& e : std::vector<Expected>{{4, "zzz", 0}, {5, "", 2}, {5, "a", 2}, {5, "lzz", 2}, {5, "m", 1}, {5, "m!", 1},
                                                 {6, "", 1}, {9, "w", 1}, {9, "x", 4}, {10, "a", 4}, {~0ull >> 1, "", 4}}) {
    CHECK(table.find(e.bucket, e.key).owners == Groups{e.group});
    CHECK(table.find(boundary_at(e.bucket, e.key)) == table.find(e.bucket, e.key));
  }
  CHECK(table.find("").owners == Groups{0});
  CHECK(table.find(5, "b").start == boundary_at(5, ""));
  CHECK(table.find(5, "b").end == boundary_at(5, "m"));
}

TEST_CASE("what is being split is the parent's first, and then the child's") {
  ClusterState state = state_of({{"", 0}, {boundary_at(5, ""), 1}});
  pending(state, 1, 2, boundary_at(7, "k"));
  pending(state, 0, 3, boundary_at(2, ""));
  const RangeTable table = RangeTable::of(state).value();
  CHECK_FALSE(table.single());
  CHECK(table.find(1, "k").owners == Groups{0});
  CHECK(table.find(2, "").owners == Groups{0, 3});
  CHECK(table.find(4, "z").owners == Groups{0, 3});
  CHECK(table.find(7, "a").owners == Groups{1});
  CHECK(table.find(7, "k").owners == Groups{1, 2});
  CHECK(table.find(8, "").owners == Groups{1, 2});
  CHECK(table.groups() == Groups{0, 1, 2, 3});
  finish_split(state, 2);
  CHECK(RangeTable::of(state).value().find(8, "").owners == Groups{2});
  ClusterState first;
  pending(first, 0, 1, boundary_at(1, ""));
  CHECK_FALSE(RangeTable::of(first).value().single());
}

TEST_CASE("a table that does not cover all keys once is refused") {
  const auto refused = [](const ClusterState& state) {
    const auto table = RangeTable::of(state);
    return !table && table.error().code == Errc::corrupt;
  };
  CHECK(refused(state_of({{boundary_at(1, ""), 0}})));
  CHECK(refused(state_of({{"", 0}, {boundary_at(5, ""), 1}, {boundary_at(4, ""), 2}})));
  CHECK(refused(state_of({{"", 0}, {boundary_at(5, ""), 1}, {boundary_at(5, ""), 2}})));
  CHECK(refused(state_of({{"", 0}, {boundary_at(5, ""), 0}})));
  CHECK(refused(state_of({{"", 0}, {"short", 1}})));
  ClusterState state;
  pending(state, 0, 1, "short");
  CHECK(refused(state));
}

TEST_CASE("rows end where the next prefix begins") {
  CHECK(end_of_rows(3, "") == boundary_at(4, ""));
  CHECK(end_of_rows(3, "ab") == boundary_at(3, "ac"));
  CHECK(end_of_rows(3, "a\xff\xff") == boundary_at(3, "b"));
  CHECK(end_of_rows(3, "\xff") == boundary_at(4, ""));
  CHECK(end_of_rows(0xff, "") == boundary_at(0x100, ""));
}

}  // namespace gabion::metadata::cluster
