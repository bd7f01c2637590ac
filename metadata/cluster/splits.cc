#include "metadata/cluster/splits.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/bytes.h"
#include "common/check.h"

namespace gabion::metadata::cluster {

std::string boundary_at(BucketId bucket, std::string_view key) {
  std::string out;
  append_be64(out, bucket);
  return out.append(key);
}

Boundary boundary_of(std::string_view start) {
  Boundary out;
  GABION_CHECK(start.size() >= sizeof out.bucket, "a range begins with the id of a bucket");
  out.bucket = load_be64(start.data());
  out.key = start.substr(sizeof out.bucket);
  return out;
}

std::vector<KeyRange> key_ranges(const ClusterState& state) {
  std::vector<KeyRange> out;
  for (const RangeInfo& range : state.ranges()) {
    if (!out.empty()) out.back().end = range.start();
    out.push_back({range.start(), "", range.group()});
  }
  if (out.empty()) out.push_back({});
  return out;
}

Result<PendingSplit> begin_split(ClusterState& state, std::string at) {
  const auto ranges = key_ranges(state);
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), at,
                                      [](const std::string& key, const KeyRange& range) { return key < range.start; });
  const KeyRange& range = *std::prev(after);  // the first range begins before everything
  if (range.start == at) {
    return Error(Errc::denied, fmt::format("group {}'s range begins there already; see: gabion admin range ls", range.group));
  }
  for (const PendingSplit& pending : state.splits()) {
    if (pending.parent() != range.group) continue;
    return Error(Errc::conflict, fmt::format("group {} is being split now, for group {}; wait until that is done: gabion admin "
                                             "range ls", range.group, pending.child()));
  }
  if (state.splits_size() >= kSplitsMax) {
    return Error(Errc::conflict, fmt::format("{} splits are under way already; wait until one is done: gabion admin range ls",
                                             state.splits_size()));
  }
  if (static_cast<int>(ranges.size()) + state.splits_size() >= kGroupsMax) {
    return Error(Errc::denied, fmt::format("a cluster has {} groups at most, and this one has them", kGroupsMax));
  }
  state.set_last_group(state.last_group() + 1);
  PendingSplit& split = *state.add_splits();
  split.set_parent(range.group);
  split.set_child(state.last_group());
  split.set_at(std::move(at));
  return split;
}

bool finish_split(ClusterState& state, GroupId child) {
  auto& splits = *state.mutable_splits();
  const auto split = std::find_if(splits.begin(), splits.end(), [&](const PendingSplit& s) { return s.child() == child; });
  if (split == splits.end()) return false;
  if (state.ranges_size() == 0) state.add_ranges()->set_group(kRootGroup);
  RangeInfo& range = *state.add_ranges();
  range.set_start(split->at());
  range.set_group(child);
  std::sort(state.mutable_ranges()->begin(), state.mutable_ranges()->end(),
            [](const RangeInfo& a, const RangeInfo& b) { return a.start() < b.start(); });
  splits.erase(split);
  return true;
}

}  // namespace gabion::metadata::cluster
