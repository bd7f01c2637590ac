// What the parts of the data path tell each other in memory: which manifests are being read (Pins), by which rings work
// that is under way goes (RingsInUse), which shards were found bad (RepairQueue), which blocks nobody will ever commit
// (Discards). All thread-safe and bounded or self-emptying.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "gateway/data/layout.h"

namespace gabion::gateway::data {

// Manifests that must not lose their shards now, whatever the metadata says: a reader or a repair works on them.
class Pins {
 public:
  class Pin {
   public:
    Pin() = default;
    Pin(Pins& pins, metadata::ManifestId id) : pins_(&pins), id_(id) { pins.add(id); }
    Pin(Pin&& other) noexcept : pins_(std::exchange(other.pins_, nullptr)), id_(other.id_) {}
    Pin& operator=(Pin&& other) noexcept;
    ~Pin();

   private:
    Pins* pins_ = nullptr;
    metadata::ManifestId id_ = 0;
  };
  Pin pin(metadata::ManifestId id) { return {*this, id}; }
  bool pinned(metadata::ManifestId id) const;
  std::vector<metadata::ManifestId> all() const;

 private:
  void add(metadata::ManifestId id);
  void remove(metadata::ManifestId id);
  mutable std::mutex mutex_;
  std::unordered_map<metadata::ManifestId, unsigned> counts_;
};

// The epochs of the rings by which something under way goes. A rebalance moves nothing while others still move by an older
// ring, and is not over while a writer may still commit a block that was placed by one.
class RingsInUse {
 public:
  class Mark {
   public:
    Mark() = default;
    Mark(RingsInUse& rings, std::uint64_t epoch) : rings_(&rings), epoch_(epoch) { rings.add(epoch); }
    Mark(Mark&& other) noexcept : rings_(std::exchange(other.rings_, nullptr)), epoch_(other.epoch_) {}
    ~Mark() {
      if (rings_ != nullptr) rings_->remove(epoch_);
    }

   private:
    RingsInUse* rings_ = nullptr;
    std::uint64_t epoch_ = 0;
  };
  Mark mark(std::uint64_t epoch) { return {*this, epoch}; }
  // nullopt: nothing is under way.
  std::optional<std::uint64_t> oldest() const;

 private:
  void add(std::uint64_t epoch);
  void remove(std::uint64_t epoch);
  mutable std::mutex mutex_;
  std::multiset<std::uint64_t> epochs_;
};

// Shards that readers found missing or bad, on their way into the metadata's durable list. A shard that was handed over is
// remembered until its repair is done, so that a thousand reads of one bad shard queue it once.
class RepairQueue {
 public:
  static constexpr std::size_t kShardsMax = 100'000;  // more are dropped: the next read finds them again

  void add(const BlockRef& block, unsigned shard);
  // Everything that was added since, one intent for each block.
  std::vector<metadata::RepairIntent> take();
  // Those could not be made durable: they will be taken again.
  void put_back(const std::vector<metadata::RepairIntent>& intents);
  // The block's shards were repaired, or are to be looked at anew when they are found bad again.
  void forget(const BlockId& block);
  bool empty() const;
  // Called, from any thread, when something was added.
  void on_add(std::function<void()> wake);

 private:
  struct Entry {
    metadata::ManifestId manifest = 0;
    std::set<unsigned> waiting;
    std::set<unsigned> handed_over;
  };
  mutable std::mutex mutex_;
  std::map<BlockId, Entry> entries_;
  std::set<BlockId> waiting_;
  std::size_t shards_ = 0;
  std::function<void()> wake_;
};

// Blocks of writers that were abandoned, for the collector to erase.
struct Discard {
  BlockId block;
  unsigned shards = 0;
};
class Discards {
 public:
  void add(Discard discard);
  std::vector<Discard> take(std::size_t limit);
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::deque<Discard> queue_;
};

}  // namespace gabion::gateway::data
