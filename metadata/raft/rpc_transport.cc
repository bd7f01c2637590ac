#include "metadata/raft/rpc_transport.h"

namespace gabion::metadata::raft {

void RpcTransport::send(NodeId to, GroupId group, std::string message) {
  rpc::Channel* const channel = peers_.find(to);
  if (channel == nullptr) return;
  std::string header(sizeof group, '\0');
  store_le(header.data(), group);
  std::vector<Bytes> payload;
  payload.push_back(Bytes::copy_of(message));
  channel->post(rpc::Method::raft_message, std::move(header), std::move(payload));
}

task<Result<rpc::Reply>> RpcTransport::handle(Context, rpc::Peer peer, rpc::Method, std::string header, Bytes payload) {
  if (peer.node == NodeId{}) co_return Error(Errc::denied, "only nodes of the cluster may take part in consensus");
  if (header.size() != sizeof(GroupId)) co_return Error(Errc::invalid, "a message of consensus names no group");
  if (receiver_) receiver_(peer.node, load_le<GroupId>(header.data()), std::string(as_text(payload.view())));
  co_return rpc::Reply();
}

}  // namespace gabion::metadata::raft
