#include <fmt/format.h>

#include "tools/admin/commands.h"

namespace gabion::admin {
namespace {

void add_row(const Session& session, Table& table, const std::string& name, const boost::json::object& space) {
  table.add({name, session.size_of(space, "rawBytes"), session.size_of(space, "usedBytes"),
             used_percent(space), session.size_of(space, "availableBytes"), session.size_of(space, "usableAvailableBytes")});
}

}  // namespace

int capacity(Session& session) {
  return session.show_table(session.client.get("capacity"), [&](const boost::json::object& body) {
    Table table({"NODE", "RAW", "USED", "USED%", "FREE", fmt::format("FREE AT {}", text_of(body, "storageClass"))});
    for (const auto& item : list_of(body, "nodes")) {
      if (item.is_object()) add_row(session, table, text_of(item.get_object(), "name"), item.get_object());
    }
    add_row(session, table, "total", object_of(body, "total"));
    return table;
  });
}

}  // namespace gabion::admin
