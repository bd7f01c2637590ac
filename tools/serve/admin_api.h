// The admin API, /admin/v1/...: JSON for `gabion admin` and whatever else operates a cluster. AdminApi answers requests that
// are authenticated already (admin_front.h does that); what it tells and does comes from a ClusterControl.
//
// Any node answers: a request goes on to the leader as it is, and its answer is passed on.
#pragma once

#include <functional>
#include <string>

#include "common/context.h"
#include "common/result.h"
#include "common/task.h"
#include "tools/serve/cluster_view.h"
#include "tools/serve/range_view.h"

namespace gabion::serve {

// Thread-safe; a call resumes on the caller's executor. Errors: not_found for what is not there, denied when a safety check
// refuses (the text says what to do), conflict for a stale plan or another change under way, invalid for a wrong request.
class ClusterControl {
 public:
  virtual ~ClusterControl() = default;
  virtual NodeId self() const = 0;
  virtual NodeId leader() const = 0;  // as far as this node knows; 0: nobody

  // Only the leader knows who is up and how far jobs are; the rest is answered by it as well.
  virtual task<Result<ClusterView>> view(Context ctx) = 0;
  virtual task<Result<std::vector<RaftGroupView>>> raft(Context ctx) = 0;

  // Makes a cluster of a node that is alone. `listen` is the address of its cluster port; empty: as configured.
  // already_exists: it is one.
  virtual task<Result<void>> init(Context ctx, std::string listen) = 0;
  virtual task<Result<JoinGrant>> grant_join(Context ctx, Duration valid) = 0;
  virtual task<Result<Plan>> plan(Context ctx, Change change) = 0;
  virtual task<Result<Applied>> apply(Context ctx, Change change, std::string plan_id) = 0;
  // A scrub, or the removal of orphans; gives the job. conflict: one is under way.
  virtual task<Result<std::uint64_t>> start_job(Context ctx, JobKind kind) = 0;
  virtual task<Result<void>> act_on_job(Context ctx, std::uint64_t job, JobAction action) = 0;
  virtual task<Result<void>> transfer(Context ctx, std::uint32_t group, NodeId to) = 0;

  virtual task<Result<RangesView>> ranges(Context ctx) = 0;
  virtual task<Result<SplitView>> split(Context ctx, std::uint32_t child) = 0;
  virtual task<Result<SplitPlan>> plan_split(Context ctx, SplitWish wish) = 0;
  // Decides it: it is carried out from then on.
  virtual task<Result<SplitView>> begin_split(Context ctx, SplitWish wish, std::string plan_id) = 0;

  // Of this node itself, for the leader: hands a group over that this node leads.
  virtual task<Result<void>> hand_over(Context ctx, std::uint32_t group, NodeId to) = 0;
  // Of this node itself, for the leader: looks whether the directory can become a drive, or makes it one and opens it. One that
  // was made before and is in no ring yet is as good.
  enum class Drive { look, make };
  virtual task<Result<LocalDriveView>> local_drive(Context ctx, std::string path, Drive what) = 0;
};

struct AdminRequest {
  AdminRequest() = default;
  std::string method;
  std::string path;  // "/admin/v1/nodes"
  std::string body;  // JSON, or empty
};

struct AdminAnswer {
  AdminAnswer() = default;
  int status = 200;
  std::string body;  // JSON
};

// How another node is asked the same; an error when it cannot be.
using AskNode = std::function<task<Result<AdminAnswer>>(Context, NodeId, AdminRequest)>;

inline constexpr std::size_t kAdminBodyMax = 64 * 1024;

// An error as every path of the API tells it: {"apiVersion":..., "error":{"code":..., "message":...}}.
AdminAnswer admin_error(const Error& error);

// Thread-safe. `control` must outlive it.
class AdminApi {
 public:
  AdminApi(ClusterControl& control, AskNode ask) : control_(control), ask_(std::move(ask)) {}

  task<AdminAnswer> answer(Context ctx, AdminRequest request);
  // For a request that another node has sent here: it is not sent on, and may be one that only nodes ask each other.
  task<AdminAnswer> answer_here(Context ctx, AdminRequest request);

 private:
  ClusterControl& control_;
  const AskNode ask_;
};

}  // namespace gabion::serve
