#include "tests/support/sim_network.h"

#include <algorithm>

namespace gabion::sim {
namespace {

constexpr Duration kSilence = std::chrono::seconds(5);  // until a connection without any answer counts as broken

std::uint64_t nanoseconds(Duration duration) { return static_cast<std::uint64_t>(duration.count()); }

}  // namespace

class SimNetwork::RaftEnd final : public metadata::raft::Transport {
 public:
  RaftEnd(SimNetwork& network, NodeId from) : network_(network), from_(from) {}
  void send(NodeId to, metadata::raft::GroupId group, std::string message) override {
    network_.send_raft(from_, to, group, std::move(message));
  }

 private:
  SimNetwork& network_;
  const NodeId from_;
};

class SimNetwork::CallEnd final : public rpc::Channel {
 public:
  CallEnd(SimNetwork& network, NodeId from, NodeId to) : network_(network), from_(from), to_(to) {}
  task<Result<rpc::Reply>> call(Context ctx, rpc::Method method, std::string header, std::vector<Bytes> payload) override {
    Question question = written(ctx, method, std::move(header), payload);
    return network_.call(from_, to_, std::move(question));
  }
  void post(rpc::Method method, std::string header, std::vector<Bytes> payload) override {
    network_.post(from_, to_, written(Context(), method, std::move(header), payload));
  }

 private:
  static Question written(Context ctx, rpc::Method method, std::string header, const std::vector<Bytes>& payload) {
    Question question;
    question.ctx = ctx;
    question.method = method;
    question.header = std::move(header);
    for (const Bytes& piece : payload) question.payload.append(piece.text());
    GABION_CHECK(question.header.size() <= rpc::kHeaderMax, "the header of a message is too large");
    GABION_CHECK(question.payload.size() <= rpc::kPayloadMax, "the payload of a message is too large");
    return question;
  }
  SimNetwork& network_;
  const NodeId from_, to_;
};

class SimNetwork::NodePeers final : public rpc::Peers {
 public:
  NodePeers(SimNetwork& network, NodeId from) : network_(network), from_(from) {}
  rpc::Channel* find(NodeId node) override {
    auto& channel = channels_[node];
    if (!channel) channel = std::make_unique<CallEnd>(network_, from_, node);
    return channel.get();
  }

 private:
  SimNetwork& network_;
  const NodeId from_;
  std::map<NodeId, std::unique_ptr<CallEnd>> channels_;
};

SimNetwork::SimNetwork(SimWorld& world) : world_(world) {}
SimNetwork::~SimNetwork() = default;

void SimNetwork::Exchange::finish(Result<rpc::Reply> result) {
  if (outcome) return;
  outcome.emplace(std::move(result));
  done.set();
}

// --- Nodes ---

void SimNetwork::attach(NodeId node, Executor executor, RaftReceiver raft, rpc::Handler* handler) {
  GABION_CHECK(!attached(node), "a node is attached twice");
  ends_[node] = std::make_shared<End>(std::move(executor), std::move(raft), handler);
}

void SimNetwork::disconnect(NodeId node) {
  const auto at = ends_.find(node);
  if (at == ends_.end()) return;
  past_[node].push_back(std::move(at->second));
  ends_.erase(at);
}

task<void> SimNetwork::drained(NodeId node) {
  for (const auto& old : std::exchange(past_[node], {})) co_await old->calls.close();
}

metadata::raft::Transport& SimNetwork::transport(NodeId node) {
  auto& transport = transports_[node];
  if (!transport) transport = std::make_unique<RaftEnd>(*this, node);
  return *transport;
}

rpc::Peers& SimNetwork::peers(NodeId node) {
  auto& peers = peers_[node];
  if (!peers) peers = std::make_unique<NodePeers>(*this, node);
  return *peers;
}

std::shared_ptr<SimNetwork::End> SimNetwork::end(NodeId node) const {
  const auto at = ends_.find(node);
  return at == ends_.end() ? nullptr : at->second;
}

// --- Links ---

void SimNetwork::isolate(NodeId node) { split({node}); }

void SimNetwork::mend(NodeId node) {
  std::erase_if(cuts_, [node](const auto& link) { return link.first == node || link.second == node; });
}

void SimNetwork::split(const std::set<NodeId>& side) {
  std::set<NodeId> all;
  for (const auto& [node, transport] : transports_) all.insert(node);
  for (const auto& [node, peers] : peers_) all.insert(node);
  for (const auto& [node, attached_end] : ends_) all.insert(node);
  for (const NodeId here : side) {
    for (const NodeId there : all) {
      if (side.contains(there)) continue;
      cut(here, there);
      cut(there, here);
    }
  }
}

void SimNetwork::clog(NodeId from, NodeId to, Duration duration) {
  std::uint64_t& until = clogged_until_[{from, to}];
  until = std::max(until, world_.now_ns() + nanoseconds(duration));
}

void SimNetwork::heal() {
  cuts_.clear();
  clogged_until_.clear();
}

std::uint64_t SimNetwork::arrival(NodeId from, NodeId to) {
  std::uint64_t leaves = world_.now_ns();
  if (const auto clogged = clogged_until_.find({from, to}); clogged != clogged_until_.end())
    leaves = std::max(leaves, clogged->second);
  std::uint64_t takes = nanoseconds(faults_.latency_min);
  takes += world_.rng().below(nanoseconds(faults_.latency_max - faults_.latency_min) + 1);
  if (strikes(faults_.late)) takes += world_.rng().below(nanoseconds(faults_.late_by) + 1);
  return leaves + takes;
}

// --- One-way messages ---

void SimNetwork::send_raft(NodeId from, NodeId to, metadata::raft::GroupId group, std::string message) {
  ++messages_;
  if (!attached(from) || !passable(from, to) || strikes(faults_.lost) ||
      (raft_filter_ && !raft_filter_(from, to, message))) {
    ++lost_;
    return;
  }
  for (int copies = strikes(faults_.doubled) ? 2 : 1; copies > 0; --copies) {
    world_.at(arrival(from, to), [this, from, to, group, message] {
      const auto target = end(to);
      if (!target || !target->raft || !passable(from, to)) return;
      const std::weak_ptr<End> life = target;
      asio::post(target->executor, [this, from, to, group, message, life] {
        if (const auto alive = life.lock(); alive && end(to) == alive) alive->raft(from, group, message);
      });
    });
  }
}

void SimNetwork::post(NodeId from, NodeId to, Question question) {
  ++messages_;
  if (!attached(from) || !passable(from, to) || strikes(faults_.lost)) {
    ++lost_;
    return;
  }
  for (int copies = strikes(faults_.doubled) ? 2 : 1; copies > 0; --copies) {
    world_.at(arrival(from, to), [this, from, to, question] {
      const auto target = end(to);
      if (!target || target->handler == nullptr || !passable(from, to)) return;
      spawn(target->executor, target->calls, "simulated message",
            serve(from, to, target, question, std::make_shared<Exchange>()));
    });
  }
}

// --- Calls ---

task<Result<rpc::Reply>> SimNetwork::call(NodeId from, NodeId to, Question question) {
  const auto exchange = std::make_shared<Exchange>();
  const TimePoint deadline = question.ctx.deadline;
  if (deadline != TimePoint::max()) {
    world_.at(nanoseconds(deadline.time_since_epoch()), [exchange] {
      exchange->finish(Error(Errc::deadline, "no answer in the time allowed"));
    });
  }
  ask(from, to, std::move(question), exchange);
  co_await exchange->done.wait();
  co_return std::move(*exchange->outcome);
}

void SimNetwork::break_off(const std::shared_ptr<Exchange>& exchange, Errc code, Duration after) {
  world_.at(world_.now_ns() + nanoseconds(after), [exchange, code] {
    exchange->finish(Error(code, code == Errc::unavailable ? "no connection" : "the connection broke"));
  });
}

void SimNetwork::ask(NodeId from, NodeId to, Question question, std::shared_ptr<Exchange> exchange) {
  ++messages_;
  if (!attached(from) || !attached(to)) return break_off(exchange, Errc::unavailable, faults_.latency_max);
  if (!passable(from, to) || !passable(to, from)) {
    ++lost_;
    // Perhaps there was a connection already, and the question went into it.
    return break_off(exchange, world_.rng().below(2) == 0 ? Errc::unavailable : Errc::unknown_outcome, kSilence);
  }
  if (strikes(faults_.lost)) {
    ++lost_;
    return break_off(exchange, Errc::unknown_outcome, faults_.latency_max);
  }
  const std::weak_ptr<End> life = end(to);
  world_.at(arrival(from, to), [this, from, to, question = std::move(question), exchange, life] {
    const auto target = life.lock();
    if (!target || end(to) != target) return break_off(exchange, Errc::unknown_outcome, faults_.latency_max);
    if (!passable(from, to)) return break_off(exchange, Errc::unknown_outcome, kSilence);
    if (target->handler == nullptr) return exchange->finish(Error(Errc::invalid, "this node answers no calls"));
    spawn(target->executor, target->calls, "simulated call", serve(from, to, target, question, exchange));
  });
}

task<void> SimNetwork::serve(NodeId from, NodeId to, std::shared_ptr<End> by, Question question,
                             std::shared_ptr<Exchange> exchange) {
  auto result = co_await by->handler->handle(question.ctx, rpc::Peer{from}, question.method, question.header,
                                             Bytes::copy_of(question.payload));
  answer(from, to, by, std::move(result), std::move(exchange));
}

void SimNetwork::answer(NodeId from, NodeId to, std::weak_ptr<End> by, Result<rpc::Reply> result,
                        std::shared_ptr<Exchange> exchange) {
  ++messages_;
  const auto alive = by.lock();
  if (!alive || end(to) != alive || strikes(faults_.lost)) {
    ++lost_;
    return break_off(exchange, Errc::unknown_outcome, faults_.latency_max);
  }
  if (!passable(to, from)) return break_off(exchange, Errc::unknown_outcome, kSilence);
  if (result) {
    rpc::Reply copy;
    copy.header = result->header;
    copy.payload = Bytes::copy_of(result->payload.view());
    result = std::move(copy);
  }
  world_.at(arrival(to, from), [this, from, to, result = std::move(result), exchange] {
    if (!passable(to, from)) return break_off(exchange, Errc::unknown_outcome, kSilence);
    exchange->finish(result);
  });
}

}  // namespace gabion::sim
