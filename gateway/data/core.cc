#include "gateway/data/core.h"

#include <algorithm>

namespace gabion::gateway::data {

Pace::PaceOptions Core::pace_options(const MemoryBudget& memory) {
  constexpr std::size_t kOneBlock = 32 * MiB;  // while it is repaired: its shards, and the block that they make
  constexpr std::size_t kShare = 4;
  Pace::PaceOptions options;
  options.most = std::clamp<std::size_t>(memory.capacity() / kShare / kOneBlock, 1, options.most);
  return options;
}

const erasure::Codec& Core::codec(erasure::Profile profile) {
  const std::lock_guard lock(mutex_);
  auto& codec = codecs_[{profile.data, profile.parity}];
  if (!codec) codec = std::make_unique<erasure::Codec>(profile);
  return *codec;
}

void HedgeDelay::learn(Duration latency) {
  // A step up for each sample above the estimate, a hundredth of it down for each below: settles where one in a hundred
  // is above. Lost updates between threads do no harm.
  const std::int64_t sample = latency.count();
  const std::int64_t estimate = p99_ns_.load(std::memory_order_relaxed);
  const std::int64_t step = std::max<std::int64_t>(estimate / 8, 10'000);
  const std::int64_t next = sample > estimate ? std::min(estimate + step, sample) : estimate - step / 100;
  p99_ns_.store(std::max<std::int64_t>(next, 0), std::memory_order_relaxed);
}

Duration HedgeDelay::delay() const {
  return std::clamp<Duration>(Duration(2 * p99_ns_.load(std::memory_order_relaxed)), least_, most_);
}

void DataMetrics::add_to(MetricsRegistry& registry, const MemoryBudget& memory) const {
  const auto counter = [&](const char* name, const char* help, const Counter& value) {
    registry.add(std::string("gabion_data_") + name, help, "", value);
  };
  counter("blocks_written_total", "Blocks made durable.", blocks_written);
  counter("written_bytes_total", "Plaintext bytes in blocks made durable.", bytes_written);
  counter("shards_displaced_total", "Shards written to a drive that is not their home.", shards_displaced);
  counter("shards_unwritten_total", "Shards that no drive had taken when their block was acknowledged.", shards_unwritten);
  counter("shard_put_errors_total", "Shard writes that failed.", put_errors);
  counter("writes_refused_total", "Blocks that too few drives took.", writes_refused);
  counter("rings_followed_total", "Blocks that went on by a newer ring that a drive knew of.", rings_followed);
  counter("fetches_total", "Ranges of sealed blocks fetched from drives.", fetches);
  counter("read_bytes_total", "Plaintext bytes read from blocks.", bytes_read);
  counter("reconstructions_total", "Shard ranges computed from other shards.", reconstructions);
  counter("hedged_reads_total", "Reads that asked other shards because one was late.", hedges);
  counter("bad_shards_total", "Shards found missing or corrupt by reads.", bad_shards);
  counter("searches_total", "Reads that had to look for shards away from home.", searches);
  counter("reads_failed_total", "Ranges that too few shards were left for.", reads_failed);
  counter("tag_failures_total", "Sealed segments with good checksums that did not verify.", tag_failures);
  registry.add("gabion_data_block_write_seconds", "Time from a full block to its durability.", "", block_write_latency);
  registry.add("gabion_data_shard_read_seconds", "Time of one shard read.", "", shard_read_latency);
  registry.add("gabion_data_memory_used_bytes", "Memory held for request data.", "",
               [&memory] { return static_cast<double>(memory.used()); });
  registry.add("gabion_data_memory_waiting", "Requests that wait for memory.", "",
               [&memory] { return static_cast<double>(memory.waiting()); });
  registry.add("gabion_data_memory_refused", "Requests that waited for memory in vain, since the start.", "",
               [&memory] { return static_cast<double>(memory.refused()); });
}

}  // namespace gabion::gateway::data
