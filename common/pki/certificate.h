// What a node's certificate says, and whether to believe it. Its subject is O = the cluster's id in hex, CN = the node's
// name, "n3", which is its subject alternative name too. All texts are PEM; a chain has the node's own certificate first.
// Pure functions; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/ids.h"
#include "common/result.h"

namespace gabion::pki {

struct Subject {
  ClusterId cluster;
  NodeId node{};
  friend bool operator==(const Subject&, const Subject&) = default;
};

// "n3", as to_string(NodeId) writes it, and nothing else.
std::optional<NodeId> parse_node_name(std::string_view name);
// denied when these do not name a node of a cluster.
Result<Subject> parse_subject(std::string_view organization, std::string_view common_name);

struct Certificate {
  Subject subject;
  WallMicros not_before = 0, not_after = 0;
};
// Of the first certificate of the chain; believes everything.
Result<Certificate> read_certificate(std::string_view chain);
// The same when `authority` has signed it and it is valid at this time, else denied.
Result<Certificate> check_certificate(std::string_view chain, std::string_view authority, WallMicros now);

// SHA-256 of the first certificate: 32 raw bytes.
Result<std::string> fingerprint(std::string_view certificate);

}  // namespace gabion::pki
