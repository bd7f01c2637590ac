#include <fmt/format.h>

#include <algorithm>

#include "tools/admin/change.h"
#include "tools/admin/commands.h"

namespace gabion::admin {
namespace {

Table ring_table(const boost::json::object& body) {
  const std::uint64_t all = std::max<std::uint64_t>(1, number_of(body, "partitions") * number_of(body, "width"));
  Table table({"DRIVE", "STATE", "WEIGHT", "PLACES", "SHARE"});
  for (const auto& item : list_of(body, "drives")) {
    if (!item.is_object()) continue;
    const auto& drive = item.get_object();
    const std::uint64_t places = number_of(drive, "places");
    table.add({text_of(drive, "name"), text_of(drive, "state"), fmt::format("{:.1f}", real_of(drive, "weight")),
               std::to_string(places), percent(static_cast<double>(places) / static_cast<double>(all))});
  }
  return table;
}

std::string ring_head(const boost::json::object& body) {
  std::string out = fmt::format("epoch {}   {} partitions of {} places   imbalance {}   {} crowded rows\n",
                                number_of(body, "epoch"), number_of(body, "partitions"), number_of(body, "width"),
                                percent(real_of(body, "imbalance")), number_of(body, "crowdedRows"));
  std::string previous;
  for (const auto& epoch : list_of(body, "previousEpochs")) previous += " " + boost::json::serialize(epoch);
  if (!previous.empty()) out += fmt::format("blocks of epoch{} are still being moved\n", previous);
  return out;
}

}  // namespace

int ring_show(Session& session) {
  return session.show(session.client.get("ring"), [&](const boost::json::object& body) {
    if (!session.terminal.out_is_terminal) return ring_table(body).tab_separated();
    return ring_head(body) + ring_table(body).aligned();
  });
}

int ring_rebalance(Session& session) {
  boost::json::object change;
  change["kind"] = "rebalance";
  return make_change(session, std::move(change), "gabion admin ring rebalance");
}

}  // namespace gabion::admin
