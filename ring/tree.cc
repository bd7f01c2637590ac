#include "ring/tree.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace gabion::ring {
namespace {

// A drive lighter than this, relative to the heaviest, counts as this heavy: it keeps the arithmetic exact
// enough, and its wish is far below one place in any table.
constexpr double kLightest = 1e-12;
// Shares this close to a whole number are that number.
constexpr double kTolerance = 1e-9;

}  // namespace

Tree::Tree(std::span<const Drive> drives, unsigned width) : width_(width), leaves_(drives.size(), kRoot) {
  depth_ = drives.empty() ? 1 : static_cast<unsigned>(drives.front().domain.size()) + 1;
  ancestors_.assign(drives.size() * (depth_ + 1), kRoot);
  nodes_.emplace_back();

  const DriveIndex* before = nullptr;
  const std::vector<DriveIndex> order = in_path_order(drives);
  for (const DriveIndex& drive : order) {
    add(drives, drive, before);
    before = &drive;
  }
  double heaviest = 0;
  for (const DriveIndex drive : order) heaviest = std::max(heaviest, drives[drive].weight);
  for (const DriveIndex drive : order) {
    nodes_[leaves_[drive]].weight = std::max(drives[drive].weight / heaviest, kLightest);
  }
  bound();
}

// By path, then id: the tree does not depend on the order in which drives are given.
std::vector<DriveIndex> Tree::in_path_order(std::span<const Drive> drives) const {
  std::vector<DriveIndex> order;
  for (std::size_t i = 0; i < drives.size(); ++i) {
    if (drives[i].weight > 0) order.push_back(static_cast<DriveIndex>(i));
  }
  std::sort(order.begin(), order.end(), [&](DriveIndex a, DriveIndex b) {
    return std::tie(drives[a].domain, drives[a].id) < std::tie(drives[b].domain, drives[b].id);
  });
  return order;
}

void Tree::add(std::span<const Drive> drives, DriveIndex drive, const DriveIndex* before) {
  NodeIndex* path = &ancestors_[drive * (depth_ + 1u)];
  // The part of the path that the drive shares with the one before it is already in the tree.
  unsigned shared = 0;
  if (before != nullptr) {
    const auto& old_domain = drives[*before].domain;
    const auto& domain = drives[drive].domain;
    while (shared < domain.size() && domain[shared] == old_domain[shared]) ++shared;
    std::copy_n(&ancestors_[*before * (depth_ + 1u)], shared + 1, path);
  }
  for (unsigned depth = shared + 1; depth <= depth_; ++depth) {
    Node node;
    node.parent = path[depth - 1];
    node.depth = depth;
    node.slot = static_cast<std::uint32_t>(nodes_[node.parent].children.size());
    path[depth] = static_cast<NodeIndex>(nodes_.size());
    nodes_[node.parent].children.push_back(path[depth]);
    nodes_.push_back(std::move(node));
  }
  nodes_.back().drive = drive;
  nodes_.back().capacity = 1;
  leaves_[drive] = path[depth_];
}

void Tree::bound() {
  for (std::size_t i = nodes_.size(); i-- > 1;) nodes_[nodes_[i].parent].capacity += nodes_[i].capacity;
  nodes_[kRoot].most = std::min(width_, nodes_[kRoot].capacity);
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].children.empty()) continue;
    for (unsigned places = 0; places <= nodes_[i].most; ++places)
      nodes_[i].levels.push_back(find_level(i, places));
    const unsigned most = nodes_[i].levels.back();
    for (const NodeIndex child : nodes_[i].children)
      nodes_[child].most = std::min(nodes_[child].capacity, most);
  }
}

unsigned Tree::find_level(NodeIndex index, unsigned places) const {
  for (unsigned level = 0;; ++level) {
    unsigned room = 0;
    for (const NodeIndex child : nodes_[index].children) room += std::min(nodes_[child].capacity, level);
    if (room >= places || level > places) return level;
  }
}

void Tree::fill(NodeIndex first, NodeIndex last, double rate, std::vector<double>& held) const {
  for (NodeIndex i = first; i < last; ++i) held[i] = 0;
  for (NodeIndex i = last; i-- > first;) {
    const Node& node = nodes_[i];
    if (node.children.empty()) held[i] = node.weight * rate;
    held[i] = std::min<double>(held[i], node.most);
    if (node.parent >= first) held[node.parent] += held[i];
  }
}

std::vector<double> Tree::split_share(NodeIndex index, double share) const {
  const std::vector<NodeIndex>& children = nodes_[index].children;
  const auto low_places = static_cast<unsigned>(std::floor(share + kTolerance));
  const auto high_places = static_cast<unsigned>(std::ceil(share - kTolerance));
  const unsigned low_level = level(index, low_places);
  const unsigned high_level = level(index, high_places);
  // Where one place more raises the level, all children are full to the lower level in every row: the rows
  // that do not have that place would otherwise be crowded.
  std::vector<double> low(children.size()), high(children.size()), split(children.size());
  for (std::size_t i = 0; i < children.size(); ++i) {
    const unsigned capacity = nodes_[children[i]].capacity;
    low[i] = low_level == high_level ? 0 : std::min(capacity, low_level);
    high[i] = std::min(capacity, high_level);
  }
  // The subtree of a node is a contiguous range of indexes, because drives were added path by path.
  const NodeIndex first = children.front();
  NodeIndex last = children.back();
  while (!nodes_[last].children.empty()) last = nodes_[last].children.back();
  std::vector<double> held(nodes_.size());
  auto total_at = [&](double rate) {
    fill(first, last + 1, rate, held);
    for (std::size_t i = 0; i < children.size(); ++i)
      split[i] = std::clamp(held[children[i]], low[i], high[i]);
    return std::accumulate(split.begin(), split.end(), 0.0);
  };
  double below = 0;
  double above = 1 / kLightest;
  for (int step = 0; step < 120; ++step) {
    const double middle = (below + above) / 2;
    (total_at(middle) < share ? below : above) = middle;
  }
  total_at(above);
  return split;
}

std::vector<double> Tree::shares() const {
  std::vector<double> shares(nodes_.size());
  shares[kRoot] = nodes_[kRoot].most;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].children.empty()) continue;
    const std::vector<double> split = split_share(i, shares[i]);
    for (std::size_t c = 0; c < split.size(); ++c) shares[nodes_[i].children[c]] = split[c];
  }
  return shares;
}

}  // namespace gabion::ring
