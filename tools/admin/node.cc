#include <fmt/format.h>

#include <algorithm>

#include "tools/admin/change.h"
#include "tools/admin/commands.h"
#include "tools/span_text.h"

namespace gabion::admin {
namespace {

Table node_table(const Session& session, const boost::json::object& body) {
  Table table({"NODE", "STATE", "ROLES", "DOMAIN", "DRIVES", "CAPACITY", "USED", "CLUSTER", "S3", "ADMIN"});
  for (const auto& item : list_of(body, "items")) {
    if (!item.is_object()) continue;
    const auto& node = item.get_object();
    std::string state = text_of(node, "state");
    if (state == "down") state += " " + span_text(number_of(node, "downSeconds"));
    if (flag_of(node, "leader")) state += ", leader";
    const std::string domain = joined(list_of(node, "domain"), "/");
    table.add({text_of(node, "name"), state, joined(list_of(node, "roles"), ","), domain.empty() ? "-" : domain,
               fmt::format("{}/{}", number_of(node, "drivesUp"), number_of(node, "drives")),
               session.size_of(node, "capacityBytes"), session.size_of(node, "usedBytes"),
               text_of(node, "address"), text_of(node, "s3Endpoint"), text_of(node, "adminEndpoint")});
  }
  return table;
}

std::size_t groups_with(const boost::json::object& body, const std::string& node) {
  std::size_t groups = 0;
  for (const auto& item : list_of(body, "items")) {
    if (!item.is_object()) continue;
    const auto& members = list_of(item.get_object(), "members");
    groups += std::any_of(members.begin(), members.end(), [&](const boost::json::value& member) {
      return member.is_object() && text_of(member.get_object(), "node") == node;
    });
  }
  return groups;
}

// A node that has given everything away may still be about to leave the metadata's groups, and cannot be removed before.
int wait_until_it_left(Session& session, const std::string& node) {
  Followed followed;
  followed.path = "raft";
  followed.what = node + "'s leaving of the metadata's groups";
  followed.command = "gabion admin raft status";
  followed.line = [node](const boost::json::object& body) {
    return fmt::format("{} is a member of {} groups of the metadata", node, groups_with(body, node));
  };
  followed.end = [node](const boost::json::object& body) -> std::optional<int> {
    if (groups_with(body, node) != 0) return std::nullopt;
    return static_cast<int>(Exit::ok);
  };
  return follow(session, followed);
}

}  // namespace

int node_list(Session& session) {
  return session.show_table(session.client.get("nodes"), [&](const auto& body) { return node_table(session, body); });
}

int node_add(Session& session, std::uint64_t valid_seconds) {
  boost::json::object body;
  body["validSeconds"] = valid_seconds;
  const Answer answer = session.client.post("cluster/tokens", body);
  if (answer.exit == Exit::ok) {
    session.note(fmt::format("Run this on the new machine within {}, with its address and its drives; it joins one node, once:\n",
                             span_text(valid_seconds)));
  }
  return session.show(answer, [](const boost::json::object& grant) {
    return fmt::format("gabion serve --join {} --token {} --cluster-listen ADDRESS:9002 DRIVE...\n", text_of(grant, "join"),
                       text_of(grant, "token"));
  });
}

int node_change(Session& session, Verb verb, const std::string& node) {
  const std::string word = verb == Verb::drain ? "drain" : verb == Verb::undrain ? "undrain" : "remove";
  boost::json::object change;
  change["kind"] = word + "-node";
  change["node"] = node;
  const int ended = make_change(session, std::move(change), fmt::format("gabion admin node {} {}", word, node));
  const bool waits = verb == Verb::drain && session.options.wait && !session.options.dry_run;
  return waits && ended == static_cast<int>(Exit::ok) ? wait_until_it_left(session, node) : ended;
}

}  // namespace gabion::admin
