#include "tools/serve/range_json.h"

#include <fmt/format.h>

#include "tools/serve/admin_json.h"

namespace gabion::serve {
namespace {

using boost::json::array;
using boost::json::object;

object boundary_json(const BoundaryView& boundary) {
  object out;
  out["bucket"] = boundary.bucket;
  out["bucketId"] = boundary.bucket_id;
  out["key"] = boundary.key;
  return out;
}

// A member that is not there stands for all there is.
void add_bounds(object& out, const std::optional<BoundaryView>& start, const std::optional<BoundaryView>& end) {
  if (start) out["start"] = boundary_json(*start);
  if (end) out["end"] = boundary_json(*end);
}

std::string_view to_string(SplitState state) {
  switch (state) {
    case SplitState::pending: return "pending";
    case SplitState::removing: return "removing";
    case SplitState::done: return "done";
  }
  return "";
}

object split_item(const SplitView& split) {
  object out;
  out["group"] = split.child;
  out["from"] = split.parent;
  out["at"] = boundary_json(split.at);
  out["state"] = to_string(split.state);
  return out;
}

object in_document(std::string_view kind, object content) {
  object out = document(kind);
  for (auto& member : content) out[member.key()] = std::move(member.value());
  return out;
}

object range_json(const RangeView& range) {
  object out;
  add_bounds(out, range.start, range.end);
  out["group"] = range.group;
  out["leader"] = range.leader == NodeId{} ? "" : gabion::to_string(range.leader);
  array& members = out["members"].emplace_array();
  for (const NodeId member : range.members) members.emplace_back(gabion::to_string(member));
  if (range.objects) out["objects"] = *range.objects;
  out["removing"] = range.removing;
  return out;
}

}  // namespace

object ranges_json(const RangesView& view) {
  object out = document("RangeList");
  array& items = out["items"].emplace_array();
  for (const RangeView& range : view.ranges) items.push_back(range_json(range));
  array& splits = out["splits"].emplace_array();
  for (const SplitView& split : view.splits) splits.push_back(split_item(split));
  out["groupsMax"] = view.groups_max;
  return out;
}

object split_json(const SplitView& split) { return in_document("Split", split_item(split)); }

object split_plan_json(const SplitPlan& plan) {
  object out = in_document("SplitPlan", split_item(plan.split));
  out.erase("state");
  out["id"] = plan.id;
  object range;
  add_bounds(range, plan.start, plan.end);
  if (plan.objects) range["objects"] = *plan.objects;
  out["range"] = std::move(range);
  out["groupsAfter"] = plan.groups_after;
  out["groupsMax"] = plan.groups_max;
  return out;
}

Result<SplitWish> split_wish_of(const object& request) {
  SplitWish out;
  const auto* bucket = request.if_contains("bucket");
  if (bucket == nullptr || !bucket->is_string() || bucket->get_string().empty()) {
    return Error(Errc::invalid, "\"bucket\" must be the name of a bucket");
  }
  out.bucket = bucket->get_string();
  const auto* key = request.if_contains("key");
  if (key != nullptr && !key->is_string()) return Error(Errc::invalid, "\"key\" must be a text");
  if (key != nullptr) out.key = key->get_string();
  return out;
}

}  // namespace gabion::serve
