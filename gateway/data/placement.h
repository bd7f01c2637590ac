// Placement says which drive holds which shard, and which drives work: the ring with those before it whose shards are still
// being moved, a ShardStore for each drive (here or on another node), and the state of each drive. Readers and writers take
// an immutable View and use it for one block; update() gives later ones another. Thread-safe. The stores outlive every task
// that may use them; a drive that a store reports as unavailable is marked failed and not asked again until refresh()
// finds it well.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "chunkserver/ring_epochs.h"
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
    std::vector<std::shared_ptr<const ring::Ring>> previous;  // newest first
    std::optional<erasure::Profile> profile;                  // of new blocks, where the cluster says
    std::vector<Member> drives;

    std::uint64_t epoch() const { return ring->epoch(); }
    bool up(std::size_t drive) const { return drives[drive].state == DriveState::up; }
    // New shards may go there: it works, and it is neither being drained nor unknown to the ring.
    bool takes_shards(std::size_t drive) const {
      return drive < ring->drives().size() && ring->drives()[drive].weight > 0 && up(drive);
    }
    std::size_t up_count() const;
    // The failure domain that the drive is in, as a number; the last one is for all drives that the ring does not know.
    std::vector<std::size_t> domains;
    std::size_t domain_count = 0;  // of the drives that take data
    // These drives are of more than one node, or the cluster has too few nodes to ask for that: a node that is cut off
    // from all others must not take its own drives for the cluster.
    bool spread(const std::vector<std::optional<std::size_t>>& placed) const;
    // Where shard `index` of the block belongs; nullopt when the row has fewer drives.
    std::optional<std::size_t> home(const BlockId& block, unsigned index) const;
    // Where it belonged by the previous rings, newest first, as far as those drives are here; without its home.
    std::vector<std::size_t> former_homes(const BlockId& block, unsigned index) const;
    std::optional<std::size_t> find(const DriveId& id) const;
    // Drives of previous rings that do not work, and the shards of a block that were on such a one and belong elsewhere now.
    std::size_t drives_lost() const;
    unsigned shards_lost(const BlockId& block) const;
  };

  // All that the cluster's state says at once.
  struct Layout {
    Layout() = default;
    ring::Ring ring;
    std::vector<ring::Ring> previous;  // newest first
    std::optional<erasure::Profile> profile;
    struct Drive {
      DriveId id;
      chunkserver::ShardStore* store = nullptr;
    };
    std::vector<Drive> drives;  // all that may hold shards; not those that were given up
  };

  // `epochs` is told by which ring this node acts.
  explicit Placement(ring::Ring ring, chunkserver::RingEpochs* epochs = nullptr);

  std::shared_ptr<const View> view() const;
  // Another node acts by a newer ring.
  bool behind() const { return epochs_ != nullptr && epochs_->newest() > view()->epoch(); }
  // No newer ring than the view's is known here: what was decided by it may be done.
  bool current(const View& decided_by) const { return view()->epoch() == decided_by.epoch() && !behind(); }
  // The drive is here and works.
  void attach(const DriveId& id, chunkserver::ShardStore& store);
  // The drive is gone: no new call goes to its store.
  void detach(const DriveId& id);
  void mark_failed(const DriveId& id, const std::string& reason);
  // Drives with the same store as before keep their state; those not named are detached. An older ring than now changes
  // nothing.
  void update(Layout layout);
  // Asks every drive that is here how it is: failed ones that are well again come back up. Gives whether any did.
  task<bool> refresh(Context ctx);
  // Only those that failed.
  task<bool> refresh_failed(Context ctx);

 private:
  void publish();  // with the lock held
  task<std::vector<bool>> ask(Context ctx, bool failed_only);
  task<bool> ask_one(Context ctx, Member member);

  chunkserver::RingEpochs* const epochs_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ring::Ring> ring_;
  std::vector<std::shared_ptr<const ring::Ring>> previous_;
  std::optional<erasure::Profile> profile_;
  std::vector<Member> members_;  // attached ones, in order of attachment
  std::shared_ptr<const View> view_;
};

// Where one block's shards go: its homes, and other drives in place of homes that do not work. Not thread-safe.
class Targets {
 public:
  Targets(std::shared_ptr<const Placement::View> view, const BlockRef& block);

  // A drive for the shard: its home if it works and was not excluded; else the drive that holds the fewest shards of the
  // block, on the node that holds the fewest, rather one outside the block's homes than one among them. nullopt: none is
  // left. Copies never share a drive.
  std::optional<std::size_t> assign(unsigned shard);
  // The drive has a shard of the block already.
  void hold(std::size_t drive);
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
  std::vector<unsigned> held_in_;  // and per failure domain
  std::vector<bool> home_;
  std::vector<bool> refused_;
};

}  // namespace gabion::gateway::data
