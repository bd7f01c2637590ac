#include "chunkserver/drive_options.h"

namespace gabion::chunkserver {

void DriveMetrics::register_in(MetricsRegistry& registry, const std::string& labels) const {
  const auto add = [&](const char* name, const char* help, const auto& metric) {
    registry.add(std::string("gabion_drive_") + name, help, labels, metric);
  };
  add("puts_total", "Shards written.", puts);
  add("removes_total", "Shards removed.", removes);
  add("reads_total", "Reads of shards.", reads);
  add("read_bytes_total", "Bytes of shards returned.", read_bytes);
  add("written_bytes_total", "Bytes appended to segments.", written_bytes);
  add("batches_total", "Group commits.", batches);
  add("syncs_total", "Syncs of segments.", syncs);
  add("sync_seconds", "Latency of syncs.", sync_latency);
  add("corrupt_reads_total", "Reads that met a bad checksum or an unreadable sector.", corrupt_reads);
  add("refused_full_total", "Puts refused because the drive is full.", refused_full);
  add("index_rebuilds_total", "Times the index was found damaged and made anew.", index_rebuilds);
  add("compacted_segments_total", "Segments rewritten and removed.", compacted_segments);
  add("compacted_bytes_total", "Bytes of live records copied by compaction.", compacted_bytes);
  add("freed_bytes_total", "Bytes of segments removed by compaction.", freed_bytes);
  add("compacting_segment", "Number of the segment being compacted, 0 when none.", compacting_segment);
  add("compaction_paused", "1 while compaction is paused.", compaction_paused);
  add("failed", "1 once the drive has failed.", failed);
}

void DriveCondition::fail(const Error& cause) {
  {
    const std::lock_guard lock(mutex_);
    if (failed()) return;
    reason_ = cause.message;
    failed_.store(true, std::memory_order_release);
  }
  metrics_.failed.set(1);
  LOG(error, "chunkserver", "drive failed", field("reason", cause.message));
}

void DriveCondition::set_index_damaged(bool damaged) {
  if (index_damaged_.exchange(damaged) == damaged) return;
  if (!damaged) return;
  metrics_.index_rebuilds.add();
  LOG(warn, "chunkserver", "the index of a drive is damaged and is made anew");
}

std::string DriveCondition::reason() const {
  if (!failed() && index_damaged()) return "its index is damaged and is being made anew";
  const std::lock_guard lock(mutex_);
  return reason_;
}

}  // namespace gabion::chunkserver
