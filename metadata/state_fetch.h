// What a state that travels between members is to both sides. StateFetch gets the one of another member, for a member that is
// too far behind to be brought up to date from the log.
#pragma once

#include "metadata/raft/raft.h"
#include "metadata/state_storage.h"

namespace gabion::metadata {

// The open state of a group, pinned; it holds all entries up to `index`.
struct PinnedState {
  PinnedState() = default;
  std::uint64_t index = 0;
  std::unique_ptr<StateExport> state;
};

class StateFetch {
 public:
  virtual ~StateFetch() = default;
  // Brings a state of `from` that holds at least everything up to `index` into `import`, whole and durable; gives the index
  // that it holds. The import may then be committed.
  virtual task<Result<std::uint64_t>> fetch(NodeId from, raft::GroupId group, std::uint64_t index, StateImport& import) = 0;
};

}  // namespace gabion::metadata
