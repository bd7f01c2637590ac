// Scrubber carries out this member's part of a scrub job: every cell of every shard on its own drives is read and verified,
// and then all manifests are walked for shards whose home is one of these drives and that are bad or not there. Those go to
// the list of repairs. What lies on these drives and is good at its home, as a write whose answer was lost leaves it, is
// removed. It needs no keys. Thread-safe. `store`, `repairer` and the drives outlive it; call stop() before
// destruction.
#pragma once

#include <functional>
#include <optional>
#include <set>

#include "gateway/data/assigned_work.h"
#include "gateway/data/rate_limit.h"
#include "gateway/data/repair.h"

namespace gabion::gateway::data {

// What the cluster wants of this member now.
struct ScrubWork {
  std::uint64_t job = 0;
  bool paused = false;
  Share share = {};  // for the report alone: each member scrubs its own drives
  bool continues(const ScrubWork& other) const { return job == other.job; }
  friend bool operator==(const ScrubWork&, const ScrubWork&) = default;
};

class Scrubber {
 public:
  struct ScrubOptions {
    std::uint64_t bytes_per_second = 64 * MiB;  // of each drive; 0: no limit
    Duration retry = std::chrono::seconds(5);   // after the metadata could not be read
  };
  // A drive of this node. `verify` reads every cell of a shard: corrupt when one is bad.
  struct LocalDrive {
    LocalDrive() = default;
    DriveId id;
    chunkserver::ShardStore* store = nullptr;
    std::function<task<Result<void>>(Context, chunkserver::ShardKey)> verify;
  };
  using Assignment = ScrubWork;
  struct Progress {
    std::uint64_t job = 0;
    Share share;
    std::uint64_t shards_done = 0, shards_total = 0;
    std::uint64_t bytes_verified = 0;
    std::uint64_t bad_shards = 0;  // also those that are not there
    std::uint64_t strays = 0;      // that were removed
    bool finished = false;
  };

  Scrubber(BlockStore& store, Repairer& repairer, ScrubOptions options);

  void start(const Executor& executor);
  task<void> stop() { return background_.stop(); }
  // Those of the next job.
  void set_drives(std::vector<LocalDrive> drives);
  void assign(std::optional<Assignment> assignment);
  Progress progress() const { return work_.progress(); }

 private:
  using Shards = std::set<std::pair<DriveId, chunkserver::ShardKey>>;
  struct Findings {
    Shards bad;
    Shards away;  // from home
  };

  task<void> cycle();
  bool goes_on(std::uint64_t job) const;
  task<Result<void>> carry_out(Context ctx, std::uint64_t job);
  task<Result<Findings>> verify_drive(Context ctx, std::uint64_t job, LocalDrive drive);
  bool is_away(const DriveId& drive, const chunkserver::ShardKey& key) const;
  task<Result<void>> find_owners(Context ctx, std::uint64_t job, std::vector<LocalDrive> drives, Findings findings);
  task<Result<void>> find_owners_in(Context ctx, metadata::GroupId group, std::uint64_t job,
                                    const std::vector<LocalDrive>& drives, const Findings& findings);
  task<void> look_at(Context ctx, BlockRef block, const std::vector<LocalDrive>& drives, const Findings& findings);
  task<void> look_at_home(Context ctx, BlockRef block, unsigned shard, const LocalDrive& drive, const Shards& bad);
  task<void> remove_stray(Context ctx, BlockRef block, unsigned shard, const LocalDrive& drive);
  task<bool> wait_while_paused(std::uint64_t job);

  Core& core_;
  Repairer& repairer_;
  const ScrubOptions options_;
  Background background_;
  AssignedWork<Assignment, Progress> work_;
  mutable std::mutex mutex_;
  std::vector<LocalDrive> drives_;  // guarded by mutex_
};

}  // namespace gabion::gateway::data
