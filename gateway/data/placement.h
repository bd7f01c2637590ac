// Placement says which drive holds which shard, and which drives work: the ring, a ShardStore for each drive, and the
// state of each drive. Readers and writers take an immutable View and use it for one block. Thread-safe. The stores outlive
// every task that may use them; a drive that a store reports as unavailable is marked failed and not asked again until
// refresh() finds it well.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "chunkserver/shard_store.h"
#include "common/context.h"
#include "gateway/data/layout.h"
#include "ring/ring.h"

namespace gabion::gateway::data {

enum class DriveState {
  up,
  failed,   // its store reported so
  missing,  // the ring names it and it is not here
};

class Placement {
 public:
  struct Member {
    DriveId id;
    chunkserver::ShardStore* store = nullptr;  // null when missing
    DriveState state = DriveState::missing;
    std::string reason;
  };

  // Drives are named by their index in `drives`: first those of the ring, in its order, then others that are attached.
  struct View {
    std::shared_ptr<const ring::Ring> ring;
    std::vector<Member> drives;

    bool up(std::size_t drive) const { return drives[drive].state == DriveState::up; }
    std::size_t up_count() const;
    // Where shard `index` of the block belongs; nullopt when the row has fewer drives.
    std::optional<std::size_t> home(const BlockId& block, unsigned index) const;
    std::optional<std::size_t> find(const DriveId& id) const;
  };

  explicit Placement(ring::Ring ring);

  std::shared_ptr<const View> view() const;
  // The drive is here and works.
  void attach(const DriveId& id, chunkserver::ShardStore& store);
  // The drive is gone: no new call goes to its store.
  void detach(const DriveId& id);
  void mark_failed(const DriveId& id, const std::string& reason);
  void set_ring(ring::Ring ring);
  // Asks every drive that is here how it is: failed ones that are well again come back up.
  task<void> refresh(Context ctx);

 private:
  void publish();  // with the lock held
  mutable std::mutex mutex_;
  std::shared_ptr<const ring::Ring> ring_;
  std::vector<Member> members_;  // attached ones, in order of attachment
  std::shared_ptr<const View> view_;
};

// Where one block's shards go: its homes, and other drives in place of homes that do not work. Not thread-safe.
class Targets {
 public:
  Targets(std::shared_ptr<const Placement::View> view, const BlockRef& block);

  // A drive for the shard: its home if it works and was not excluded; else the drive that holds the fewest shards of the
  // block, rather one outside the block's homes than one among them. nullopt: none is left. Copies never share a drive.
  std::optional<std::size_t> assign(unsigned shard);
  // The drive could not take the shard; it is not asked again for this block.
  void refuse(unsigned shard, std::size_t drive);

  // The block, with these shards placed, could lose one more drive and still be read; or, where the profile or the
  // number of drives rules that out, it can be read.
  static bool safe(const BlockLayout& layout, const std::vector<std::optional<std::size_t>>& placed, std::size_t drives);
  // How many working drives that takes.
  static std::size_t drives_needed(const BlockLayout& layout, std::size_t drives);

 private:
  std::shared_ptr<const Placement::View> view_;
  BlockLayout layout_;
  BlockId block_;
  std::vector<unsigned> held_;  // shards of the block per drive
  std::vector<bool> home_;
  std::vector<bool> refused_;
};

}  // namespace gabion::gateway::data
