// A network between simulated nodes: messages take their time, get lost, doubled and overtaken; links are cut one way or
// both, or clogged for a while; nodes come and go. It carries Raft messages (raft::Transport) and RPC (rpc::Channel and
// rpc::Handler), always as copies, so that no node holds another's memory.
//
//   SimNetwork network(world);
//   network.attach(n1, executor, receive_raft, &handler);
//   network.transport(n1).send(n2, group, message);
//   network.peers(n1).find(n2)->call(...);
//   network.disconnect(n1);          // as a crash does: nothing goes in or out any more
//   world.run(network.drained(n1));  // the calls that it was answering have ended; its handler may go
#pragma once

#include <map>
#include <memory>
#include <set>

#include "common/rpc/rpc.h"
#include "metadata/raft/raft.h"
#include "tests/support/sim.h"

namespace gabion::sim {

struct LinkFaults {
  Duration latency_min = std::chrono::microseconds(100);
  Duration latency_max = std::chrono::microseconds(900);
  // Of a thousand messages. Calls run over connections: one that is lost breaks its connection.
  std::uint32_t lost = 0;
  std::uint32_t doubled = 0;
  std::uint32_t late = 0;  // by up to `late_by`, so that others overtake them
  Duration late_by = std::chrono::milliseconds(400);
};

class SimNetwork {
 public:
  using RaftReceiver = std::function<void(NodeId from, metadata::raft::GroupId group, std::string message)>;
  // False: this Raft message is lost.
  using RaftFilter = std::function<bool(NodeId from, NodeId to, const std::string& message)>;

  explicit SimNetwork(SimWorld& world);
  ~SimNetwork();

  // --- Nodes ---
  void attach(NodeId node, Executor executor, RaftReceiver raft, rpc::Handler* handler);
  void disconnect(NodeId node);
  task<void> drained(NodeId node);
  bool attached(NodeId node) const { return ends_.contains(node); }
  metadata::raft::Transport& transport(NodeId node);
  rpc::Peers& peers(NodeId node);

  // --- Links ---
  void set_faults(const LinkFaults& faults) { faults_ = faults; }
  void cut(NodeId from, NodeId to) { cuts_.insert({from, to}); }  // one way
  void mend(NodeId from, NodeId to) { cuts_.erase({from, to}); }
  void isolate(NodeId node);
  void mend(NodeId node);
  void split(const std::set<NodeId>& side);  // from all others
  // What is sent on the link waits until then.
  void clog(NodeId from, NodeId to, Duration duration);
  void heal();  // no cuts, no clogs
  void set_raft_filter(RaftFilter filter) { raft_filter_ = std::move(filter); }

  std::uint64_t messages() const { return messages_; }
  std::uint64_t lost() const { return lost_; }

 private:
  struct End {  // one life of a node on the network
    End(Executor runs_on, RaftReceiver receives, rpc::Handler* answers)
        : executor(std::move(runs_on)), raft(std::move(receives)), handler(answers) {}
    Executor executor;
    RaftReceiver raft;
    rpc::Handler* handler;
    Gate calls;
  };
  struct Question {
    Question() = default;
    Context ctx;
    rpc::Method method{};
    std::string header;
    std::string payload;
  };
  struct Exchange {  // one call under way
    std::optional<Result<rpc::Reply>> outcome;
    Event done;
    void finish(Result<rpc::Reply> result);
  };
  class RaftEnd;
  class CallEnd;
  class NodePeers;

  std::shared_ptr<End> end(NodeId node) const;
  bool passable(NodeId from, NodeId to) const { return !cuts_.contains({from, to}); }
  bool strikes(std::uint32_t per_mille) { return per_mille != 0 && world_.rng().below(1000) < per_mille; }
  std::uint64_t arrival(NodeId from, NodeId to);

  void send_raft(NodeId from, NodeId to, metadata::raft::GroupId group, std::string message);
  void post(NodeId from, NodeId to, Question question);
  task<Result<rpc::Reply>> call(NodeId from, NodeId to, Question question);
  void ask(NodeId from, NodeId to, Question question, std::shared_ptr<Exchange> exchange);
  void answer(NodeId from, NodeId to, std::weak_ptr<End> by, Result<rpc::Reply> result, std::shared_ptr<Exchange> exchange);
  task<void> serve(NodeId from, NodeId to, std::shared_ptr<End> by, Question question, std::shared_ptr<Exchange> exchange);
  // The connection is gone, which the caller notices after a while.
  void break_off(const std::shared_ptr<Exchange>& exchange, Errc code, Duration after);

  SimWorld& world_;
  LinkFaults faults_;
  RaftFilter raft_filter_;
  std::map<NodeId, std::shared_ptr<End>> ends_;
  std::map<NodeId, std::vector<std::shared_ptr<End>>> past_;  // disconnected, perhaps still answering
  std::set<std::pair<NodeId, NodeId>> cuts_;
  std::map<std::pair<NodeId, NodeId>, std::uint64_t> clogged_until_;
  std::map<NodeId, std::unique_ptr<RaftEnd>> transports_;
  std::map<NodeId, std::unique_ptr<NodePeers>> peers_;
  std::uint64_t messages_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace gabion::sim
