// Controller runs the cluster while this node leads group 0: it hears the nodes' heartbeats, takes those that are silent for
// down; gives up nodes and drives that stay down; takes workers that are down out of jobs, ends jobs whose workers are all
// done, and with a rebalance drops the rings that it emptied. What it decides is committed against the state that it was
// decided from; a change by somebody else is looked at in the next round.
//
// Group 0 knows the rings from the cluster's state; this tells the other groups. Each knows of a new ring before anybody hears
// that older ones are settled, and refuses what is placed by a ring before the state drops it: a group that did not know
// could take a block that no walk will find where it is looked for. A group that is split off knows what its parent knew, and
// one that was split off meanwhile is in groups() by then; no group forgets. So what was told once holds, whoever leads.
//
// One on each node that is a member of the metadata. Thread-safe. Everything in the options outlives it; stop() before
// destruction.
#pragma once

#include <functional>
#include <mutex>
#include <set>

#include "common/async.h"
#include "common/rpc/rpc.h"
#include "metadata/cluster/layout.h"
#include "metadata/cluster/registry.h"
#include "metadata/metadata.h"

namespace gabion::metadata::cluster {

struct ControllerOptions {
  NodeId self{};
  Metadata* metadata = nullptr;
  std::function<NodeId()> leader;  // of group 0, as far as this node knows. Thread-safe
  std::function<std::uint64_t()> term;  // of group 0, as this node knows it; empty: the leader never changes. Thread-safe
  Clock* clock = nullptr;
  Rng* rng = nullptr;              // thread-safe
  Duration round = std::chrono::milliseconds(200);
  Duration down_after = std::chrono::seconds(5);
  Duration out_after = std::chrono::minutes(10);  // 0: nothing is given up without an operator
  Duration orphans_every{0};                      // how often orphans are looked for; 0: when an operator says so
  bool finish_early = false;                      // a deliberate bug, for tests: jobs end with their first worker
};

class Controller final : public rpc::Handler {
 public:
  explicit Controller(ControllerOptions options);

  void start(const Executor& executor);
  task<void> stop();
  bool leads() const { return options_.leader() == options_.self; }

  // Method::heartbeat.
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override;
  HeartbeatReply receive(NodeId node, Heartbeat heartbeat);

  // Of the nodes and what they reported, while this node leads.
  std::vector<NodeStatus> nodes() const { return registry_.nodes(); }
  std::uint64_t stored_bytes() const { return registry_.stored_bytes(); }
  Facts facts() const;  // for changes of the layout that are planned here

  // For the collector: the manifests that any gateway's readers hold on to, as each told after this call began. unavailable:
  // some gateway that was not given up does not tell, or this node does not lead.
  task<Result<std::vector<ManifestId>>> pinned(Context ctx);

 private:
  task<void> run();
  // Forgets what nodes reported to an earlier leadership, also where this node has led before. Tells whether it leads.
  bool follow_leadership();
  task<Result<void>> look();
  task<Result<void>> change(Metadata::VersionedClusterState current);
  // Every group knows these rings when it returns.
  task<Result<void>> tell_rings(std::uint64_t epoch, std::uint64_t oldest);
  // What is to be changed. False: nothing.
  Result<bool> give_up_lost(ClusterState& state);
  bool care_for_jobs(ClusterState& state);
  bool care_for_fence(ClusterState& state, Job& job, const std::vector<NodeStatus>& nodes);
  bool drop_rings_behind_fence(ClusterState& state);
  bool narrow_further(ClusterState& state);
  bool start_due_search(ClusterState& state);
  bool care_for_job(ClusterState& state, Job& job, const std::vector<NodeStatus>& nodes);
  void log_once(const std::string& what, const Error& error);

  const ControllerOptions options_;
  Registry registry_;
  Gate gate_;
  std::atomic<bool> stopping_{false};
  std::set<std::string> logged_;    // run() alone uses it

  std::mutex mutex_;
  bool led_ = false;
  std::uint64_t term_ = 0;  // in which it led or not
};

}  // namespace gabion::metadata::cluster
