// Repairer brings shards back to where they belong: it takes the intents that writers and readers left in the metadata,
// reads the block verified by its tags, computes the shards anew, puts those that are missing or wrong on their home
// drives, and reads them back before it says so. While a home drive is dead it keeps the shard on another drive and the
// intent in the list. Nothing is removed but copies away from home, and those only once home is verified.
// One per cluster member that repairs; thread-safe. `store` outlives it; call stop() before destruction.
#pragma once

#include <atomic>
#include <unordered_set>

#include "gateway/data/background.h"
#include "gateway/data/block_reads.h"
#include "gateway/data/block_store.h"

namespace gabion::gateway::data {

class Repairer {
 public:
  struct RepairOptions {
    Duration interval = std::chrono::seconds(30);  // between looks at intents that could not be carried out
    std::uint64_t bytes_per_second = 128 * MiB;    // of plaintext repaired; 0: no limit
  };
  struct Progress {
    std::uint64_t repaired_shards = 0;
    std::uint64_t repaired_bytes = 0;
    std::uint64_t failed_blocks = 0;   // attempts
    std::uint64_t waiting_blocks = 0;  // as of the last look
    // Of the drive being rebuilt.
    bool rebuilding = false;
    std::uint64_t blocks_looked_at = 0;
    std::uint64_t blocks_rebuilt = 0;
  };

  Repairer(BlockStore& store, RepairOptions options);

  void start(const Executor& executor);
  task<void> stop();
  void pause() { background_.pause(); }
  void resume() { background_.resume(); }
  void wake() { background_.wake(); }
  Progress progress() const;
  void add_to(MetricsRegistry& registry) const;

  // Hands bad shards found by readers to the metadata.
  task<Result<void>> flush(Context ctx);
  // Carries out all intents that it can, most urgent first; true when none is left. One at a time.
  task<Result<bool>> run_once(Context ctx);
  // Puts every shard whose home is this drive and that it does not hold onto it: for a drive that replaces another. Gives
  // the number of blocks that could not be repaired.
  task<Result<std::uint64_t>> rebuild_drive(Context ctx, DriveId drive);

 private:
  enum class Outcome { done, gone, kept };  // gone: nothing refers to the block any more; kept: later

  task<void> cycle();
  // Nothing has changed since the intent had to be left: its homes are dead as they were.
  bool hopeless(const metadata::RepairIntent& intent);
  task<Result<Outcome>> repair(Context ctx, metadata::RepairIntent intent);
  task<Result<Outcome>> repair_block(Context ctx, std::shared_ptr<OpenManifest> open, BlockRef block,
                                     std::vector<unsigned> shards);
  task<Result<Outcome>> place(Context ctx, BlockRef block, unsigned shard, Bytes bytes);
  task<Result<bool>> is_away(Context ctx, BlockRef block, unsigned shard);
  // All homes are dead and other drives have the shards: nothing can be done now.
  task<Result<bool>> all_safe_away_from_dead_homes(Context ctx, BlockRef block, std::vector<unsigned> shards);
  task<Result<bool>> holds(Context ctx, std::size_t drive, chunkserver::ShardKey key, Bytes bytes);
  task<Result<Outcome>> keep_away_from_home(Context ctx, BlockRef block, unsigned shard, Bytes bytes);
  task<void> remove_strays(Context ctx, BlockRef block, unsigned shard, std::size_t home);
  // Gives the number of blocks that failed.
  task<std::uint64_t> rebuild_manifest(Context ctx, metadata::ManifestId id, metadata::Manifest manifest, DriveId drive);
  task<std::optional<unsigned>> missing_shard(Context ctx, BlockRef block, DriveId drive);
  task<void> limit_rate(std::uint64_t bytes);

  Core& core_;
  const RepairOptions options_;
  Background background_;
  // Blocks that were looked at while the drives were as in `looked_view_`, and for which nothing could be done then.
  // Used by one run_once() at a time.
  std::shared_ptr<const Placement::View> looked_view_;
  std::unordered_set<std::string> looked_;
  std::atomic<std::uint64_t> waiting_{0}, looked_at_{0}, rebuilt_{0};
  std::atomic<bool> rebuilding_{false};
  Counter shards_, bytes_, failures_;
};

}  // namespace gabion::gateway::data
