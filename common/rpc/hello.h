// The greeting that opens every connection, before Connection takes the stream over: each side says which versions of the
// protocol it speaks, which cluster it belongs to and which node it is. The one that connects greets first. A greeting that
// does not fit is answered with a refusal that says why. What a node says of itself must be what its certificate says.
//
// The time allowed is the stream's deadline.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/ids.h"
#include "common/net/byte_stream.h"
#include "common/result.h"
#include "common/rpc/rpc.h"

namespace gabion::rpc {

// Versions of the protocol that this program speaks. A release speaks its own and that of the one before it.
inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr std::uint16_t kOldestProtocolVersion = 1;

// Who a node is. Without a cluster: a stranger, who wants to join one.
struct Identity {
  ClusterId cluster;
  NodeId node{};
  bool is_stranger() const { return node == NodeId{}; }
};

struct Hello {
  std::uint16_t version = kProtocolVersion;
  std::uint16_t oldest = kOldestProtocolVersion;
  Identity identity;
};
std::string encode_hello(const Hello& hello);
Result<Hello> decode_hello(std::string_view meta);

// The side that connects, to the node `wanted` (0: any). A stranger takes any cluster: it has checked the authority. denied:
// it is another cluster or node, or refuses us.
task<Result<void>> greet(net::ByteStream& stream, Identity self, NodeId wanted);

// The side that was connected to, by a peer whose certificate says `certified` (a stranger without one). A peer that would be
// welcome is told the error of `admitted` where that is one.
task<Result<Peer>> receive_greeting(net::ByteStream& stream, Identity self, Identity certified, Result<void> admitted = {});

}  // namespace gabion::rpc
