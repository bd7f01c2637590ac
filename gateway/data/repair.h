// Repairer brings shards back to where they belong: it takes the intents that writers and readers left in the metadata, several
// at once, those of blocks with the fewest shards left first; reads the block verified by its tags, computes the shards anew,
// puts those that are missing or wrong on their home drives, and reads them back before it says so. While a home drive is dead
// it keeps the shard on another drive and the intent in the list. Nothing is removed but copies away from home, and those only
// once home is verified.
// Every member of a cluster has one and does its share; thread-safe. `store` outlives it; call stop() before destruction.
#pragma once

#include <atomic>
#include <deque>
#include <unordered_set>

#include "gateway/data/background.h"
#include "gateway/data/block_reads.h"
#include "gateway/data/block_store.h"
#include "gateway/data/rate_limit.h"
#include "gateway/data/share.h"

namespace gabion::gateway::data {

class Repairer {
 public:
  struct RepairOptions {
    Duration interval = std::chrono::seconds(30);  // between looks at intents that could not be carried out
    std::uint64_t bytes_per_second = 0;            // of plaintext repaired; 0: no limit
  };
  struct Progress {
    std::uint64_t repaired_shards = 0;
    std::uint64_t repaired_bytes = 0;
    std::uint64_t failed_blocks = 0;   // attempts
    std::uint64_t waiting_blocks = 0;  // as of the last look
    std::uint64_t rounds_begun = 0, rounds_ended = 0;
    bool all_settled = false;          // the last round left nothing in this member's share but what is beyond repair
  };

  Repairer(BlockStore& store, RepairOptions options);

  void start(const Executor& executor);
  task<void> stop();
  void pause() { background_.pause(); }
  void resume() { background_.resume(); }
  void wake() { background_.wake(); }
  Progress progress() const;
  void set_share(Share share);
  void add_to(MetricsRegistry& registry) const;

  // Hands bad shards found by readers to the metadata.
  task<Result<void>> flush(Context ctx);
  // Carries out all intents of its share that it can, most urgent first, as many at once as the pace allows; true when none is
  // left. One round at a time.
  task<Result<bool>> run_once(Context ctx);
  // Brings these shards of one block home from what can be read of it. False when the block is gone. An error, unavailable
  // among others, when a home is dead; corrupt when too little is left of the block. The caller has the turn for it.
  task<Result<bool>> make_whole(Context ctx, metadata::GroupId group, metadata::ManifestId manifest, BlockId block,
                                std::vector<unsigned> shards);

 private:
  // gone: nothing refers to the block any more; kept: later; lost: too little is left of it.
  enum class Outcome { done, gone, kept, lost };

  task<void> cycle();
  // In all groups: one that does not have the manifest of an intent leaves it.
  task<Result<void>> record(Context ctx, std::vector<metadata::RepairIntent> intents);
  // Nothing has changed since the intent had to be left: its homes are dead as they were.
  bool hopeless(const metadata::RepairIntent& intent);
  // Nothing but what is beyond repair was left, in this member's share.
  task<Result<bool>> run_round(Context ctx);
  struct Left {
    std::uint64_t kept = 0;  // of the intents
    bool settled = true;     // all of them are beyond repair
  };
  // Some of the intents of one group, and what became of them.
  struct Batch {
    metadata::GroupId group = metadata::kRootGroup;
    std::deque<metadata::RepairIntent> intents;
    Left left;
    Result<void> outcome;
  };
  task<Result<Left>> run_round_in(Context ctx, metadata::GroupId group, Share mine);
  task<Result<bool>> fill(Context ctx, Batch& batch, std::string& after, Share mine);
  task<bool> work_on(Context ctx, Batch& batch);
  task<Result<Outcome>> carry_out_in_turn(Context ctx, metadata::GroupId group, metadata::RepairIntent intent);
  // What became of one intent; done and gone ones are taken off the list.
  task<Result<Outcome>> carry_out(Context ctx, metadata::GroupId group, metadata::RepairIntent intent);
  Share share() const;
  task<Result<Outcome>> repair(Context ctx, metadata::GroupId group, metadata::RepairIntent intent);
  task<Result<Outcome>> repair_block(Context ctx, std::shared_ptr<OpenManifest> open, BlockRef block,
                                     std::vector<unsigned> shards);
  task<Result<Outcome>> place(Context ctx, BlockRef block, unsigned shard, Bytes bytes);
  task<Result<bool>> is_away(Context ctx, BlockRef block, unsigned shard);
  // All homes are dead and other drives have the shards: nothing can be done now.
  task<Result<bool>> all_safe_away_from_dead_homes(Context ctx, BlockRef block, std::vector<unsigned> shards);
  task<Result<bool>> holds(Context ctx, std::shared_ptr<const Placement::View> view, std::size_t drive,
                           chunkserver::ShardKey key, Bytes bytes);
  task<Result<Outcome>> keep_away_from_home(Context ctx, BlockRef block, unsigned shard, Bytes bytes);
  // Home was found good by this view.
  task<void> remove_strays(Context ctx, std::shared_ptr<const Placement::View> view, BlockRef block, unsigned shard);
  task<bool> remove_stray(Context ctx, std::shared_ptr<const Placement::View> view, std::size_t drive,
                          std::size_t home, chunkserver::ShardKey key);

  Core& core_;
  Background background_;
  RateLimit limit_;  // used on the executor of start()
  // Blocks that were looked at while the drives were as in `looked_view_`, and for which nothing could be done then.
  // Used by one run_once() at a time.
  std::shared_ptr<const Placement::View> looked_view_;
  std::unordered_set<std::string> looked_;
  std::atomic<std::uint64_t> waiting_{0};
  std::atomic<std::uint64_t> rounds_begun_{0}, rounds_ended_{0};
  std::atomic<bool> settled_{false};
  mutable std::mutex mutex_;
  Share share_;
  Counter shards_, bytes_, failures_;
};

}  // namespace gabion::gateway::data
