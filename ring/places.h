// What the builder works on: the places of the previous table, which of them are kept so far, and how far
// each drive is from the number of places it is to have. Single-threaded; internal to ring/.
#pragma once

#include <cstdint>
#include <vector>

#include "ring/carry_over.h"
#include "ring/tree.h"

namespace gabion::ring {

class Places {
 public:
  // `old_table` is partitions x width, in the indexes of the new drives; kNoDrive where there is none. Places
  // of drives without weight are dropped at once.
  Places(const Tree& tree, std::uint32_t partitions, unsigned width, std::vector<DriveIndex> old_table);
  // How many places each node is to have; by node of the tree. Call before the functions below that speak of
  // surplus.
  void set_targets(const std::vector<std::uint64_t>& targets);

  std::uint32_t partitions() const { return partitions_; }
  unsigned width() const { return width_; }

  // Kept places, of the whole table, at or below each node.
  std::vector<std::uint64_t> kept_by_node() const;
  // Kept places of a row under the node.
  unsigned kept(std::uint32_t partition, NodeIndex node) const;
  // Whether a row has, under the node, a kept place of a drive that keeps too many: giving it up costs
  // nothing.
  bool has_surplus(std::uint32_t partition, NodeIndex node) const;
  // Gives up one kept place under the node, of the drive with the most to give.
  void release(std::uint32_t partition, NodeIndex node);
  // Takes a place back that was released under the node, if its drive has come to need it.
  void restore(std::uint32_t partition, NodeIndex node);

 private:
  std::size_t at(std::uint32_t partition, unsigned place) const {
    return std::size_t{partition} * width_ + place;
  }
  bool under(std::size_t place, NodeIndex node) const;

  const Tree& tree_;
  std::uint32_t partitions_;
  unsigned width_;
  std::vector<DriveIndex> old_;
  std::vector<std::uint8_t> kept_;
  std::vector<std::int64_t> surplus_;  // kept places less the target, by node; only leaves are used
};

}  // namespace gabion::ring
