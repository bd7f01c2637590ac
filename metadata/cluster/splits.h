// Splits of key ranges in the cluster's state: how one is decided, and how the table of ranges follows when it was carried out
// (splitter.h does that). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "metadata/metadata.h"

namespace gabion::metadata::cluster {

// Each costs every member a state and its part of the log.
inline constexpr int kGroupsMax = 64;
inline constexpr int kSplitsMax = 4;  // that are being carried out

// Where the range of a key begins, when one begins there. An empty key: the beginning of the bucket.
std::string boundary_at(BucketId bucket, std::string_view key);

struct Boundary {
  BucketId bucket = 0;
  std::string key;
};
Boundary boundary_of(std::string_view start);  // of a start that is not empty

// The ranges with their ends, also where the state has no table yet. A pending split is not in them.
struct KeyRange {
  std::string start, end;  // empty: there is nothing before, after
  GroupId group = kRootGroup;
  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};
std::vector<KeyRange> key_ranges(const ClusterState& state);

// Decides that a new group takes over what is at `at` and after it, up to the end of its range. denied: a range begins there
// already, or there are groups enough; conflict: too much is being split now. Both say what to do.
Result<PendingSplit> begin_split(ClusterState& state, std::string at);

// The child has its keys: from now on the table says so. False when it does already.
bool finish_split(ClusterState& state, GroupId child);

}  // namespace gabion::metadata::cluster
