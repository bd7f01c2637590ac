#include "metadata/cluster/agent.h"

#include <algorithm>

#include "common/log.h"
#include "metadata/cluster/controller.h"
#include "metadata/cluster/fence.h"

namespace gabion::metadata::cluster {
namespace {

constexpr Duration kPatience = std::chrono::seconds(1);
constexpr Duration kFetchPatience = std::chrono::seconds(3);
constexpr Duration kTick = std::chrono::milliseconds(20);

template <class List>
std::optional<unsigned> index_of(const List& list, NodeId node) {
  const auto at = std::find(list.begin(), list.end(), static_cast<std::uint32_t>(node));
  if (at == list.end()) return std::nullopt;
  return static_cast<unsigned>(at - list.begin());
}

std::optional<Orders::Work>* of_kind(Orders& orders, JobKind kind) {
  switch (kind) {
    case JOB_REBALANCE: return &orders.rebalance;
    case JOB_SCRUB: return &orders.scrub;
    case JOB_ORPHANS: return &orders.orphans;
    case JOB_REENCODE: return &orders.reencode;
    default: return nullptr;  // of a newer version
  }
}

}  // namespace

Orders orders_for(NodeId node, const ClusterState& state, const HeartbeatReply& reply) {
  Orders orders;
  for (const Job& job : state.jobs()) {
    if (job.state() != JOB_RUNNING && job.state() != JOB_PAUSED) continue;
    const auto index = index_of(job.workers(), node);
    if (!index || index_of(job.finished_workers(), node)) continue;
    Orders::Work work;
    work.job = job.id();
    work.epoch = job.epoch();
    work.index = *index;
    work.count = static_cast<unsigned>(job.workers_size());
    work.paused = job.state() == JOB_PAUSED;
    work.movers_settled = reply.movers_ring() >= job.epoch();
    work.writers_settled = reply.writers_ring() >= job.epoch();
    work.fence_stands = (job.kind() == JOB_ORPHANS || job.kind() == JOB_REENCODE) && fence_stands(state, job);
    if (auto* const kind = of_kind(orders, job.kind())) *kind = work;
  }
  for (const std::uint32_t up : reply.up()) orders.up.push_back(NodeId{up});
  for (const auto& leading : reply.leading()) orders.leading[NodeId{leading.node()}] = leading.groups();
  std::vector<std::uint32_t> repairers;
  for (const NodeInfo& info : state.nodes()) {
    if (info.chunkserver() && !info.out() && index_of(reply.up(), NodeId{info.id()})) repairers.push_back(info.id());
  }
  if (const auto index = index_of(repairers, node)) {
    orders.repair_index = *index;
    orders.repair_count = static_cast<unsigned>(repairers.size());
  }
  return orders;
}

void Agent::start(const Executor& executor) { spawn(executor, gate_, "cluster agent", run()); }

task<void> Agent::stop() {
  stopping_.store(true);
  co_await gate_.close();
}

task<void> Agent::run() {
  while (!stopping_.load()) {
    co_await beat();
    const TimePoint next = options_.clock->now() + options_.interval;
    while (!stopping_.load() && !woken_.exchange(false) && options_.clock->now() < next) {
      co_await options_.clock->sleep(std::min<Duration>(kTick, next - options_.clock->now()));
    }
  }
}

task<void> Agent::beat() {
  if (state_.version == 0) co_await fetch();
  Heartbeat heartbeat = co_await options_.report();
  heartbeat.set_beat(beat_);
  heartbeat.set_leadership(leadership_);
  heartbeat.set_state_version(state_.version);
  auto reply = co_await tell(std::move(heartbeat));
  if (!reply || !reply->leads()) co_return co_await fetch();  // which finds the leader
  beat_ = reply->beat();
  leadership_ = reply->leadership();
  if (reply->state_version() > state_.version) co_await fetch();
  if (state_.version != 0 && options_.orders) options_.orders(orders_for(options_.self, state_.state, *reply));
}

task<std::optional<HeartbeatReply>> Agent::tell(Heartbeat heartbeat) {
  const NodeId leader = options_.leader();
  if (leader == options_.self && options_.controller != nullptr) {
    co_return options_.controller->receive(options_.self, std::move(heartbeat));
  }
  rpc::Channel* const channel = options_.peers == nullptr ? nullptr : options_.peers->find(leader);
  if (leader == NodeId{} || channel == nullptr) co_return std::nullopt;
  Context ctx;
  ctx.deadline = options_.clock->now() + kPatience;
  const auto answer = co_await channel->call(ctx, rpc::Method::heartbeat, heartbeat.SerializeAsString(), {});
  HeartbeatReply reply;
  if (!answer || !reply.ParseFromString(answer->header)) co_return std::nullopt;
  co_return reply;
}

task<void> Agent::fetch() {
  Context ctx;
  ctx.deadline = options_.clock->now() + kFetchPatience;
  auto current = co_await options_.metadata->cluster_state(ctx);
  if (!current) {
    LOG(debug, "cluster", "the cluster's state cannot be read now", field("error", current.error().message));
    co_return;
  }
  if (current->version <= state_.version) co_return;
  state_ = *current;
  co_await options_.state_changed(*std::move(current));
}

}  // namespace gabion::metadata::cluster
