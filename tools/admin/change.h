// A change of the layout, from its plan to its end: shown with its cost first, applied only as shown, followed when the user
// wants to wait.
#pragma once

#include <string>

#include "tools/admin/session.h"

namespace gabion::admin {

// `change` is what the API plans; `command` is how the user wrote it, to be written again with --plan-id.
int make_change(Session& session, boost::json::object change, const std::string& command);

// Anything else that is planned, shown and then applied as shown.
struct Planned {
  std::string plans, changes;   // where it is planned and applied
  boost::json::object request;
  std::string command;
  std::function<std::string(const boost::json::object& plan)> text;
  std::function<int(const Answer& applied)> done;
};
int plan_and_apply(Session& session, const Planned& planned);

// Starts a job that needs no plan, by a POST to `path`.
int start_job(Session& session, const std::string& path);

// Follows a job to its end: a line that is written over on a terminal, a JSON line every five seconds otherwise.
int follow_job(Session& session, const std::string& job);

// Anything else that gets on by itself.
struct Followed {
  std::string path;     // what tells how far it is
  std::string what;     // "J-12"
  std::string command;  // to go on watching
  std::function<std::string(const boost::json::object& body)> line;
  std::function<std::optional<int>(const boost::json::object& body)> end;  // the exit code when it has come to its end
};
int follow(Session& session, const Followed& followed);

// "J-12 rebalance  ███░░ 57.3%  3.4 GiB moved  1.1 GiB/s  ETA 41m"
std::string job_line(const Session& session, const boost::json::object& job);

}  // namespace gabion::admin
