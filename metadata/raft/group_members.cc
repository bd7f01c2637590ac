// Changes of the members, one at a time and each decided by the log: a node is added without a vote, brought up to date, and
// only then promoted (thesis 4.2.1).
#include <algorithm>
#include <tuple>

#include "common/log.h"
#include "metadata/raft/group.h"

namespace gabion::metadata::raft {
namespace {

constexpr Duration kPoll = std::chrono::milliseconds(5);
constexpr Duration kCatchUpPoll = std::chrono::milliseconds(50);
constexpr std::uint64_t kNearlyUpToDate = 64;  // entries; the library waits for the rest

Error not_leading() { return {Errc::not_leader, "this node does not lead the group"}; }

}  // namespace

task<Result<void>> NodeGroup::one_at_a_time(task<Result<void>> change) {
  if (!gate_.enter()) co_return Error(Errc::cancelled, "the metadata service is stopping");
  Result<void> result = Error(Errc::conflict, "another change of the group is under way");
  if (!std::exchange(changing_, true)) {
    result = co_await std::move(change);
    changing_ = false;
  }
  gate_.leave();
  co_return result;
}

task<Result<void>> NodeGroup::add(Context ctx, NodeId node) { return run_on(executor_, one_at_a_time(add_now(ctx, node))); }
task<Result<void>> NodeGroup::promote(Context ctx, NodeId node) {
  return run_on(executor_, one_at_a_time(promote_now(ctx, node)));
}
task<Result<void>> NodeGroup::remove(Context ctx, NodeId node) {
  return run_on(executor_, one_at_a_time(remove_now(ctx, node)));
}
task<Result<void>> NodeGroup::transfer(Context ctx, NodeId to) {
  return run_on(executor_, one_at_a_time(transfer_now(ctx, to)));
}

// Starts something in the library and waits until it is decided. It goes on when the deadline passes.
task<Result<void>> NodeGroup::await_library(Context ctx, Start start) {
  if (failure_ || !leads_) co_return not_leading();
  auto decided = std::make_shared<std::optional<int>>();
  CO_CHECK(start([decided](int status) { *decided = status; }));
  follow();
  while (!*decided) {
    if (failure_) co_return Error(Errc::unknown_outcome, failure_->message);
    if (clock_.now() >= ctx.deadline) co_return Error(Errc::unknown_outcome, "the deadline passed before the group decided");
    co_await clock_.sleep(kPoll);
  }
  if (**decided != 0) co_return library_error(**decided);
  co_return Result<void>();
}

// Nobody may change the members before an entry of its own term is committed: a change of a predecessor may still be open.
task<Result<void>> NodeGroup::commit_barrier(Context ctx) {
  return await_library(ctx, [this](Library::Done done) { return library_.barrier(std::move(done)); });
}

std::optional<MemberRole> NodeGroup::role_of(NodeId node) const {
  for (const Member& member : members_) {
    if (member.node == node) return member.role;
  }
  return std::nullopt;
}

task<Result<void>> NodeGroup::add_now(Context ctx, NodeId node) {
  CO_CHECK(co_await commit_barrier(ctx));
  if (!role_of(node)) {
    if (members_.size() >= kMembersMax) co_return Error(Errc::invalid, "a group has at most 64 members");
    CO_CHECK(co_await await_library(ctx, [this, node](Library::Done done) { return library_.add(node, std::move(done)); }));
  }
  if (role_of(node) != MemberRole::spare) co_return Result<void>();
  co_return co_await await_library(
      ctx, [this, node](Library::Done done) { return library_.assign(node, MemberRole::standby, std::move(done)); });
}

task<Result<void>> NodeGroup::promote_now(Context ctx, NodeId node) {
  CO_CHECK(co_await commit_barrier(ctx));
  for (;;) {
    if (failure_ || !leads_) co_return not_leading();
    const auto role = role_of(node);
    if (!role) co_return Error(Errc::not_found, to_string(node) + " is no member of the group");
    if (*role == MemberRole::voter) co_return Result<void>();
    if (clock_.now() >= ctx.deadline) co_return Error(Errc::deadline, to_string(node) + " is not up to date yet");
    if (library_.matched(node) + kNearlyUpToDate < library_.last_index()) {
      co_await clock_.sleep(kCatchUpPoll);
      continue;
    }
    auto promoted = co_await await_library(
        ctx, [this, node](Library::Done done) { return library_.assign(node, MemberRole::voter, std::move(done)); });
    // It fell behind again, or did not answer for a while.
    if (promoted || promoted.error().code != Errc::unavailable) co_return promoted;
    co_await clock_.sleep(kCatchUpPoll);
  }
}

task<Result<void>> NodeGroup::remove_now(Context ctx, NodeId node) {
  CO_CHECK(co_await commit_barrier(ctx));
  if (!role_of(node)) co_return Result<void>();
  const auto votes = std::count_if(members_.begin(), members_.end(),
                                   [](const Member& member) { return member.role == MemberRole::voter; });
  if (role_of(node) == MemberRole::voter && votes == 1) {
    co_return Error(Errc::invalid, to_string(node) + " is the only member that votes");
  }
  co_return co_await await_library(ctx, [this, node](Library::Done done) { return library_.remove(node, std::move(done)); });
}

task<Result<void>> NodeGroup::transfer_now(Context ctx, NodeId to) {
  if (leads_ && to == self_) co_return Result<void>();
  CO_CHECK(co_await await_library(ctx, [this, to](Library::Done done) { return library_.transfer(to, std::move(done)); }));
  if (library_.leader() != to) co_return Error(Errc::unavailable, to_string(to) + " did not take over the leadership");
  co_return Result<void>();
}

task<void> NodeGroup::hand_over(Context ctx) {
  const GroupStatus now = status();
  struct Heir {
    bool heard = false;
    std::uint64_t matched = 0;
    NodeId node{};
  };
  std::vector<Heir> heirs;
  for (std::size_t i = 0; i < now.matched.size(); ++i) {
    const NodeId node = now.members[i].node;
    if (now.members[i].role != MemberRole::voter || node == self_) continue;
    const auto heard = heard_.find(node);
    heirs.push_back({heard != heard_.end() && clock_.now() - heard->second < timing_.election, now.matched[i], node});
  }
  std::sort(heirs.begin(), heirs.end(), [](const Heir& a, const Heir& b) {
    return std::tie(a.heard, a.matched) > std::tie(b.heard, b.matched);
  });
  for (const Heir& heir : heirs) {
    if (!leads_ || clock_.now() >= ctx.deadline) co_return;
    const auto done = co_await transfer(ctx, heir.node);
    if (done) co_return;
    LOG(warn, "metadata", "the leadership could not be handed over", field("group", id_), field("to", to_string(heir.node)),
        field("error", done.error().message));
  }
}

}  // namespace gabion::metadata::raft
