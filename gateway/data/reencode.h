// Reencoder carries out this member's share of a job that codes anew what is wider than the storage class: fewer drives are to be
// left than its blocks have shards. It goes through the manifests of all groups, reads each wide one's blocks as they are
// sealed, writes them in the class as new blocks, as durably as a writer would, and then has the metadata exchange the old for
// the new ones in one step. A reader that has begun keeps the old ones until it has ended; copies and uploads that share the
// manifest follow it unseen.
//
// Nothing wider comes any more when the job begins (metadata/cluster/narrowing.h). What is there moves between groups, so a share
// is done when a whole walk has found nothing. What cannot be coded anew is tried again, walk after walk: a job with such
// blocks does not end.
//
// Thread-safe. `store` outlives it; call stop() before destruction.
#pragma once

#include <optional>

#include "gateway/data/assigned_work.h"
#include "gateway/data/background.h"
#include "gateway/data/block_store.h"
#include "gateway/data/rate_limit.h"
#include "gateway/data/share.h"

namespace gabion::gateway::data {

class Reencoder {
 public:
  struct ReencodeOptions {
    ReencodeOptions() = default;
    std::uint64_t bytes_per_second = 256 * MiB;  // of plaintext, by this member; 0: no limit
    std::size_t manifests_at_once = 4;
    Duration retry = std::chrono::seconds(5);  // between walks that leave something
  };
  struct Assignment {
    std::uint64_t job = 0;
    std::uint64_t epoch = 0;  // the class is that of this ring, or a later one
    Share share;
    bool paused = false;
    bool continues(const Assignment& other) const { return job == other.job && epoch == other.epoch && share == other.share; }
    friend bool operator==(const Assignment&, const Assignment&) = default;
  };
  struct Progress {
    std::uint64_t job = 0;
    Share share;
    std::uint64_t blocks_done = 0, blocks_total = 0;
    std::uint64_t bytes_moved = 0;
    std::uint64_t failed_blocks = 0;  // of the last walk
    bool finished = false;
  };

  Reencoder(BlockStore& store, ReencodeOptions options);

  void start(const Executor& executor);
  task<void> stop() { return background_.stop(); }
  // nullopt: nothing to do. Another job, share or epoch begins anew.
  void assign(std::optional<Assignment> assignment);
  Progress progress() const { return work_.progress(); }
  // Blocks of which it is not known whether they became a manifest's: nobody will ever refer to them if they did not.
  std::uint64_t blocks_in_doubt() const { return in_doubt_.value(); }
  void add_to(MetricsRegistry& registry) const;

 private:
  struct Item {
    metadata::GroupId group = 0;
    metadata::ManifestId manifest = 0;
    std::uint64_t blocks = 0;
  };
  // A manifest's new blocks, until it is known whether they are its own.
  class Attempt;
  // What a walk is for. The last one is to find nothing: it counts also what was deleted since it began, which may live on in a
  // group that it had passed.
  enum class Walk { count, recode, last };

  task<void> cycle();
  bool goes_on(const Assignment& begun) const;
  task<Result<void>> carry_out(Context ctx, Assignment begun);
  // Through all groups. Gives how many blocks of this share are wide, or were and could not be coded anew.
  task<Result<std::uint64_t>> walk(Context ctx, Assignment begun, Walk what);
  task<Result<std::uint64_t>> walk_group(Context ctx, Assignment begun, Walk what, metadata::GroupId group, WallMicros since);
  task<Result<std::uint64_t>> deleted_since(Context ctx, Assignment begun, metadata::GroupId group, WallMicros since);
  task<std::uint64_t> recode_all(Context ctx, Assignment begun, std::vector<Item> items);
  // Gives how many blocks failed.
  task<std::uint64_t> recode_one(Context ctx, Assignment begun, Item item);
  task<Result<void>> recode(Context ctx, Assignment begun, Item item);
  task<Result<void>> commit(Context ctx, Item item, std::uint64_t contents, std::shared_ptr<Attempt> attempt);
  bool wide(const metadata::Manifest& manifest) const;

  Core& core_;
  const ReencodeOptions options_;
  Background background_;
  RateLimit limit_;  // used on the executor of start()
  AssignedWork<Assignment, Progress> work_;
  Counter blocks_, bytes_, failures_, in_doubt_;
};

}  // namespace gabion::gateway::data
