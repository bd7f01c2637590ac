// RpcTransport carries the messages of Raft groups between nodes as one-way RPC: sent when the connection is up and not
// clogged, else lost, which Raft expects. The group's number is the header, the message the payload.
// Thread-safe. The peers and the receiver outlive it.
#pragma once

#include <functional>

#include "common/rpc/rpc.h"
#include "metadata/raft/raft.h"

namespace gabion::metadata::raft {

class RpcTransport final : public Transport, public rpc::Handler {
 public:
  explicit RpcTransport(rpc::Peers& peers) : peers_(peers) {}

  // Who gets what others send. Set before the first message can come, and not while any may.
  using Receiver = std::function<void(NodeId from, GroupId group, std::string message)>;
  void set_receiver(Receiver receiver) { receiver_ = std::move(receiver); }

  void send(NodeId to, GroupId group, std::string message) override;
  // Method::raft_message. Messages of strangers and malformed ones are errors that nobody reads.
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override;

 private:
  rpc::Peers& peers_;
  Receiver receiver_;
};

}  // namespace gabion::metadata::raft
