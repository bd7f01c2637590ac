// Rebalancer carries out this member's share of a job that brings every shard to its home of the current ring: it walks all
// manifests, and for each block copies what is missing at home from where previous rings had it, or has it reconstructed
// when it is nowhere, reads it back, and only then removes it from where it was.
//
// The walk begins when no member moves shards by an older ring any more, so that two members never each take the other's copy
// for the stray one. When several drives are lost, blocks that lost several shards come first. At its end it waits until no
// writer may commit blocks that were placed by an older ring, and looks at what came since. Blocks that fail for now are tried
// again until they do not; those beyond repair, tried once more, are counted.
//
// Thread-safe. `store` and `repairer` outlive it; call stop() before destruction.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "gateway/data/assigned_work.h"
#include "gateway/data/rate_limit.h"
#include "gateway/data/repair.h"

namespace gabion::gateway::data {

// What the cluster wants of this member now.
struct RebalanceWork {
  std::uint64_t job = 0;
  std::uint64_t epoch = 0;  // of the ring it works towards
  Share share;
  bool paused = false;
  // As the leader has heard from all members: nobody moves, and nobody writes, by a ring older than the job's.
  bool movers_settled = true;
  bool writers_settled = true;
  bool continues(const RebalanceWork& other) const { return job == other.job && epoch == other.epoch && share == other.share; }
  friend bool operator==(const RebalanceWork&, const RebalanceWork&) = default;
};

class Rebalancer {
 public:
  struct RebalanceOptions {
    std::uint64_t bytes_per_second = 0;  // of shards copied, by this member; 0: no limit
    std::size_t blocks_at_once = 32;     // that are looked at; the pace says how many are moved
    std::size_t failed_max = 100'000;  // blocks remembered for another try; with more, the walk begins anew
    Duration retry = std::chrono::seconds(5);    // between walks over blocks that failed for now
    Duration poll = std::chrono::milliseconds(500);
  };
  using Assignment = RebalanceWork;
  struct Progress {
    std::uint64_t job = 0;
    Share share;
    std::uint64_t blocks_done = 0, blocks_total = 0;  // total: as far as known, 0 before the first walk's end
    std::uint64_t bytes_moved = 0;
    std::uint64_t failed_blocks = 0;  // of the walk that goes on: for now, or beyond repair
    bool finished = false;
  };

  Rebalancer(BlockStore& store, Repairer& repairer, RebalanceOptions options);

  void start(const Executor& executor);
  task<void> stop() { return background_.stop(); }
  // nullopt: nothing to do. Another job, share or epoch begins anew.
  void assign(std::optional<Assignment> assignment);
  Progress progress() const { return work_.progress(); }
  void add_to(MetricsRegistry& registry) const;

 private:
  enum class Outcome { settled, failed, lost };
  struct Item {
    metadata::GroupId group = metadata::kRootGroup;
    metadata::ManifestId manifest = 0;
    BlockRef block;
  };
  struct Left {
    void add(Left other);
    std::deque<Item> failed;  // for now
    std::deque<Item> lost;    // beyond repair, as far as could be seen
  };

  task<void> cycle();
  // The job that was begun is still to be done, as it was begun.
  bool goes_on(const Assignment& begun) const;
  task<bool> wait_for(const Assignment& begun, bool Assignment::* condition);
  task<Result<void>> carry_out(Context ctx, Assignment begun);
  // How far each group was gone through: to which of the manifests that it made itself. What is adopted from another group after
  // the ring has changed is on the list of repairs.
  using Walked = std::map<metadata::GroupId, metadata::ManifestId>;
  // All groups, beyond what was walked, up to the newest. Gives the blocks that are not home.
  // With `shards_lost` only those of which so many shards are on no drive that works.
  task<Result<Left>> walk(Context ctx, Assignment begun, Walked& walked, unsigned shards_lost);
  task<Result<Left>> walk_group(Context ctx, Assignment begun, metadata::GroupId group, metadata::ManifestId& last_own,
                                unsigned shards_lost);
  task<Result<void>> settle_urgent(Context ctx, Assignment begun);
  // Again and again, until no block fails for now; those that are lost get a second chance. False when interrupted.
  task<bool> settle_left(Context ctx, Assignment begun, Left left);
  task<Left> settle_all(Context ctx, Assignment begun, std::deque<Item> items);
  task<bool> settle_some(Context ctx, Assignment begun, std::deque<Item>& items, Left& left);
  task<Outcome> settle(Context ctx, Item item);
  task<Result<bool>> settle_block(Context ctx, Item item);
  task<Result<bool>> at_home(Context ctx, std::shared_ptr<const Placement::View> view, BlockRef block, unsigned shard);
  task<Result<bool>> copy_home(Context ctx, std::shared_ptr<const Placement::View> view, BlockRef block, unsigned shard);
  task<Result<void>> remove_strays(Context ctx, std::shared_ptr<const Placement::View> view, BlockRef block, unsigned shard,
                                   bool verified);
  task<Result<bool>> good_at_home(Context ctx, std::shared_ptr<const Placement::View> view, BlockRef block, unsigned shard);
  task<Result<bool>> gone(Context ctx, Item item);
  task<bool> repairs_settled(const Assignment& begun);

  Core& core_;
  Repairer& repairer_;
  const RebalanceOptions options_;
  Background background_;
  RateLimit limit_;  // used on the executor of start()
  AssignedWork<Assignment, Progress> work_;
  Counter moved_shards_, moved_bytes_, strays_, rebuilt_blocks_;
};

}  // namespace gabion::gateway::data
