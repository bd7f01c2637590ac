// What can be set about a drive engine, and what it reports. Plain data.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/result.h"

namespace gabion::chunkserver {

// Deliberate faults, for proving that the tests would notice them. Never set outside of tests.
enum class Mutation {
  none,
  skip_sync,                // acknowledges what is not synced
  skip_checksum,            // trusts payloads without verifying them
  compaction_drops_newest,  // of two records of a shard in one segment keeps the older
  tombstone_dropped_early,  // drops tombstones while older segments still hold what they removed
  skip_dir_sync,            // leaves the name of a new segment unsynced
  index_ahead,              // lets the index know of data before the data is durable
  retry_sync,               // tries a failed sync again and believes the second answer
};

struct DriveOptions {
  // 0: the 128th part of the drive, between 32 and 256 MiB.
  std::uint64_t segment_bytes = 0;
  // One write and one sync carry at most so much.
  std::size_t batch_bytes = 16 * MiB;
  std::size_t batch_operations = 1024;
  // Appends of at least so much go past the page cache, and so do reads of as much that are not in it.
  std::size_t direct_bytes = 128 * KiB;
  // Operations that may wait for the writer; more are turned away with `exhausted`.
  std::size_t queue_operations = 16384;
  // Space kept for removes and compaction: the larger of a share of the drive and a number of segments.
  double reserve_share = 0.02;
  std::uint64_t reserve_segments = 2;
  // A segment is rewritten when so much of it is garbage; half as much suffices when the drive is nearly full.
  double compact_garbage = 0.4;
  std::uint64_t compact_bytes_per_second = 64 * MiB;
  Duration compact_pause = std::chrono::seconds(10);  // between looks for work
  // The index is flushed after so many bytes of log, so that a start after a crash re-reads little.
  std::uint64_t index_flush_bytes = 64 * MiB;
  std::size_t open_segments = 64;  // files kept open for reading, with up to two descriptors each
  Mutation mutation = Mutation::none;
};

struct DriveMetrics {
  Counter puts, removes, reads, read_bytes, written_bytes, batches, syncs;
  Counter corrupt_reads, refused_full, index_rebuilds;
  Counter compacted_segments, compacted_bytes, freed_bytes;
  Gauge compacting_segment, compaction_paused;
  Gauge failed;
  Histogram sync_latency;

  // `labels` names the drive, e.g. R"(drive="...")".
  void register_in(MetricsRegistry& registry, const std::string& labels) const;
};

// Whether a drive works. Once failed it stays so; a damaged index passes when it has been made anew. Thread-safe.
class DriveCondition {
 public:
  explicit DriveCondition(DriveMetrics& metrics) : metrics_(metrics) {}
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  void fail(const Error& cause);
  std::string reason() const;
  bool index_damaged() const { return index_damaged_.load(std::memory_order_acquire); }
  void set_index_damaged(bool damaged);
  bool usable() const { return !failed() && !index_damaged(); }
  // Why it is not usable.
  Error error() const { return {Errc::unavailable, "the drive cannot be used: " + reason()}; }

 private:
  DriveMetrics& metrics_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> index_damaged_{false};
  mutable std::mutex mutex_;
  std::string reason_;
};

}  // namespace gabion::chunkserver
