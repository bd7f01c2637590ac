// A Channel to a Handler in this process: what is asked and answered is copied, as a network would, and the connection
// can be broken. One thread.
#pragma once

#include <map>
#include <memory>

#include "common/rpc/rpc.h"

namespace gabion::test {

class LoopbackChannel final : public rpc::Channel {
 public:
  explicit LoopbackChannel(rpc::Handler& handler, NodeId from = NodeId{1}) : handler_(&handler), peer_{from} {}

  // --- Faults ---
  bool down = false;          // nothing is asked
  bool lose_answers = false;  // it is carried out, and the connection breaks
  std::uint64_t calls = 0;

  void connect(rpc::Handler& handler) { handler_ = &handler; }

  task<Result<rpc::Reply>> call(Context ctx, rpc::Method method, std::string header, std::vector<Bytes> payload) override {
    ++calls;
    if (down) co_return Error(Errc::unavailable, "the connection is down");
    std::string bytes;
    for (const Bytes& piece : payload) bytes += piece.text();
    auto reply = co_await handler_->handle(ctx, peer_, method, std::move(header), Bytes::copy_of(bytes));
    if (down || lose_answers) co_return Error(Errc::unknown_outcome, "the connection broke");
    if (reply) reply->payload = Bytes::copy_of(reply->payload.view());
    co_return reply;
  }
  void post(rpc::Method, std::string, std::vector<Bytes>) override {}

 private:
  rpc::Handler* handler_;
  rpc::Peer peer_;
};

// The loopback channels of one node to all others.
class LoopbackPeers final : public rpc::Peers {
 public:
  explicit LoopbackPeers(NodeId self) : self_(self) {}
  LoopbackChannel& add(NodeId node, rpc::Handler& handler) {
    return *(channels_[node] = std::make_unique<LoopbackChannel>(handler, self_));
  }
  LoopbackChannel& at(NodeId node) { return *channels_.at(node); }
  rpc::Channel* find(NodeId node) override {
    const auto it = channels_.find(node);
    return it == channels_.end() ? nullptr : it->second.get();
  }

 private:
  NodeId self_;
  std::map<NodeId, std::unique_ptr<LoopbackChannel>> channels_;
};

}  // namespace gabion::test
