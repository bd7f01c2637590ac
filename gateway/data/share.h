// How members of the cluster divide blocks among themselves: each takes those whose id falls to its place. Whoever divides by
// another number for a moment does some twice or leaves some for the next round; neither does harm.
#pragma once

#include "common/ids.h"

namespace gabion::gateway::data {

struct Share {
  unsigned index = 0;
  unsigned count = 1;  // 0: nothing is this member's

  bool owns(const BlockId& block) const { return count != 0 && std::hash<BlockId>{}(block) % count == index; }
  // Of work that is divided by manifest.
  bool owns_number(std::uint64_t number) const { return count != 0 && number % count == index; }
  friend bool operator==(const Share&, const Share&) = default;
};

}  // namespace gabion::gateway::data
