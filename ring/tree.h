// The failure domains of a set of drives as a tree, and how much of a row each part of it should hold. Only
// drives with weight are in it. Pure and immutable; internal to ring/.
//
// Spread goes before weight. Of x places of a row that lie in a domain, no child may hold more than
// level(domain, x): the smallest number with which all x find room. Within these bounds places are shared by
// weight; a drive never wants more than one place of a row.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ring/ring.h"

namespace gabion::ring {

using NodeIndex = std::uint32_t;
inline constexpr NodeIndex kRoot = 0;

struct Node {
  NodeIndex parent = kRoot;
  unsigned depth = 0;
  std::uint32_t slot = 0;           // its place among the parent's children
  std::vector<NodeIndex> children;  // empty for a drive
  DriveIndex drive = 0;             // of a leaf
  unsigned capacity = 0;            // drives with weight at or below
  unsigned most = 0;                // places of one row it may hold in any row that is well spread
  std::vector<unsigned> levels;     // Tree::level() for 0 to `most` places
  double weight = 0;                // of a leaf, relative to the heaviest drive
};

class Tree {
 public:
  Tree(std::span<const Drive> drives, unsigned width);

  const Node& node(NodeIndex index) const { return nodes_[index]; }
  std::size_t size() const { return nodes_.size(); }
  unsigned drive_depth() const { return depth_; }
  bool has(DriveIndex drive) const { return leaves_[drive] != kRoot; }
  NodeIndex leaf(DriveIndex drive) const { return leaves_[drive]; }
  // The node at `depth` above (or at) a drive that has weight.
  NodeIndex ancestor(DriveIndex drive, unsigned depth) const {
    return ancestors_[drive * (depth_ + 1u) + depth];
  }

  // The fewest places that the fullest child must hold when the node holds `places`.
  unsigned level(NodeIndex index, unsigned places) const {
    const std::vector<unsigned>& levels = nodes_[index].levels;
    return places < levels.size() ? levels[places] : find_level(index, places);
  }

  // Splits `share` (the mean number of places of a row in the node) over the children, in their order.
  std::vector<double> split_share(NodeIndex index, double share) const;
  // The wish of every node: its mean number of places in a row of the tree's width.
  std::vector<double> shares() const;

 private:
  std::vector<DriveIndex> in_path_order(std::span<const Drive> drives) const;
  // Adds the drive and the domains above it; `before` is the drive added last, null for the first.
  void add(std::span<const Drive> drives, DriveIndex drive, const DriveIndex* before);
  void bound();
  unsigned find_level(NodeIndex index, unsigned places) const;
  // What each node of [first, last) would hold if every drive took `rate` times its weight, within the
  // bounds.
  void fill(NodeIndex first, NodeIndex last, double rate, std::vector<double>& held) const;

  unsigned depth_ = 0;  // of the drives; the root has 0
  unsigned width_ = 0;
  std::vector<Node> nodes_;  // depth first, so a subtree is a range of indexes
  std::vector<NodeIndex> leaves_;
  std::vector<NodeIndex> ancestors_;
};

}  // namespace gabion::ring
