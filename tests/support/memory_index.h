// MemoryIndex is the ShardIndex of the simulation: like the real one it keeps what was flushed, and may lose any batches
// after that, from the end, in a crash.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "chunkserver/shard_index.h"
#include "common/rng.h"

namespace gabion::sim {

class MemoryIndex final : public chunkserver::ShardIndex {
 public:
  using ShardKey = chunkserver::ShardKey;
  using IndexEntry = chunkserver::IndexEntry;

  // `powered` says whether the drive still has power; without it, nothing is flushed.
  explicit MemoryIndex(std::function<bool()> powered = [] { return true; }) : powered_(std::move(powered)) {}

  Result<std::optional<chunkserver::IndexState>> load() override {
    const std::lock_guard lock(mutex_);
    if (damaged_) return Error(Errc::corrupt, "the index is damaged");
    if (!current_.used) return std::nullopt;
    return current_.state;
  }
  Result<std::optional<IndexEntry>> find(const ShardKey& key, ReadMode) override {
    const std::lock_guard lock(mutex_);
    if (damaged_) return Error(Errc::corrupt, "the index is damaged");
    const auto it = current_.shards.find(key);
    if (it == current_.shards.end()) return std::nullopt;
    return it->second;
  }
  Result<chunkserver::IndexPage> list(const ShardKey& from, std::size_t limit) override {
    const std::lock_guard lock(mutex_);
    if (damaged_) return Error(Errc::corrupt, "the index is damaged");
    chunkserver::IndexPage page;
    for (auto it = current_.shards.lower_bound(from); it != current_.shards.end(); ++it) {
      if (page.entries.size() == limit) {
        page.more = true;
        break;
      }
      page.entries.emplace_back(*it);
    }
    return page;
  }
  Result<void> apply(const chunkserver::IndexBatch& batch) override {
    const std::lock_guard lock(mutex_);
    if (damaged_) return Error(Errc::corrupt, "the index is damaged");
    current_.apply(batch);
    unflushed_.push_back(batch);
    return {};
  }
  Result<void> flush() override {
    const std::lock_guard lock(mutex_);
    if (!powered_()) return Error(Errc::unavailable, "the machine has lost power");
    flush_first(unflushed_.size());
    return {};
  }
  Result<void> clear() override {
    const std::lock_guard lock(mutex_);
    if (!powered_()) return Error(Errc::unavailable, "the machine has lost power");
    current_ = durable_ = {};
    unflushed_.clear();
    damaged_ = false;
    return {};
  }

  // --- Faults ---
  // Keeps what was flushed and some of the batches behind it.
  void crash(Rng& rng) {
    flush_first(rng.below(unflushed_.size() + 1));
    unflushed_.clear();
    current_ = durable_;
  }
  // Until clear(), nothing of it can be read.
  void damage() { damaged_ = true; }

 private:
  struct Content {
    std::map<ShardKey, IndexEntry> shards;
    chunkserver::IndexState state;
    bool used = false;
    void apply(const chunkserver::IndexBatch& batch) {
      used = true;
      for (const auto& [key, entry] : batch.shards) {
        if (entry) shards[key] = *entry;
        else shards.erase(key);
      }
      for (const auto& [number, stats] : batch.segments) {
        if (stats) state.segments[number] = *stats;
        else state.segments.erase(number);
      }
      state.position = batch.position;
    }
  };
  void flush_first(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) durable_.apply(unflushed_[i]);
    unflushed_.erase(unflushed_.begin(), unflushed_.begin() + static_cast<std::ptrdiff_t>(count));
  }

  const std::function<bool()> powered_;
  std::mutex mutex_;
  Content current_;
  Content durable_;
  std::vector<chunkserver::IndexBatch> unflushed_;
  bool damaged_ = false;
};

}  // namespace gabion::sim
