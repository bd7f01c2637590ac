// Core is what the writers, readers, repair and collection of one data path share: the things they are given, the options,
// and the small registers in memory. Owned by the BlockStore; everything in it is thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/async.h"
#include "common/metrics.h"
#include "erasure/codec.h"
#include "gateway/data/alarms.h"
#include "gateway/data/keys.h"
#include "gateway/data/memory.h"
#include "gateway/data/pace.h"
#include "gateway/data/placement.h"
#include "gateway/data/registers.h"

namespace gabion::gateway::data {

// Everything outlives the BlockStore.
struct Dependencies {
  Placement& placement;
  metadata::Metadata& metadata;
  KeyStore& keys;
  MemoryBudget& memory;
  Clock& clock;
  Rng& rng;
};

// Deliberate bugs, set by tests alone: they show that the tests would catch them.
struct Sabotage {
  bool acknowledge_early = false;     // when a block is merely readable
  bool forget_repairs = false;        // shards not at home leave no intent, and bad ones are not queued
  bool collect_pinned = false;        // the collector erases what is being read
  bool collect_pinned_elsewhere = false;  // only what is being read here is left alone
  bool collect_shared = false;        // whatever other groups have of it
  bool collect_unconfirmed = false;   // the collector does not ask a second time
  bool reuse_nonces = false;          // every block of a manifest has ordinal 0
  bool trust_tags = false;            // what does not verify is served
  bool remove_unverified = false;     // strays go before the shard is known to be good at home
  bool orphans_without_fence = false; // orphans are looked for as soon as the moment is noted
  bool orphans_before_fence = false;  // or as soon as the fence is made, whoever still writes by the ring before it
  bool orphans_late_note = false;     // the moment is noted when the fence is made already
  bool orphans_of_one_group = false;  // what other groups have is not looked at
  bool orphans_deleted = false;       // nor what waits to be erased
};

struct Options {
  erasure::Profile profile;           // of new blocks, unless the placement has one
  std::string tenant = "default";     // whose key wraps new data keys
  std::size_t fetch_bytes = 1 * MiB;  // plaintext read at once, a multiple of a segment
  unsigned readahead = 2;             // fetches ahead of the one being sent
  // A block that is safe does not wait longer than this for its slowest drives, and one that is not safe after this long
  // is written to others as well.
  Duration straggler_wait = std::chrono::seconds(3);
  Duration hedge_min = std::chrono::milliseconds(20);
  Duration hedge_max = std::chrono::seconds(1);
  Duration read_patience = std::chrono::seconds(30);  // for all drives together, for one fetch
  Sabotage sabotage;
};

struct DataMetrics {
  Counter blocks_written, bytes_written, shards_displaced, shards_unwritten, put_errors, writes_refused, rings_followed;
  Counter fetches, bytes_read, reconstructions, hedges, bad_shards, searches, reads_failed, tag_failures;
  Histogram block_write_latency, shard_read_latency;
  void add_to(MetricsRegistry& registry, const MemoryBudget& memory) const;
};

// How long a shard read may take before another shard is asked as well: a little over what nearly all recent reads took.
class HedgeDelay {
 public:
  HedgeDelay(Duration least, Duration most) : least_(least), most_(most) {}
  void learn(Duration latency);
  Duration delay() const;

 private:
  const Duration least_, most_;
  std::atomic<std::int64_t> p99_ns_{100'000'000};  // patient until enough was learnt
};

struct Core {
  Core(const Dependencies& dependencies, Options given)
      : deps(dependencies), options(std::move(given)), alarms(dependencies.clock),
        hedge(options.hedge_min, options.hedge_max), pace(dependencies.clock, pace_options(dependencies.memory)) {}

  const erasure::Codec& codec(erasure::Profile profile);
  // Of new blocks.
  erasure::Profile profile() const { return deps.placement.view()->profile.value_or(options.profile); }

  const Dependencies deps;
  const Options options;
  Gate gate;  // reads and writes under way, also those nobody waits for any more
  Alarms alarms;
  Pins pins;
  RingsInUse write_rings;  // by which blocks were placed that are not committed yet
  RingsInUse move_rings;   // by which repair and rebalance put and remove shards now
  RepairQueue repairs;
  Discards discards;
  HedgeDelay hedge;
  Pace pace;
  DataMetrics metrics;

 private:
  // A part of the memory is for what is moved, and clients have the rest.
  static Pace::PaceOptions pace_options(const MemoryBudget& memory);

  std::mutex mutex_;
  std::map<std::pair<unsigned, unsigned>, std::unique_ptr<erasure::Codec>> codecs_;
};

}  // namespace gabion::gateway::data
