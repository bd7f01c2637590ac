#include <fmt/format.h>

#include "tools/admin/change.h"
#include "tools/admin/commands.h"

namespace gabion::admin {
namespace {

std::string health_word(const std::string& health) {
  if (health == "ok") return "HEALTH_OK";
  return health == "error" ? "HEALTH_ERR" : "HEALTH_WARN";
}

std::string status_text(const Session& session, const boost::json::object& body) {
  const auto count = [&](std::string_view name) { return number_of(body, name); };
  const auto& space = object_of(body, "capacity");
  const std::string leader = text_of(body, "leader");
  std::string out = fmt::format("cluster   {}   {}   {}/{} nodes   {}/{} drives   {}\n", text_of(body, "cluster").substr(0, 8),
                                health_word(text_of(body, "health")), count("nodesUp"), count("nodes"), count("drivesUp"),
                                count("drives"), leader.empty() ? "no leader" : "leader " + leader);
  const std::string groups = count("groups") < 2 ? "" : fmt::format("{}/{} groups led   ", count("groupsLed"), count("groups"));
  out += fmt::format("metadata  {}/{} members   {}{} buckets   about {} objects\n", count("metadataMembersUp"),
                     count("metadataMembers"), groups, count("buckets"), count("objects"));
  out += fmt::format("data      {} used of {} raw ({})   {}   ring epoch {}\n", session.size_of(space, "usedBytes"),
                     session.size_of(space, "rawBytes"), used_percent(space), text_of(body, "storageClass"), count("ringEpoch"));
  for (const auto& item : list_of(body, "problems")) {
    if (!item.is_object()) continue;
    const auto& problem = item.get_object();
    const std::string action = text_of(problem, "action");
    out += fmt::format("{:<9} {}  {}{}\n", text_of(problem, "severity"), text_of(problem, "code"), text_of(problem, "message"),
                       action.empty() ? "" : "  → " + action);
  }
  for (const auto& item : list_of(body, "jobs")) {
    if (item.is_object()) out += fmt::format("job       {}   {}\n", job_line(session, item.get_object()),
                                             text_of(item.get_object(), "reason"));
  }
  return out;
}

// The same numbers as name and value, for scripts.
std::string status_lines(const boost::json::object& body) {
  std::string out;
  const auto add = [&](std::string_view name, const std::string& value) { out += fmt::format("{}\t{}\n", name, value); };
  for (const char* name : {"cluster", "health", "leader", "storageClass"}) add(name, text_of(body, name));
  for (const char* name : {"nodes", "nodesUp", "drives", "drivesUp", "metadataMembers", "metadataMembersUp", "groups",
                           "groupsLed", "ringEpoch", "buckets", "objects", "repairWaitingBlocks"}) {
    add(name, std::to_string(number_of(body, name)));
  }
  for (const char* name : {"rawBytes", "usedBytes", "availableBytes"}) {
    add(name, std::to_string(number_of(object_of(body, "capacity"), name)));
  }
  return out;
}

int show_status(Session& session, const Answer& answer) {
  return session.show(answer, [&](const boost::json::object& body) {
    return session.terminal.out_is_terminal ? status_text(session, body) : status_lines(body);
  });
}

}  // namespace

int cluster_status(Session& session) { return show_status(session, session.client.get("cluster")); }

int cluster_init(Session& session, const std::string& listen) {
  boost::json::object body;
  if (!listen.empty()) body["listen"] = listen;
  const Answer answer = session.client.post("cluster/init", body);
  if (answer.exit == Exit::ok) session.note("this node is a cluster now; let others join with: gabion admin node add\n");
  return show_status(session, answer);
}

int cluster_token(Session& session, std::uint64_t valid_seconds) {
  boost::json::object body;
  body["validSeconds"] = valid_seconds;
  return session.show(session.client.post("cluster/tokens", body),
                      [](const boost::json::object& grant) { return text_of(grant, "token") + "\n"; });
}

}  // namespace gabion::admin
