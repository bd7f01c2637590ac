#include "tools/admin/change.h"
#include "tools/span_text.h"

#include <fmt/format.h>

namespace gabion::admin {
namespace {

// What a plan would do, in columns: now and after.
std::string plan_text(const Session& session, const boost::json::object& plan) {
  const auto& before = object_of(plan, "before");
  const auto& after = object_of(plan, "after");
  Table table({"PLAN " + text_of(plan, "id"), "now", "after"});
  const auto row = [&](const char* name, const auto& value) { table.add({name, value(before), value(after)}); };
  row("drives", [](const auto& layout) { return std::to_string(number_of(layout, "drives")); });
  row("capacity", [&](const auto& layout) { return session.size(number_of(layout, "capacityBytes")); });
  row("imbalance", [](const auto& layout) { return percent(real_of(layout, "imbalance")); });
  row("crowded rows", [](const auto& layout) { return std::to_string(number_of(layout, "crowdedRows")); });
  const double total = static_cast<double>(std::max<std::uint64_t>(1, number_of(plan, "placesTotal")));
  std::string out = text_of(plan, "summary") + "\n" + table.aligned();
  const auto share = [&](std::string_view places) { return percent(static_cast<double>(number_of(plan, places)) / total); };
  out += fmt::format("to move       {} ({} of all places; at least {})   about {}\n",
                     session.size(number_of(plan, "bytesToMove")), share("placesMoved"), share("placesMinimum"),
                     span_text(number_of(plan, "seconds")));
  for (const auto& warning : list_of(plan, "warnings")) {
    if (warning.is_string()) out += fmt::format("warning       {}\n", std::string_view(warning.get_string()));
  }
  return out;
}

int applied(Session& session, const Answer& answer) {
  const std::string job = text_of(answer.body, "job");
  if (session.options.json && !session.options.wait) session.terminal.out(boost::json::serialize(answer.body) + "\n");
  if (job.empty()) {
    session.note("done\n");
    return static_cast<int>(Exit::ok);
  }
  if (session.options.wait) return follow_job(session, job);
  session.note(fmt::format("started {}; watch it with: gabion admin job watch {}\n", job, job));
  if (!session.options.json) session.terminal.out(job + "\n");
  return static_cast<int>(Exit::ok);
}

int apply(Session& session, const Planned& planned, const std::string& plan_id) {
  boost::json::object body = planned.request;
  body["planId"] = plan_id;
  const Answer answer = session.client.post(planned.changes, body);
  return answer.exit == Exit::ok ? planned.done(answer) : session.fail(answer);
}

}  // namespace

int plan_and_apply(Session& session, const Planned& planned) {
  const Options& options = session.options;
  if (!options.plan_id.empty() && !options.dry_run) return apply(session, planned, options.plan_id);
  const Answer answer = session.client.post(planned.plans, planned.request);
  if (answer.exit != Exit::ok) return session.fail(answer);
  const boost::json::object& plan = answer.body;
  if (flag_of(plan, "changesNothing")) {
    if (options.json) session.terminal.out(boost::json::serialize(plan) + "\n");
    session.note(fmt::format("nothing to do: {}\n", text_of(plan, "summary")));
    return static_cast<int>(Exit::no_change);
  }
  const std::string id = text_of(plan, "id");
  const bool decided = options.yes && !options.dry_run;
  if (options.json) {
    if (!decided) session.terminal.out(boost::json::serialize(plan) + "\n");
  } else if (decided) {
    session.note(planned.text(plan));
  } else {
    session.terminal.out(planned.text(plan));
  }
  if (options.dry_run) return static_cast<int>(Exit::ok);
  if (decided || session.terminal.confirm("Apply?")) return apply(session, planned, id);
  session.note(fmt::format("Apply:  {} --plan-id {}\n", planned.command, id));
  return static_cast<int>(Exit::no_change);
}

int make_change(Session& session, boost::json::object change, const std::string& command) {
  Planned planned;
  planned.plans = "plans";
  planned.changes = "changes";
  planned.request["change"] = std::move(change);
  planned.command = command;
  planned.text = [&session](const boost::json::object& plan) { return plan_text(session, plan); };
  planned.done = [&session](const Answer& answer) { return applied(session, answer); };
  return plan_and_apply(session, planned);
}

}  // namespace gabion::admin
