#include <fmt/format.h>

#include "tools/admin/change.h"
#include "tools/admin/commands.h"

namespace gabion::admin {
namespace {

// As people write it: "photos/2026/a.jpg". Control characters must not reach a terminal.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7F ? fmt::format("%{:02X}", byte) : std::string(1, c);
  }
  return out;
}

std::string boundary_text(const boost::json::object& at) {
  const std::string bucket = text_of(at, "bucket");
  const std::string name = bucket.empty() ? fmt::format("deleted-bucket-{}", number_of(at, "bucketId")) : bucket;
  return name + "/" + printable(text_of(at, "key"));
}

std::string bound(const boost::json::object& range, std::string_view name) {
  return range.contains(name) ? boundary_text(object_of(range, name)) : "-";
}

std::string about(const boost::json::object& range) {
  return range.contains("objects") ? std::to_string(number_of(range, "objects")) : "-";
}

std::string state_text(const boost::json::object& body, const boost::json::object& range) {
  for (const auto& item : list_of(body, "splits")) {
    if (!item.is_object() || number_of(item.get_object(), "from") != number_of(range, "group")) continue;
    const auto& split = item.get_object();
    return fmt::format("splitting at {} for group {}", boundary_text(object_of(split, "at")), number_of(split, "group"));
  }
  return flag_of(range, "removing") ? "removing what moved" : "ok";
}

Table range_table(const boost::json::object& body) {
  Table table({"START", "END", "GROUP", "LEADER", "MEMBERS", "OBJECTS", "STATE"});
  for (const auto& item : list_of(body, "items")) {
    if (!item.is_object()) continue;
    const auto& range = item.get_object();
    const std::string leader = text_of(range, "leader"), members = joined(list_of(range, "members"), ",");
    table.add({bound(range, "start"), bound(range, "end"), std::to_string(number_of(range, "group")),
               leader.empty() ? "-" : leader, members.empty() ? "-" : members, about(range), state_text(body, range)});
  }
  return table;
}

std::string plan_text(const boost::json::object& plan) {
  const auto& range = object_of(plan, "range");
  const auto from = number_of(plan, "from"), group = number_of(plan, "group");
  const std::string at = boundary_text(object_of(plan, "at"));
  std::string out = fmt::format("split the range of group {} at {}\n", from, at);
  Table table({"PLAN " + text_of(plan, "id"), "start", "end"});
  table.add({fmt::format("now    group {}", from), bound(range, "start"), bound(range, "end")});
  table.add({fmt::format("after  group {}", from), bound(range, "start"), at});
  table.add({fmt::format("after  group {}, new", group), at, bound(range, "end")});
  out += table.aligned();
  out += fmt::format("objects       about {} in the range; no data moves\n", about(range));
  return out + fmt::format("groups        {} of at most {} afterwards; ranges cannot be merged again\n",
                           number_of(plan, "groupsAfter"), number_of(plan, "groupsMax"));
}

std::string split_line(const boost::json::object& split) {
  const auto group = number_of(split, "group");
  if (text_of(split, "state") == "pending") return fmt::format("group {} is being made", group);
  return fmt::format("group {} has its keys; group {} and it remove what is not their own", group, number_of(split, "from"));
}

int follow_split(Session& session, std::uint64_t group) {
  Followed followed;
  followed.path = fmt::format("ranges/splits/{}", group);
  followed.what = fmt::format("the split for group {}", group);
  followed.command = "gabion admin range ls";
  followed.line = split_line;
  followed.end = [&session, group](const boost::json::object& split) -> std::optional<int> {
    if (text_of(split, "state") != "done") return std::nullopt;
    if (session.options.json) session.terminal.out(boost::json::serialize(split) + "\n");
    session.note(fmt::format("group {} has its keys\n", group));
    return static_cast<int>(Exit::ok);
  };
  return follow(session, followed);
}

int begun(Session& session, const Answer& answer) {
  const auto group = number_of(answer.body, "group");
  if (session.options.wait) return follow_split(session, group);
  session.note(fmt::format("group {} is being made; look at it with: gabion admin range ls\n", group));
  session.terminal.out(session.options.json ? boost::json::serialize(answer.body) + "\n" : std::to_string(group) + "\n");
  return static_cast<int>(Exit::ok);
}

}  // namespace

int range_list(Session& session) { return session.show_table(session.client.get("ranges"), range_table); }

int range_split(Session& session, const std::string& bucket, const std::string& key) {
  Planned planned;
  planned.plans = "ranges/plans";
  planned.changes = "ranges/splits";
  planned.request["bucket"] = bucket;
  planned.request["key"] = key;
  planned.command = "gabion admin range split --bucket '" + bucket + "'" + (key.empty() ? "" : " --key '" + key + "'");
  planned.text = plan_text;
  planned.done = [&session](const Answer& answer) { return begun(session, answer); };
  return plan_and_apply(session, planned);
}

}  // namespace gabion::admin
