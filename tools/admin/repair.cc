#include <fmt/format.h>

#include "tools/admin/change.h"
#include "tools/admin/commands.h"

namespace gabion::admin {

int repair_status(Session& session) {
  return session.show(session.client.get("repair"), [&](const boost::json::object& body) {
    const std::uint64_t waiting = number_of(body, "waitingBlocks");
    if (!session.terminal.out_is_terminal) {
      std::string out = fmt::format("waitingBlocks\t{}\n", waiting);
      for (const auto& item : list_of(body, "jobs")) {
        if (item.is_object()) out += fmt::format("job\t{}\n", text_of(item.get_object(), "name"));
      }
      return out;
    }
    std::string out = waiting == 0 ? "no block is known to miss a shard\n"
                                   : fmt::format("{} blocks are known to miss shards and wait for repair\n", waiting);
    for (const auto& item : list_of(body, "jobs")) {
      if (item.is_object()) out += job_line(session, item.get_object()) + "   " + text_of(item.get_object(), "reason") + "\n";
    }
    return out;
  });
}

}  // namespace gabion::admin
