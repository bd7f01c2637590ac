#include <fmt/format.h>

#include "tools/admin/change.h"
#include "tools/admin/commands.h"

namespace gabion::admin {

int scrub_status(Session& session) {
  return session.show(session.client.get("scrub"), [&](const boost::json::object& body) -> std::string {
    if (!body.contains("job")) {
      return session.terminal.out_is_terminal ? "no scrub has run; start one: gabion admin scrub start\n" : "";
    }
    const auto& job = object_of(body, "job");
    if (!session.terminal.out_is_terminal) {
      return fmt::format("{}\t{}\t{}\t{}\n", text_of(job, "name"), text_of(job, "state"), number_of(job, "blocksDone"),
                         number_of(job, "failedBlocks"));
    }
    return fmt::format("{}\nstarted {}   {} blocks read   {} bad\n", job_line(session, job),
                       ago(text_of(job, "started"), session.clock.wall()), number_of(job, "blocksDone"),
                       number_of(job, "failedBlocks"));
  });
}

int scrub_start(Session& session) { return start_job(session, "scrub"); }

}  // namespace gabion::admin
