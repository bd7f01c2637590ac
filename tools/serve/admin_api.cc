#include "tools/serve/admin_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <optional>

#include "common/encoding.h"
#include "common/text.h"
#include "tools/serve/admin_json.h"
#include "tools/serve/cluster_health.h"
#include "tools/serve/range_json.h"

namespace gabion::serve {
namespace {

using boost::json::object;

constexpr std::string_view kPrefix = "/admin/v1/";
constexpr std::uint64_t kJoinSecondsDefault = 3600;
constexpr std::uint64_t kJoinSecondsMax = 7 * 86400;

struct Call {
  Call() = default;
  std::string argument;  // the part of the path that the route leaves open
  object body;
};

AdminAnswer answer_with(object body) {
  AdminAnswer answer;
  answer.body = boost::json::serialize(body);
  // Paths of requests and of drives need not be UTF-8, which JSON must be.
  if (!is_valid_utf8(answer.body)) {
    std::replace_if(answer.body.begin(), answer.body.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  }
  return answer;
}

Result<std::uint64_t> number_in(const object& body, std::string_view name, std::uint64_t absent, std::uint64_t most) {
  const auto* value = body.if_contains(name);
  if (value == nullptr) return absent;
  boost::system::error_code code;
  const auto number = value->to_number<std::uint64_t>(code);
  if (code || number > most) return Error(Errc::invalid, fmt::format("\"{}\" must be a number up to {}", name, most));
  return number;
}

// --- What each operation does ---

task<Result<object>> cluster(ClusterControl& control, Context ctx, Call) {
  CO_TRY(const ClusterView view, co_await control.view(ctx));
  co_return cluster_json(view);
}

task<Result<object>> init(ClusterControl& control, Context ctx, Call call) {
  std::string listen;
  if (const auto* given = call.body.if_contains("listen")) {
    if (!given->is_string()) co_return Error(Errc::invalid, "\"listen\" must be ADDRESS:PORT");
    listen = given->get_string();
  }
  CO_CHECK(co_await control.init(ctx, std::move(listen)));
  CO_TRY(const ClusterView view, co_await control.view(ctx));
  co_return cluster_json(view);
}

task<Result<object>> grant_join(ClusterControl& control, Context ctx, Call call) {
  CO_TRY(const std::uint64_t seconds, number_in(call.body, "validSeconds", kJoinSecondsDefault, kJoinSecondsMax));
  if (seconds == 0) co_return Error(Errc::invalid, "\"validSeconds\" must not be 0");
  CO_TRY(const JoinGrant grant, co_await control.grant_join(ctx, std::chrono::seconds(seconds)));
  object out = document("JoinGrant");
  out["join"] = grant.address;
  out["token"] = grant.token;
  out["expires"] = iso_date(grant.expires);
  co_return out;
}

task<Result<object>> nodes(ClusterControl& control, Context ctx, Call) {
  CO_TRY(const ClusterView view, co_await control.view(ctx));
  object out = document("NodeList");
  auto& items = out["items"].emplace_array();
  for (const NodeView& node : view.nodes) items.push_back(node_json(view, node));
  co_return out;
}

task<Result<object>> drives(ClusterControl& control, Context ctx, Call) {
  CO_TRY(const ClusterView view, co_await control.view(ctx));
  object out = document("DriveList");
  auto& items = out["items"].emplace_array();
  for (const DriveView& drive : view.drives) items.push_back(drive_json(drive));
  co_return out;
}

task<Result<object>> ring(ClusterControl& control, Context ctx, Call) {
  CO_TRY(const ClusterView view, co_await control.view(ctx));
  co_return ring_json(view);
}

task<Result<object>> capacity(ClusterControl& control, Context ctx, Call) {
  CO_TRY(const ClusterView view, co_await control.view(ctx));
  co_return capacity_json(view);
}

task<Result<object>> repair(ClusterControl& control, Context ctx, Call) {
  CO_TRY(const ClusterView view, co_await control.view(ctx));
  co_return repair_json(view);
}

object job_document(const JobView& job) {
  object out = document("Job");
  for (auto& member : job_json(job)) out[member.key()] = std::move(member.value());
  return out;
}

task<Result<object>> jobs(ClusterControl& control, Context ctx, Call) {
  CO_TRY(const ClusterView view, co_await control.view(ctx));
  object out = document("JobList");
  auto& items = out["items"].emplace_array();
  for (const JobView& job : view.jobs) items.push_back(job_json(job));
  co_return out;
}

task<Result<object>> job(ClusterControl& control, Context ctx, Call call) {
  CO_TRY(const std::uint64_t id, job_of(call.argument));
  CO_TRY(const ClusterView view, co_await control.view(ctx));
  const auto found = std::find_if(view.jobs.begin(), view.jobs.end(), [&](const JobView& j) { return j.id == id; });
  if (found == view.jobs.end()) co_return Error(Errc::not_found, fmt::format("there is no job J-{}", id));
  co_return job_document(*found);
}

task<Result<object>> act_on_job(ClusterControl& control, Context ctx, Call call, JobAction action) {
  CO_TRY(const std::uint64_t id, job_of(call.argument));
  CO_CHECK(co_await control.act_on_job(ctx, id, action));
  co_return co_await job(control, ctx, std::move(call));
}
task<Result<object>> pause_job(ClusterControl& control, Context ctx, Call call) {
  return act_on_job(control, ctx, std::move(call), JobAction::pause);
}
task<Result<object>> resume_job(ClusterControl& control, Context ctx, Call call) {
  return act_on_job(control, ctx, std::move(call), JobAction::resume);
}
task<Result<object>> cancel_job(ClusterControl& control, Context ctx, Call call) {
  return act_on_job(control, ctx, std::move(call), JobAction::cancel);
}

task<Result<object>> last_job(ClusterControl& control, Context ctx, JobKind kind, const char* what) {
  CO_TRY(const ClusterView view, co_await control.view(ctx));
  object out = document(what);
  const auto last = std::find_if(view.jobs.rbegin(), view.jobs.rend(), [&](const JobView& j) { return j.kind == kind; });
  if (last != view.jobs.rend()) out["job"] = job_json(*last);
  co_return out;
}
task<Result<object>> start_job(ClusterControl& control, Context ctx, Call call, JobKind kind) {
  CO_TRY(const std::uint64_t id, co_await control.start_job(ctx, kind));
  call.argument = std::to_string(id);
  co_return co_await job(control, ctx, std::move(call));
}

task<Result<object>> scrub(ClusterControl& control, Context ctx, Call) {
  return last_job(control, ctx, JobKind::scrub, "ScrubStatus");
}
task<Result<object>> start_scrub(ClusterControl& control, Context ctx, Call call) {
  return start_job(control, ctx, std::move(call), JobKind::scrub);
}
task<Result<object>> orphans(ClusterControl& control, Context ctx, Call) {
  return last_job(control, ctx, JobKind::orphans, "OrphansStatus");
}
task<Result<object>> start_orphans(ClusterControl& control, Context ctx, Call call) {
  return start_job(control, ctx, std::move(call), JobKind::orphans);
}

Result<Change> change_in(const object& body) {
  const auto* change = body.if_contains("change");
  if (change == nullptr || !change->is_object()) return Error(Errc::invalid, "\"change\" must be an object");
  return change_of(change->get_object());
}

task<Result<object>> plan(ClusterControl& control, Context ctx, Call call) {
  CO_TRY(Change change, change_in(call.body));
  CO_TRY(const Plan planned, co_await control.plan(ctx, std::move(change)));
  co_return plan_json(planned);
}

task<Result<object>> apply(ClusterControl& control, Context ctx, Call call) {
  CO_TRY(Change change, change_in(call.body));
  const auto* id = call.body.if_contains("planId");
  if (id == nullptr || !id->is_string()) co_return Error(Errc::invalid, "\"planId\" must be the id of a plan of this change");
  CO_TRY(const Applied applied, co_await control.apply(ctx, std::move(change), std::string(id->get_string())));
  object out = document("Applied");
  out["version"] = applied.version;
  if (applied.job) out["job"] = fmt::format("J-{}", *applied.job);
  co_return out;
}

task<Result<object>> raft(ClusterControl& control, Context ctx, Call) {
  CO_TRY(const auto groups, co_await control.raft(ctx));
  object out = document("RaftStatus");
  auto& items = out["items"].emplace_array();
  for (const RaftGroupView& group : groups) items.push_back(raft_json(group));
  co_return out;
}

struct Handover {
  std::uint32_t group = 0;
  NodeId to{};
};

Result<Handover> handover_in(const object& body) {
  TRY(const std::uint64_t group, number_in(body, "group", 0, UINT32_MAX));
  const auto* to = body.if_contains("to");
  if (to == nullptr || !to->is_string()) return Error(Errc::invalid, "\"to\" must be a node, as n3 is");
  TRY(const NodeId node, node_of(to->get_string()));
  return Handover{static_cast<std::uint32_t>(group), node};
}

object transferred(const Handover& done) {
  object out = document("Transferred");
  out["group"] = done.group;
  out["leader"] = to_string(done.to);
  return out;
}

task<Result<object>> transfer(ClusterControl& control, Context ctx, Call call) {
  CO_TRY(const Handover wanted, handover_in(call.body));
  CO_CHECK(co_await control.transfer(ctx, wanted.group, wanted.to));
  co_return transferred(wanted);
}

task<Result<object>> hand_over(ClusterControl& control, Context ctx, Call call) {
  CO_TRY(const Handover wanted, handover_in(call.body));
  CO_CHECK(co_await control.hand_over(ctx, wanted.group, wanted.to));
  co_return transferred(wanted);
}

task<Result<object>> ranges(ClusterControl& control, Context ctx, Call) {
  CO_TRY(const RangesView view, co_await control.ranges(ctx));
  co_return ranges_json(view);
}

task<Result<object>> split(ClusterControl& control, Context ctx, Call call) {
  const auto group = parse_u64(call.argument);
  if (!group || *group > UINT32_MAX) {
    co_return Error(Errc::invalid, fmt::format("'{}' is not the number of a group", call.argument));
  }
  CO_TRY(const SplitView view, co_await control.split(ctx, static_cast<std::uint32_t>(*group)));
  co_return split_json(view);
}

task<Result<object>> plan_split(ClusterControl& control, Context ctx, Call call) {
  CO_TRY(SplitWish wish, split_wish_of(call.body));
  CO_TRY(const SplitPlan planned, co_await control.plan_split(ctx, std::move(wish)));
  co_return split_plan_json(planned);
}

task<Result<object>> begin_split(ClusterControl& control, Context ctx, Call call) {
  CO_TRY(SplitWish wish, split_wish_of(call.body));
  const auto* id = call.body.if_contains("planId");
  if (id == nullptr || !id->is_string()) co_return Error(Errc::invalid, "\"planId\" must be the id of a plan of this split");
  CO_TRY(const SplitView view, co_await control.begin_split(ctx, std::move(wish), std::string(id->get_string())));
  co_return split_json(view);
}

task<Result<object>> local_drive(ClusterControl& control, Context ctx, Call call) {
  const auto* path = call.body.if_contains("path");
  if (path == nullptr || !path->is_string()) co_return Error(Errc::invalid, "\"path\" must be a directory");
  const auto* make = call.body.if_contains("make");
  const bool made = make != nullptr && make->is_bool() && make->get_bool();
  CO_TRY(const LocalDriveView drive,
         co_await control.local_drive(ctx, std::string(path->get_string()),
                                      made ? ClusterControl::Drive::make : ClusterControl::Drive::look));
  object out = document("LocalDrive");
  out["id"] = drive.id.to_hex();
  out["path"] = drive.path;
  out["weight"] = drive.weight;
  co_return out;
}

// --- Which request is which operation ---

struct Route {
  std::string_view method;
  std::string_view path;  // after the prefix; '*' stands for one part
  task<Result<object>> (*run)(ClusterControl&, Context, Call);
  bool between_nodes = false;
};

constexpr std::array kRoutes = {
    Route{"GET", "cluster", cluster},         Route{"POST", "cluster/init", init},
    Route{"POST", "cluster/tokens", grant_join}, Route{"GET", "nodes", nodes},
    Route{"GET", "drives", drives},           Route{"GET", "ring", ring},
    Route{"GET", "capacity", capacity},       Route{"GET", "repair", repair},
    Route{"GET", "jobs", jobs},               Route{"GET", "jobs/*", job},
    Route{"POST", "jobs/*/pause", pause_job}, Route{"POST", "jobs/*/resume", resume_job},
    Route{"POST", "jobs/*/cancel", cancel_job}, Route{"GET", "scrub", scrub},
    Route{"POST", "scrub", start_scrub},      Route{"POST", "plans", plan},
    Route{"GET", "orphans", orphans},         Route{"POST", "orphans", start_orphans},
    Route{"POST", "changes", apply},          Route{"GET", "raft", raft},
    Route{"POST", "raft/transfer", transfer}, Route{"POST", "self/transfer", hand_over, true},
    Route{"GET", "ranges", ranges},           Route{"POST", "ranges/plans", plan_split},
    Route{"POST", "ranges/splits", begin_split}, Route{"GET", "ranges/splits/*", split},
    Route{"POST", "self/drives", local_drive, true},
};

// The part that '*' stands for, or an empty text; nullopt when the path is another.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
  const auto star = pattern.find('*');
  if (star == pattern.npos) return pattern == path ? std::optional<std::string_view>("") : std::nullopt;
  const std::string_view before = pattern.substr(0, star), after = pattern.substr(star + 1);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) return std::nullopt;
  const std::string_view part = path.substr(before.size(), path.size() - before.size() - after.size());
  return part.find('/') == part.npos ? std::optional(part) : std::nullopt;
}

struct Routed {
  const Route* route = nullptr;
  Call call;
};

Result<Routed> route(const AdminRequest& request) {
  const std::string_view path = request.path;
  const Error unknown(Errc::not_found, fmt::format("there is no {}", path));
  if (!path.starts_with(kPrefix)) return unknown;
  bool other_method = false;
  for (const Route& candidate : kRoutes) {
    const auto part = match(candidate.path, path.substr(kPrefix.size()));
    if (!part) continue;
    if (candidate.method != request.method) {
      other_method = true;
      continue;
    }
    Routed routed;
    routed.route = &candidate;
    routed.call.argument = *part;
    if (request.body.empty()) return routed;
    boost::system::error_code code;
    const auto parsed = boost::json::parse(request.body, code);
    if (code || !parsed.is_object()) return Error(Errc::invalid, "the body is not a JSON object");
    routed.call.body = parsed.get_object();
    return routed;
  }
  if (other_method) return Error(Errc::invalid, fmt::format("{} is not what {} is for", request.method, path));
  return unknown;
}

struct Named {
  std::string_view code;
  int status;
};

Named named(Errc code) {
  switch (code) {
    case Errc::invalid:
    case Errc::too_large: return {"invalid", 400};
    case Errc::not_found: return {"not_found", 404};
    case Errc::denied: return {"refused", 409};
    case Errc::conflict:
    case Errc::already_exists: return {"conflict", 409};
    case Errc::deadline:
    case Errc::unknown_outcome: return {"unknown_outcome", 504};
    case Errc::internal:
    case Errc::corrupt: return {"internal", 500};
    default: return {"unavailable", 503};
  }
}

}  // namespace

AdminAnswer admin_error(const Error& error) {
  const Named name = named(error.code);
  object detail;
  detail["code"] = name.code;
  detail["message"] = error.message;
  object out = document("Error");
  out["error"] = std::move(detail);
  AdminAnswer answer = answer_with(std::move(out));
  answer.status = name.status;
  return answer;
}

task<AdminAnswer> AdminApi::answer(Context ctx, AdminRequest request) {
  auto routed = route(request);
  if (!routed) co_return admin_error(routed.error());
  if (routed->route->between_nodes) co_return admin_error(Error(Errc::not_found, fmt::format("there is no {}", request.path)));
  const NodeId node = control_.leader();
  if (node == control_.self()) co_return co_await answer_here(ctx, std::move(request));
  if (node == NodeId{}) {
    co_return admin_error(Error(Errc::unavailable, "the cluster has no leader: a majority of the metadata members must be up"));
  }
  auto answered = co_await ask_(ctx, node, std::move(request));
  if (!answered) co_return admin_error(answered.error());
  co_return std::move(*answered);
}

task<AdminAnswer> AdminApi::answer_here(Context ctx, AdminRequest request) {
  auto routed = route(request);
  if (!routed) co_return admin_error(routed.error());
  auto done = co_await routed->route->run(control_, ctx, std::move(routed->call));
  if (!done) co_return admin_error(done.error());
  co_return answer_with(std::move(*done));
}

}  // namespace gabion::serve
