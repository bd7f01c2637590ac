// RangeTable is which group has which keys, as the cluster's state says. The keys of a split that is decided but not yet in the
// table are the parent's until the parent says that they have moved, and then the child's. Pure; it never changes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "metadata/metadata.h"

namespace gabion::metadata::cluster {

struct OwnedRange {
  std::string start, end;       // row keys as in RangeInfo; empty: there is nothing before, after
  std::vector<GroupId> owners;  // in the order in which they are asked, one at least
  friend bool operator==(const OwnedRange&, const OwnedRange&) = default;
};

class RangeTable {
 public:
  // Group 0 has everything.
  RangeTable();
  // corrupt: the ranges of the state do not cover all keys once, or a group has two of them.
  static Result<RangeTable> of(const ClusterState& state);

  // One group has everything, and nothing is being split.
  bool single() const { return ranges_.size() == 1 && ranges_.front().owners.size() == 1; }
  const std::vector<OwnedRange>& ranges() const { return ranges_; }  // ascending
  const OwnedRange& find(BucketId bucket, std::string_view key) const;
  const OwnedRange& find(std::string_view row) const;
  // Those that have a range or may have one soon, and group 0; ascending.
  std::vector<GroupId> groups() const;
  friend bool operator==(const RangeTable&, const RangeTable&) = default;

 private:
  std::vector<OwnedRange> ranges_;
};

// The first row key behind all those of the bucket whose keys begin like this.
std::string end_of_rows(BucketId bucket, std::string_view prefix);

}  // namespace gabion::metadata::cluster
