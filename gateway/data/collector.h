// Collector erases blocks that nothing refers to: those the metadata has doomed, once their grace period is over and a
// second look inside the metadata found no reference, and those of writers that were abandoned. After a split or a copy several
// groups of the metadata have a manifest: its blocks are erased with the entry of the last one. An entry is finished only
// when every drive that may hold a shard said it is gone; while some drive is down, or the ring may have changed, the entry
// stays. While orphans are looked for, entries of what lives on stay too: see orphans.h. A drive that was given up and left
// the ring is not waited for. What a reader still reads, on this node or another,
// is left alone. Every step may be repeated. In a cluster one node collects what is doomed; each erases what its own writers
// abandoned. Thread-safe. `store` outlives it; call stop() before destruction.
#pragma once

#include <functional>
#include <vector>

#include "gateway/data/background.h"
#include "gateway/data/block_store.h"
#include "metadata/loans.h"

namespace gabion::gateway::data {

class Collector {
 public:
  struct CollectorOptions {
    Duration interval = std::chrono::seconds(60);
    Duration grace = std::chrono::hours(1);  // five minutes or more where there are several groups
    Duration loan_age = metadata::kLoanAge;  // of manifests lent for a copy that was never ended
    std::size_t batch = 128;  // entries at once
    // In a cluster: whether this node is the one that collects, and what the readers of all other gateways hold on to, as
    // they tell after the call began. Empty: it does, and there are none.
    std::function<bool()> collects_here = {};
    std::function<task<Result<std::vector<metadata::ManifestId>>>(Context)> pinned_elsewhere = {};
  };

  Collector(BlockStore& store, CollectorOptions options);

  void start(const Executor& executor);
  task<void> stop() { return background_.stop(); }
  void pause() { background_.pause(); }
  void resume() { background_.resume(); }
  void wake() { background_.wake(); }
  void add_to(MetricsRegistry& registry) const;

  // One look at everything. Gives the number of entries and discarded blocks that were erased.
  task<Result<std::uint64_t>> run_once(Context ctx);

 private:
  task<void> cycle();
  task<Result<std::uint64_t>> collect_doomed(Context ctx, metadata::GroupId group, Duration grace);
  task<Result<std::uint64_t>> collect_batch(Context ctx, metadata::GroupId group, Duration grace,
                                            std::vector<metadata::Doomed> entries);
  task<Result<std::vector<metadata::ManifestId>>> confirm(Context ctx, metadata::GroupId group,
                                                          std::vector<metadata::ManifestId> ids);
  // Those of `ids` that another group has, live or doomed. An error when any does not answer.
  task<Result<std::vector<metadata::ManifestId>>> others_have(Context ctx, metadata::GroupId group,
                                                              std::vector<metadata::ManifestId> ids);
  task<Result<std::vector<metadata::ManifestId>>> doomed_in(Context ctx, metadata::GroupId group,
                                                            std::vector<metadata::ManifestId> ids);
  task<Result<void>> end_old_loans(Context ctx);
  task<Result<std::vector<metadata::ManifestId>>> pinned_elsewhere(Context ctx);
  task<Result<bool>> orphans_are_sought(Context ctx);
  task<std::uint64_t> collect_discards(Context ctx);
  // True when every drive said that it has none of them any more.
  task<bool> erase(Context ctx, std::vector<chunkserver::ShardKey> keys);

  Core& core_;
  const CollectorOptions options_;
  Background background_;
  WallMicros loans_looked_at_ = 0;  // used by one run_once() at a time
  Counter erased_entries_, erased_blocks_, postponed_;
};

}  // namespace gabion::gateway::data
