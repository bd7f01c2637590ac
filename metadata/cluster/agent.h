// Agent is every node's tie to the cluster: it reports to the leader twice a second, fetches the cluster's state when there is
// a newer one, and hands both the state and the orders that follow from it to the node. The first state is handed over as
// soon as it can be read.
// Observers run on the agent's executor, one at a time. Thread-safe. Everything in the options outlives it; stop() before
// destruction.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "common/async.h"
#include "common/rpc/rpc.h"
#include "metadata/cluster/heartbeat.pb.h"
#include "metadata/metadata.h"

namespace gabion::metadata::cluster {

class Controller;

// What this node is to do now.
struct Orders {
  struct Work {
    std::uint64_t job = 0;
    std::uint64_t epoch = 0;
    unsigned index = 0;  // of `count` workers
    unsigned count = 0;
    bool paused = false;
    bool movers_settled = false;   // nobody moves shards by a ring older than the job's
    bool writers_settled = false;  // nobody may commit blocks that were placed by one
    bool fence_stands = false;     // of a job that looks for orphans or codes anew, see fence.h
    friend bool operator==(const Work&, const Work&) = default;
  };
  std::optional<Work> rebalance;
  std::optional<Work> scrub;
  std::optional<Work> orphans;
  std::optional<Work> reencode;
  unsigned repair_index = 0;  // the share of repairs: of the chunk servers that are up
  unsigned repair_count = 0;  // 0: none
  std::vector<NodeId> up;     // nodes that are, as the leader hears
  std::map<NodeId, unsigned> leading;  // how many groups each of those leads
};
Orders orders_for(NodeId node, const ClusterState& state, const HeartbeatReply& reply);

struct AgentOptions {
  NodeId self{};
  Metadata* metadata = nullptr;                  // the way to the leader
  std::function<NodeId()> leader;                // as far as it is known; NodeId 0: not at all
  rpc::Peers* peers = nullptr;                   // nullptr: there is no other node
  Controller* controller = nullptr;              // of this node, when it is a member of the metadata
  Clock* clock = nullptr;
  Duration interval = std::chrono::milliseconds(500);
  // What the node tells: everything in the heartbeat but the beat and the version.
  std::function<task<Heartbeat>()> report;
  // A newer state. The version goes up from call to call.
  std::function<task<void>(Metadata::VersionedClusterState)> state_changed;
  std::function<void(const Orders&)> orders;     // after every answer of the leader
};

class Agent {
 public:
  explicit Agent(AgentOptions options) : options_(std::move(options)) {}

  void start(const Executor& executor);
  task<void> stop();
  // Somebody acts by a newer state, or has something to report: not to wait for the next beat.
  void wake() { woken_.store(true); }

 private:
  task<void> run();
  task<void> beat();
  task<std::optional<HeartbeatReply>> tell(Heartbeat heartbeat);
  task<void> fetch();

  const AgentOptions options_;
  Gate gate_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> woken_{false};
  // run() alone uses the following.
  Metadata::VersionedClusterState state_;
  std::uint64_t beat_ = 0;
  std::uint64_t leadership_ = 0;
};

}  // namespace gabion::metadata::cluster
