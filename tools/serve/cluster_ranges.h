// The ranges of keys as an operator sees and splits them, from the cluster's state. Pure.
#pragma once

#include <map>
#include <vector>

#include "metadata/metadata.h"
#include "tools/serve/cluster_view.h"
#include "tools/serve/range_view.h"

namespace gabion::serve {

// What is known beside the state.
struct RangeFacts {
  std::vector<metadata::Bucket> buckets;
  std::vector<RaftGroupView> groups;
  std::vector<metadata::GroupId> removing;
  std::map<metadata::GroupId, std::uint64_t> objects;
};

RangesView ranges_view(const metadata::ClusterState& state, const RangeFacts& facts);

// How far the split is that made this group. not_found.
Result<SplitView> split_view(const metadata::ClusterState& state, metadata::GroupId child, const RangeFacts& facts);

struct PlannedSplit {
  SplitPlan plan;
  metadata::ClusterState state;  // with the split decided
};
// not_found: there is no such bucket; invalid: no object can have this key; and what begin_split() refuses.
Result<PlannedSplit> plan_split(const metadata::ClusterState& state, const SplitWish& wish, const RangeFacts& facts);

}  // namespace gabion::serve
