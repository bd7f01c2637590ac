// HOST:PORT as the configuration and the cluster's state write it: "0.0.0.0:9000", "[::1]:9002", "storage3.example:9002". Pure.
#pragma once

#include <string_view>

#include "common/net/listener.h"
#include "common/rpc/dial.h"

namespace gabion::serve {

// Where to listen; without a host, everywhere.
Result<net::ListenAddress> listen_address(std::string_view text);
// Where a node is; the host may be a name.
Result<rpc::PeerAddress> peer_address(NodeId node, std::string_view text);

// Whether others can reach a node there: it names a host that is somewhere, and a port.
Result<void> check_reachable(std::string_view text);

}  // namespace gabion::serve
