// The membership of this node: who it is in its cluster, with the certificate that proves it, and the cluster's state as last
// heard, so that it finds the others when it starts. Kept on every drive of the node, each copy whole or not at all.
// Functions block.
#pragma once

#include <optional>
#include <vector>

#include "common/disk.h"
#include "common/ids.h"
#include "common/net/mutual_tls.h"
#include "common/result.h"
#include "tools/serve/serve.pb.h"

namespace gabion::serve {

inline constexpr const char* kMembershipFile = "membership";

// The copy with the newest state among the sound ones; nullopt when no drive has any. invalid when drives of two nodes are
// given together: a node that took the other's number for its own would vote in its name.
Result<std::optional<Membership>> read_membership(const std::vector<Disk*>& drives);

// Succeeds when at least one drive took it; the others are logged.
Result<void> write_membership(const std::vector<Disk*>& drives, const Membership& membership);

inline net::NodeCredentials credentials_of(const Membership& membership) {
  return {.authority = membership.authority(), .certificate = membership.certificate(), .key = membership.key()};
}
inline NodeId node_of(const Membership& membership) { return NodeId{membership.node()}; }

}  // namespace gabion::serve
