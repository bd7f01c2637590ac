#include <fmt/format.h>

#include "tools/admin/change.h"
#include "tools/admin/commands.h"

namespace gabion::admin {

int orphans_status(Session& session) {
  return session.show(session.client.get("orphans"), [&](const boost::json::object& body) -> std::string {
    if (!body.contains("job")) {
      return session.terminal.out_is_terminal ? "orphans were not looked for yet; do: gabion admin orphans start\n" : "";
    }
    const auto& job = object_of(body, "job");
    if (!session.terminal.out_is_terminal) {
      return fmt::format("{}\t{}\t{}\t{}\n", text_of(job, "name"), text_of(job, "state"), number_of(job, "bytesMoved"),
                         number_of(job, "failedBlocks"));
    }
    return fmt::format("{}\nstarted {}   {} freed   {} drives left out\n", job_line(session, job),
                       ago(text_of(job, "started"), session.clock.wall()), session.size(number_of(job, "bytesMoved")),
                       number_of(job, "failedBlocks"));
  });
}

int orphans_start(Session& session) { return start_job(session, "orphans"); }

}  // namespace gabion::admin
