#include "metadata/cluster/ranges.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/bytes.h"
#include "metadata/cluster/splits.h"

namespace gabion::metadata::cluster {
namespace {

constexpr std::size_t kBucketBytes = sizeof(BucketId);

Error damaged(std::string_view why) { return {Errc::corrupt, fmt::format("the table of key ranges is damaged: {}", why)}; }

// Whether a row lies behind the start of a range, or at it; without making the row.
bool behind(BucketId bucket, std::string_view key, std::string_view start) {
  if (start.empty()) return true;
  const BucketId first = load_be64(start.data());
  return bucket != first ? bucket > first : key >= start.substr(kBucketBytes);
}

Result<void> check(const std::vector<KeyRange>& ranges) {
  std::set<GroupId> seen;
  if (!ranges.front().start.empty()) return damaged("it does not begin with the first key");
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (!seen.insert(ranges[i].group).second) return damaged(fmt::format("group {} has two ranges", ranges[i].group));
    if (i != 0 && ranges[i].start.size() < kBucketBytes) return damaged("a range begins with no bucket");
    if (i != 0 && ranges[i].start <= ranges[i - 1].start) return damaged("it is not in order");
  }
  return {};
}

bool has(const std::vector<GroupId>& groups, GroupId group) {
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

}  // namespace

RangeTable::RangeTable() : ranges_{OwnedRange{"", "", {kRootGroup}}} {}

Result<RangeTable> RangeTable::of(const ClusterState& state) {
  auto known = key_ranges(state);
  TRY_OK(check(known));
  RangeTable table;
  table.ranges_.clear();
  for (KeyRange& range : known) table.ranges_.push_back({std::move(range.start), std::move(range.end), {range.group}});
  for (const PendingSplit& split : state.splits()) {
    if (split.at().size() < kBucketBytes) return damaged("a split begins with no bucket");
    const auto parent = std::find_if(table.ranges_.begin(), table.ranges_.end(), [&](const OwnedRange& range) {
      return has(range.owners, split.parent()) && split.at() > range.start && (range.end.empty() || split.at() < range.end);
    });
    if (parent != table.ranges_.end()) {
      OwnedRange upper{split.at(), parent->end, parent->owners};
      parent->end = split.at();
      table.ranges_.insert(std::next(parent), std::move(upper));
    }
    for (OwnedRange& range : table.ranges_) {
      if (range.start >= split.at() && has(range.owners, split.parent())) range.owners.push_back(split.child());
    }
  }
  return table;
}

const OwnedRange& RangeTable::find(BucketId bucket, std::string_view key) const {
  const auto next = std::partition_point(ranges_.begin() + 1, ranges_.end(),
                                         [&](const OwnedRange& range) { return behind(bucket, key, range.start); });
  return *std::prev(next);
}

const OwnedRange& RangeTable::find(std::string_view row) const {
  const auto next = std::partition_point(ranges_.begin() + 1, ranges_.end(),
                                         [&](const OwnedRange& range) { return row >= range.start; });
  return *std::prev(next);
}

std::vector<GroupId> RangeTable::groups() const {
  std::set<GroupId> all{kRootGroup};
  for (const OwnedRange& range : ranges_) all.insert(range.owners.begin(), range.owners.end());
  return {all.begin(), all.end()};
}

std::string end_of_rows(BucketId bucket, std::string_view prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.remove_suffix(1);
  if (prefix.empty()) return boundary_at(bucket + 1, {});
  std::string end = boundary_at(bucket, prefix);
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace gabion::metadata::cluster
