// The membership of this node: who it is in its cluster, with the certificate that proves it, and the cluster's state as last
// heard, so that it finds the others when it starts. Kept on every drive of the node, each copy whole or not at all.
// Functions block.
#pragma once

#include <optional>
#include <vector>

#include "common/disk.h"
#include "common/ids.h"
#include "common/result.h"
#include "tools/serve/serve.pb.h"

namespace gabion::serve {

inline constexpr const char* kMembershipFile = "membership";

// The copy with the newest state among the sound ones; nullopt when no drive has any.
std::optional<Membership> read_membership(const std::vector<Disk*>& drives);

// Succeeds when at least one drive took it; the others are logged.
Result<void> write_membership(const std::vector<Disk*>& drives, const Membership& membership);

inline NodeId node_of(const Membership& membership) { return NodeId{membership.node()}; }

}  // namespace gabion::serve
