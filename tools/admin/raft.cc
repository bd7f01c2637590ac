#include <fmt/format.h>

#include "tools/admin/commands.h"

namespace gabion::admin {

int raft_status(Session& session) {
  return session.show_table(session.client.get("raft"), [&](const boost::json::object& body) {
    Table table({"GROUP", "TERM", "COMMITTED", "APPLIED", "MEMBER", "ROLE", "MATCHED", "BEHIND"});
    for (const auto& item : list_of(body, "items")) {
      if (!item.is_object()) continue;
      const auto& group = item.get_object();
      for (const auto& each : list_of(group, "members")) {
        if (!each.is_object()) continue;
        const auto& member = each.get_object();
        const bool known = member.contains("matched");
        table.add({std::to_string(number_of(group, "group")), std::to_string(number_of(group, "term")),
                   std::to_string(number_of(group, "committed")), std::to_string(number_of(group, "applied")),
                   text_of(member, "node"), flag_of(member, "leader") ? "leader" : text_of(member, "role"),
                   known ? std::to_string(number_of(member, "matched")) : "-",
                   known ? std::to_string(number_of(member, "behind")) : "-"});
      }
    }
    return table;
  });
}

int raft_transfer(Session& session, std::uint64_t group, const std::string& to) {
  boost::json::object body;
  body["group"] = group;
  body["to"] = to;
  return session.show(session.client.post("raft/transfer", body),
                      [](const boost::json::object& done) { return "leader\t" + text_of(done, "leader") + "\n"; });
}

}  // namespace gabion::admin
