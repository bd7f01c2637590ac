// Making a connection to a node, up to the end of the greeting. For common/rpc alone.
#pragma once

#include <memory>
#include <string>

#include "common/net/byte_stream.h"
#include "common/net/deadline_sweeper.h"
#include "common/net/mutual_tls.h"
#include "common/rpc/hello.h"

namespace gabion::rpc {

struct PeerAddress {
  NodeId node{};  // 0: whichever is there
  std::string host;
  std::uint16_t port = 0;
  friend bool operator==(const PeerAddress&, const PeerAddress&) = default;
};
// "n3 at 192.0.2.7:9002"
std::string to_string(const PeerAddress& address);

// What one thread needs for it.
struct Dialer {
  Clock& clock;
  net::DeadlineSweeper& sweeper;
  net::ThreadMutualTls& tls;
  const Identity self;
};

// denied: the node there is another one, or refuses us. The stream has no deadline any more.
task<Result<std::unique_ptr<net::ByteStream>>> dial(Dialer& dialer, PeerAddress to, TimePoint deadline);

}  // namespace gabion::rpc
