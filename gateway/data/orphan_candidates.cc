#include "gateway/data/orphan_candidates.h"

#include <algorithm>

namespace gabion::gateway::data {
namespace {

constexpr std::size_t kLeast = 16;

}  // namespace

OrphanCandidates::OrphanCandidates(Prefix from, std::size_t memory_bytes)
    : from_(from), most_(std::max(kLeast, memory_bytes * 8 / (8 * sizeof(Prefix) + 1))) {}

void OrphanCandidates::add(const BlockId& block) {
  const Prefix prefix = prefix_of(block);
  if (prefix < from_ || prefix > last_) return;
  if (!blocks_.empty() && blocks_.back() == prefix) return;  // another shard of the same block
  if (blocks_.size() == most_) {
    shrink();
    if (prefix > last_) return;
  }
  blocks_.push_back(prefix);
}

void OrphanCandidates::shrink() {
  std::sort(blocks_.begin(), blocks_.end());
  blocks_.erase(std::unique(blocks_.begin(), blocks_.end()), blocks_.end());
  if (blocks_.size() <= most_ / 2) return;
  blocks_.resize(most_ / 2);
  last_ = blocks_.back();
}

void OrphanCandidates::seal() {
  std::sort(blocks_.begin(), blocks_.end());
  blocks_.erase(std::unique(blocks_.begin(), blocks_.end()), blocks_.end());
  live_.assign(blocks_.size(), false);
}

std::size_t OrphanCandidates::find(const BlockId& block) const {
  const Prefix prefix = prefix_of(block);
  const auto at = std::lower_bound(blocks_.begin(), blocks_.end(), prefix);
  return at == blocks_.end() || *at != prefix ? blocks_.size() : static_cast<std::size_t>(at - blocks_.begin());
}

void OrphanCandidates::mark_live(const BlockId& block) {
  if (const std::size_t at = find(block); at != blocks_.size()) live_[at] = true;
}

bool OrphanCandidates::orphan(const BlockId& block) const {
  const std::size_t at = find(block);
  return at != blocks_.size() && !live_[at];
}

}  // namespace gabion::gateway::data
