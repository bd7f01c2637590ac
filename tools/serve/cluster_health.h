// What is wrong with a cluster and what to do about it: stable codes, one line for people, and the command that helps. Pure.
#pragma once

#include <string>
#include <vector>

#include "tools/serve/cluster_view.h"

namespace gabion::serve {

enum class Health { ok, warn, error };

struct Problem {
  Health severity = Health::warn;
  std::string code;     // NODE_DOWN
  std::string message;  // "n3 is down for 12m"
  std::string action;   // what to do; empty: nothing, it heals by itself
};

// The worst first.
std::vector<Problem> problems(const ClusterView& view);
Health health(const std::vector<Problem>& problems);

}  // namespace gabion::serve
