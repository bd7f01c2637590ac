#include <fmt/format.h>

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
               session.size(number_of(node, "capacityBytes")), session.size(number_of(node, "usedBytes")),
               text_of(node, "address"), text_of(node, "s3Endpoint"), text_of(node, "adminEndpoint")});
  }
  return table;
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
  return make_change(session, std::move(change), fmt::format("gabion admin node {} {}", word, node));
}

}  // namespace gabion::admin
