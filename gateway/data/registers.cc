#include "gateway/data/registers.h"

#include "common/check.h"

namespace gabion::gateway::data {

// --- Pins ---

Pins::Pin& Pins::Pin::operator=(Pin&& other) noexcept {
  if (this == &other) return *this;
  if (pins_ != nullptr) pins_->remove(id_);
  pins_ = std::exchange(other.pins_, nullptr);
  id_ = other.id_;
  return *this;
}

Pins::Pin::~Pin() {
  if (pins_ != nullptr) pins_->remove(id_);
}

bool Pins::pinned(metadata::ManifestId id) const {
  const std::lock_guard lock(mutex_);
  return counts_.contains(id);
}

std::vector<metadata::ManifestId> Pins::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<metadata::ManifestId> out;
  out.reserve(counts_.size());
  for (const auto& [id, count] : counts_) out.push_back(id);
  return out;
}

void Pins::add(metadata::ManifestId id) {
  const std::lock_guard lock(mutex_);
  ++counts_[id];
}

void Pins::remove(metadata::ManifestId id) {
  const std::lock_guard lock(mutex_);
  const auto it = counts_.find(id);
  GABION_CHECK(it != counts_.end(), "what is unpinned was pinned");
  if (--it->second == 0) counts_.erase(it);
}

// --- RingsInUse ---

std::optional<std::uint64_t> RingsInUse::oldest() const {
  const std::lock_guard lock(mutex_);
  if (epochs_.empty()) return std::nullopt;
  return *epochs_.begin();
}

void RingsInUse::add(std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  epochs_.insert(epoch);
}

void RingsInUse::remove(std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  epochs_.erase(epochs_.find(epoch));
}

// --- RepairQueue ---

void RepairQueue::add(const BlockRef& block, unsigned shard) {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    if (shards_ >= kShardsMax) return;
    Entry& entry = entries_[block.id];
    entry.manifest = block.manifest;
    if (entry.handed_over.contains(shard) || !entry.waiting.insert(shard).second) return;
    ++shards_;
    waiting_.insert(block.id);
    wake = wake_;
  }
  if (wake) wake();
}

std::vector<metadata::RepairIntent> RepairQueue::take() {
  const std::lock_guard lock(mutex_);
  std::vector<metadata::RepairIntent> out;
  for (const BlockId& id : waiting_) {
    Entry& entry = entries_.at(id);
    metadata::RepairIntent intent;
    intent.set_block(std::string(id.raw()));
    intent.set_manifest(entry.manifest);
    for (const unsigned shard : entry.waiting) intent.add_shards(shard);
    entry.handed_over.merge(entry.waiting);
    entry.waiting.clear();
    out.push_back(std::move(intent));
  }
  waiting_.clear();
  return out;
}

void RepairQueue::put_back(const std::vector<metadata::RepairIntent>& intents) {
  const std::lock_guard lock(mutex_);
  for (const metadata::RepairIntent& intent : intents) {
    const auto id = BlockId::from_raw(intent.block());
    const auto it = id ? entries_.find(*id) : entries_.end();
    if (it == entries_.end()) continue;
    it->second.waiting.merge(it->second.handed_over);
    it->second.handed_over.clear();
    waiting_.insert(*id);
  }
}

void RepairQueue::forget(const BlockId& block) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(block);
  if (it == entries_.end()) return;
  shards_ -= it->second.handed_over.size();
  it->second.handed_over.clear();
  if (it->second.waiting.empty()) entries_.erase(it);
}

bool RepairQueue::empty() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty();
}

void RepairQueue::on_add(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

// --- Discards ---

void Discards::add(Discard discard) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(discard);
}

std::vector<Discard> Discards::take(std::size_t limit) {
  const std::lock_guard lock(mutex_);
  const auto n = static_cast<std::ptrdiff_t>(std::min(limit, queue_.size()));
  std::vector<Discard> out(queue_.begin(), queue_.begin() + n);
  queue_.erase(queue_.begin(), queue_.begin() + n);
  return out;
}

std::size_t Discards::size() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

}  // namespace gabion::gateway::data
