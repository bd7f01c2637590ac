#include <fmt/format.h>

#include "tools/admin/change.h"
#include "tools/admin/commands.h"

namespace gabion::admin {
namespace {

std::string job_text(const Session& session, const boost::json::object& job) {
  std::string out = job_line(session, job) + "\n";
  out += fmt::format("reason    {}\nstarted   {}\n", text_of(job, "reason"), ago(text_of(job, "started"), session.clock.wall()));
  if (job.contains("finished")) out += fmt::format("finished  {}\n", ago(text_of(job, "finished"), session.clock.wall()));
  out += fmt::format("blocks    {} of {}, {} failed\n", number_of(job, "blocksDone"), number_of(job, "blocksTotal"),
                     number_of(job, "failedBlocks"));
  std::string workers;
  for (const auto& item : list_of(job, "workers")) {
    if (!item.is_object()) continue;
    workers += fmt::format("{}{}{}", workers.empty() ? "" : ", ", text_of(item.get_object(), "node"),
                           flag_of(item.get_object(), "finished") ? " (finished)" : "");
  }
  if (!workers.empty()) out += fmt::format("workers   {}\n", workers);
  return out;
}

Table job_table(const Session& session, const boost::json::object& body) {
  Table table({"JOB", "TYPE", "STATE", "DONE", "FAILED", "STARTED", "REASON"});
  for (const auto& item : list_of(body, "items")) {
    if (!item.is_object()) continue;
    const auto& job = item.get_object();
    std::string started = text_of(job, "started");
    if (session.terminal.out_is_terminal) started = ago(started, session.clock.wall());
    table.add({text_of(job, "name"), text_of(job, "type"), text_of(job, "state"), percent(real_of(job, "fraction")),
               std::to_string(number_of(job, "failedBlocks")), started, text_of(job, "reason")});
  }
  return table;
}

}  // namespace

int start_job(Session& session, const std::string& path) {
  const Answer started = session.client.post(path, {});
  if (started.exit != Exit::ok) return session.fail(started);
  const std::string job = text_of(started.body, "name");
  if (session.options.wait) return follow_job(session, job);
  session.note(fmt::format("started {}; watch it with: gabion admin job watch {}\n", job, job));
  return session.show(started, [&](const boost::json::object&) { return job + "\n"; });
}

int job_list(Session& session) {
  return session.show_table(session.client.get("jobs"), [&](const auto& body) { return job_table(session, body); });
}

int job_show(Session& session, const std::string& job) {
  return session.show(session.client.get("jobs/" + job), [&](const auto& body) { return job_text(session, body); });
}

int job_watch(Session& session, const std::string& job) { return follow_job(session, job); }

int job_act(Session& session, const std::string& job, const std::string& action) {
  const Answer answer = session.client.post("jobs/" + job + "/" + action, {});
  if (answer.exit == Exit::ok && action == "pause") {
    session.note(fmt::format("resume it with: gabion admin job resume {}\n", job));
  }
  return session.show(answer, [](const boost::json::object& body) { return text_of(body, "state") + "\n"; });
}

}  // namespace gabion::admin
