#include <fmt/format.h>

#include "tools/admin/change.h"
#include "tools/admin/commands.h"

namespace gabion::admin {
namespace {

std::string count_of(const boost::json::object& drive, std::string_view name) {
  return is_told(drive, name) ? std::to_string(number_of(drive, name)) : "-";
}

Table drive_table(const Session& session, const boost::json::object& body) {
  Table table({"DRIVE", "STATE", "CAPACITY", "USED", "FREE", "SHARDS", "PLACES", "WEIGHT", "PATH", "ID"});
  for (const auto& item : list_of(body, "items")) {
    if (!item.is_object()) continue;
    const auto& drive = item.get_object();
    table.add({text_of(drive, "name"), text_of(drive, "state"), session.size_of(drive, "capacityBytes"),
               session.size_of(drive, "usedBytes"), session.size_of(drive, "availableBytes"),
               count_of(drive, "shards"), std::to_string(number_of(drive, "places")),
               fmt::format("{:.1f}", real_of(drive, "weight")), text_of(drive, "path"), text_of(drive, "id")});
  }
  return table;
}

}  // namespace

int drive_list(Session& session) {
  return session.show_table(session.client.get("drives"), [&](const auto& body) { return drive_table(session, body); });
}

int drive_change(Session& session, Verb verb, const std::string& drive) {
  const std::string word = verb == Verb::drain ? "drain" : verb == Verb::undrain ? "undrain" : "remove";
  boost::json::object change;
  change["kind"] = word + "-drive";
  change["drive"] = drive;
  return make_change(session, std::move(change), fmt::format("gabion admin drive {} {}", word, drive));
}

int drive_add(Session& session, const std::string& node, const std::string& path) {
  boost::json::object change;
  change["kind"] = "add-drive";
  change["node"] = node;
  change["path"] = path;
  return make_change(session, std::move(change), fmt::format("gabion admin drive add {} {}", node, path));
}

int drive_replace(Session& session, const std::string& drive, const std::string& path) {
  boost::json::object change;
  change["kind"] = "replace-drive";
  change["drive"] = drive;
  change["path"] = path;
  return make_change(session, std::move(change), fmt::format("gabion admin drive replace {} --with {}", drive, path));
}

}  // namespace gabion::admin
