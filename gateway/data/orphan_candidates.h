// Which blocks of one slice of the id space have shards on this node's drives, and which of those were found to be live. A block
// is known by the leading half of its id: ids are random, and should two ever share it, an orphan stays where it is until its
// neighbour is gone. Bounded memory: where a slice has more than fits, it becomes shorter. Not thread-safe.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "common/bytes.h"
#include "common/ids.h"

namespace gabion::gateway::data {

class OrphanCandidates {
 public:
  using Prefix = std::uint64_t;  // in the order of ids
  static Prefix prefix_of(const BlockId& block) { return load_be64(block.bytes.data()); }

  // The slice begins at `from`.
  OrphanCandidates(Prefix from, std::size_t memory_bytes);

  void add(const BlockId& block);  // one outside of the slice is left out
  // Everything was added that there is up to last().
  void seal();
  void mark_live(const BlockId& block);

  Prefix from() const { return from_; }
  Prefix last() const { return last_; }  // of the slice. Falls while blocks are added
  bool reaches_end() const { return last_ == std::numeric_limits<Prefix>::max(); }
  std::size_t size() const { return blocks_.size(); }
  bool empty() const { return blocks_.empty(); }
  // It was added and not found live.
  bool orphan(const BlockId& block) const;

 private:
  void shrink();
  std::size_t find(const BlockId& block) const;  // size(): it was not added

  const Prefix from_;
  const std::size_t most_;  // blocks, also while they are added
  Prefix last_ = std::numeric_limits<Prefix>::max();
  std::vector<Prefix> blocks_;  // ascending once sealed
  std::vector<bool> live_;
};

}  // namespace gabion::gateway::data
