// OrphanSweeper carries out this member's part of a job that removes orphans: shards on its own drives of blocks that no manifest
// refers to and none ever will. A write whose gateway died or whose commit did not happen leaves them, and so does a drive that
// was given up and comes back. It needs no keys.
//
// What makes it safe. Call a block *old* when a shard of it was stored before a certain moment, and *dead* when no group of the
// metadata has it in a manifest or waits to erase it.
//   1. The moment is noted as a position in each drive's log. Then the cluster's state is read: the job has no fence yet. So
//      the fence, a ring with a newer epoch, is made later, and an old block was begun by a ring before it; its manifest says so
//      (Manifest.ring_epoch is the ring by which the first shard went out).
//   2. The fence stands: no older ring is kept, and so every group refuses manifests with older blocks. From here on an old
//      block gets into a group's manifests from another group's alone: by a copy or a split, while that group has it too.
//   3. All groups are walked, first their manifests, then what they wait to erase; groups that have come since as well. An old
//      block that was live at the beginning was in some group then, and stays in that one's manifests or, once deleted there,
//      on its list of what is to be erased. It leaves the list when it has been erased; and what lives on in another group, or
//      comes back to this one, stays on it while such a job is not over (Collector). So the walk meets it, wherever it goes.
//   4. That the job was not over when the walk ended is read from the cluster's state.
//   5. Whatever is old and was not met is dead, and stays so: its shards may go at any time, whoever stored them when.
// Whatever cannot be read, a drive, a group, the state, ends the attempt, or leaves the drive out; nothing is removed on a guess.
//
// Blocks are looked for in slices of their ids that fit into memory, with one walk each. Strays, which are live blocks' shards on
// a wrong drive, are left to scrub and rebalance. Thread-safe. `store` and the drives outlive it; call stop() before
// destruction.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "gateway/data/assigned_work.h"
#include "gateway/data/background.h"
#include "gateway/data/block_store.h"
#include "gateway/data/orphan_candidates.h"
#include "gateway/data/rate_limit.h"
#include "gateway/data/share.h"

namespace gabion::gateway::data {

// What the cluster wants of this member now.
struct SweepWork {
  std::uint64_t job = 0;
  std::uint64_t fence = 0;  // its epoch; 0: it is made once every member has noted its moment
  bool stands = false;
  bool paused = false;
  Share share = {};  // for the report alone: each member sweeps its own drives
  bool continues(const SweepWork& other) const { return job == other.job; }
  friend bool operator==(const SweepWork&, const SweepWork&) = default;
};

class OrphanSweeper {
 public:
  struct SweepOptions {
    std::size_t memory_bytes = 64 * MiB;           // of one slice: eight bytes a block
    std::uint64_t entries_per_second = 20'000;     // manifests and shards looked at; 0: no limit
    Duration retry = std::chrono::seconds(5);      // after something could not be read
  };
  // A drive of this node; see DriveStore for `position` and `list_before`.
  struct LocalDrive {
    LocalDrive() = default;
    DriveId id;
    chunkserver::ShardStore* store = nullptr;
    std::function<std::uint64_t()> position;
    std::function<task<Result<chunkserver::ShardPage>>(Context, std::uint64_t, chunkserver::ShardKey, std::size_t)> list_before;
  };
  using Assignment = SweepWork;
  struct Progress {
    std::uint64_t job = 0;
    Share share;
    bool ready = false;  // the moment is noted
    std::uint64_t shards_done = 0, shards_total = 0;
    std::uint64_t removed_shards = 0, removed_bytes = 0;
    std::uint64_t drives_left_out = 0;  // that failed, or are here only since the fence was made
    bool finished = false;
  };

  OrphanSweeper(BlockStore& store, SweepOptions options);

  void start(const Executor& executor);
  task<void> stop() { return background_.stop(); }
  // Those that work now.
  void set_drives(std::vector<LocalDrive> drives);
  void assign(std::optional<Assignment> assignment);
  Progress progress() const { return work_.progress(); }
  void add_to(MetricsRegistry& registry) const;

 private:
  struct NotedDrive {
    LocalDrive drive;
    std::uint64_t position = 0;
  };
  struct Note {
    std::uint64_t job = 0;
    std::vector<NotedDrive> drives;
    OrphanCandidates::Prefix from = 0;  // everything before is swept
  };
  using Drives = std::vector<NotedDrive>;

  task<void> cycle();
  bool goes_on(std::uint64_t job) const;
  task<bool> wait_while_paused(std::uint64_t job);
  task<Result<void>> note(Context ctx, std::uint64_t job);
  // The job as the cluster's state has it now; not_found when it is over.
  task<Result<metadata::Job>> open_job(Context ctx, std::uint64_t job);
  task<Result<void>> sweep(Context ctx, std::uint64_t job);
  task<Result<Drives>> drives_to_sweep(Context ctx, std::uint64_t job);
  task<Result<void>> sweep_slice(Context ctx, std::uint64_t job, Drives& drives, OrphanCandidates& candidates);
  task<Result<void>> collect(Context ctx, std::uint64_t job, Drives& drives, OrphanCandidates& candidates);
  task<Result<void>> mark_live(Context ctx, std::uint64_t job, OrphanCandidates& candidates);
  task<Result<void>> mark_group(Context ctx, std::uint64_t job, metadata::GroupId group, OrphanCandidates& candidates);
  task<Result<void>> remove_orphans(Context ctx, std::uint64_t job, Drives& drives, const OrphanCandidates& candidates);
  void leave_out(const DriveId& drive, const Error& why);
  task<Result<void>> take_turn(std::uint64_t job, std::uint64_t entries);

  Core& core_;
  const SweepOptions options_;
  Background background_;
  RateLimit limit_;  // used on the executor of start()
  Note note_;        // likewise
  AssignedWork<Assignment, Progress> work_;
  mutable std::mutex mutex_;
  std::vector<LocalDrive> drives_;  // guarded by mutex_
  Counter shards_, bytes_;
};

}  // namespace gabion::gateway::data
