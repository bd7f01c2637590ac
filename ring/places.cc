#include "ring/places.h"

#include "common/check.h"

namespace gabion::ring {

Places::Places(const Tree& tree, std::uint32_t partitions, unsigned width, std::vector<DriveIndex> old_table)
    : tree_(tree), partitions_(partitions), width_(width), old_(std::move(old_table)), kept_(old_.size(), 0) {
  for (std::size_t i = 0; i < old_.size(); ++i) {
    if (old_[i] != kNoDrive && !tree_.has(old_[i])) old_[i] = kNoDrive;
    kept_[i] = old_[i] != kNoDrive;
  }
}

void Places::set_targets(const std::vector<std::uint64_t>& targets) {
  const std::vector<std::uint64_t> kept = kept_by_node();
  surplus_.resize(targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    surplus_[i] = static_cast<std::int64_t>(kept[i]) - static_cast<std::int64_t>(targets[i]);
  }
}

std::vector<std::uint64_t> Places::kept_by_node() const {
  std::vector<std::uint64_t> kept(tree_.size());
  for (std::size_t i = 0; i < old_.size(); ++i) {
    if (kept_[i]) ++kept[tree_.leaf(old_[i])];
  }
  for (std::size_t i = kept.size(); i-- > 1;) kept[tree_.node(static_cast<NodeIndex>(i)).parent] += kept[i];
  return kept;
}

bool Places::under(std::size_t place, NodeIndex node) const {
  return old_[place] != kNoDrive && tree_.ancestor(old_[place], tree_.node(node).depth) == node;
}

unsigned Places::kept(std::uint32_t partition, NodeIndex node) const {
  unsigned count = 0;
  for (unsigned i = 0; i < width_; ++i) count += kept_[at(partition, i)] && under(at(partition, i), node);
  return count;
}

bool Places::has_surplus(std::uint32_t partition, NodeIndex node) const {
  for (unsigned i = 0; i < width_; ++i) {
    const std::size_t place = at(partition, i);
    if (kept_[place] && under(place, node) && surplus_[tree_.leaf(old_[place])] > 0) return true;
  }
  return false;
}

void Places::release(std::uint32_t partition, NodeIndex node) {
  std::size_t best = old_.size();
  for (unsigned i = 0; i < width_; ++i) {
    const std::size_t place = at(partition, i);
    if (!kept_[place] || !under(place, node)) continue;
    if (best == old_.size() || surplus_[tree_.leaf(old_[place])] > surplus_[tree_.leaf(old_[best])])
      best = place;
  }
  GABION_CHECK(best < old_.size(), "a place is released where none is kept");
  kept_[best] = 0;
  --surplus_[tree_.leaf(old_[best])];
}

void Places::restore(std::uint32_t partition, NodeIndex node) {
  for (unsigned i = 0; i < width_; ++i) {
    const std::size_t place = at(partition, i);
    if (kept_[place] || !under(place, node) || surplus_[tree_.leaf(old_[place])] >= 0) continue;
    kept_[place] = 1;
    ++surplus_[tree_.leaf(old_[place])];
    return;
  }
}

}  // namespace gabion::ring
