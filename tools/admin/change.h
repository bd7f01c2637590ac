// A change of the layout, from its plan to its end: shown with its cost first, applied only as shown, followed when the user
// wants to wait.
#pragma once

#include <string>

#include "tools/admin/session.h"

namespace gabion::admin {

// `change` is what the API plans; `command` is how the user wrote it, to be written again with --plan-id.
int make_change(Session& session, boost::json::object change, const std::string& command);

// Follows a job to its end: a line that is written over on a terminal, a JSON line every five seconds otherwise.
int follow_job(Session& session, const std::string& job);

// "J-12 rebalance  ███░░ 57.3%  3.4 GiB moved  1.1 GiB/s  ETA 41m"
std::string job_line(const Session& session, const boost::json::object& job);

}  // namespace gabion::admin
