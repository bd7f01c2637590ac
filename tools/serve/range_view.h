// What an operator sees of the ranges of keys and of the groups that have them, and how one is split: plain values, as in
// cluster_view.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"

namespace gabion::serve {

// Where a range begins: a key of a bucket, or with an empty key the bucket itself.
struct BoundaryView {
  std::uint64_t bucket_id = 0;
  std::string bucket;  // empty: it was deleted
  std::string key;
};

struct RangeView {
  std::optional<BoundaryView> start, end;  // none: all there is before, after
  std::uint32_t group = 0;
  NodeId leader{};                         // 0: not known
  std::vector<NodeId> members;             // that vote
  std::optional<std::uint64_t> objects;    // an estimate; none: the group does not answer
  bool removing = false;                   // it may still have rows that are not its own
};

enum class SplitState { pending, removing, done };
struct SplitView {
  BoundaryView at;
  std::uint32_t parent = 0, child = 0;
  SplitState state = SplitState::pending;
};

struct RangesView {
  std::vector<RangeView> ranges;  // in order of their keys
  std::vector<SplitView> splits;  // that are pending
  int groups_max = 0;
};

// What is asked for.
struct SplitWish {
  std::string bucket, key;
};

struct SplitPlan {
  std::string id;  // of this split: another group number, or another group that has the keys, make another
  SplitView split;
  std::optional<BoundaryView> start, end;  // of the range that is split
  std::optional<std::uint64_t> objects;    // in it, an estimate
  int groups_after = 0, groups_max = 0;
};

}  // namespace gabion::serve
