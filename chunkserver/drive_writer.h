// DriveWriter is the only one that changes a drive. Operations of many callers wait in its queue; on its executor, which
// must run one function at a time and may block, it takes as many as fit a batch, appends them with one write and one
// sync, brings the index up to date, and only then answers. Thread-safe but for open_at().
//
// What fails past repair fails the drive: a write, a sync or an index that cannot be trusted is never tried again. Only a
// full drive is an answer (`exhausted`) that leaves the drive in use, and a damaged index is made anew from the segments.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "chunkserver/batch.h"
#include "chunkserver/drive_options.h"
#include "chunkserver/recovery.h"
#include "chunkserver/segment_log.h"
#include "common/async.h"

namespace gabion::chunkserver {

class DriveWriter {
 public:
  DriveWriter(const DriveOptions& options, std::uint64_t segment_bytes, const DriveId& drive, Disk& disk, ShardIndex& index,
              SegmentTable& table, SegmentFiles& files, DriveCondition& condition, Executor executor, Clock& clock,
              DriveMetrics& metrics);
  ~DriveWriter();

  // Goes on where recovery ended; call before anything else.
  void open_at(const Recovered& recovered);

  task<Result<void>> put(NewShard shard);
  task<Result<void>> remove(std::vector<ShardKey> keys);
  // Appends what compaction found worth keeping in segment `from`. Not held to the reserve.
  task<Result<void>> move(SegmentNumber from, std::vector<MovedRecord> records);
  // Removes a segment that nothing points into any more; conflict when something does.
  task<Result<void>> retire(SegmentNumber segment);
  // Makes the index anew from the segments, if it is still known to be damaged.
  task<Result<void>> rebuild_index();
  // Seals the newest segment and flushes the index, so that the next start reads nothing.
  task<Result<void>> close();

  // Every record of the drive has a smaller sequence, and whatever is appended from now on has none.
  std::uint64_t next_sequence() const { return next_sequence_.load(); }
  // Segments from this number on may still grow.
  SegmentNumber newest() const { return newest_.load(); }
  // Bytes of the drive that puts leave alone.
  std::uint64_t reserve_bytes(const DiskSpace& space) const;

 private:
  enum class Kind { put, remove, move, retire, rebuild, close };
  struct Work {
    Kind kind = Kind::put;
    NewShard shard;
    std::vector<ShardKey> keys;
    std::vector<MovedRecord> records;
    SegmentNumber segment = 0;
    std::size_t heads_max = 0;  // bytes of heads, tables and padding
    std::size_t bytes_max = 0;  // bytes of records
    Result<void> result;
    Event done;
  };
  using Works = std::vector<std::shared_ptr<Work>>;

  task<Result<void>> submit(std::shared_ptr<Work> work);
  void drain();
  Works take_batch();
  void process(const Works& works);
  Result<void> attempt(const Works& works);
  Result<void> write_batch(const Works& works);
  Result<void> fill(Batch& batch, const Works& works);
  Result<void> commit(Batch& batch);
  Result<void> publish(const IndexBatch& changes);
  void refuse_puts_without_space(Works& works);
  Result<void> control(const Work& work);
  Result<void> retire_now(SegmentNumber segment);
  Result<void> rebuild_now();
  Result<void> close_now();
  static void add_record(Work& work, std::uint32_t length);

  // Fixed after construction.
  const DriveOptions& options_;
  const std::uint64_t segment_bytes_;
  const DriveId drive_;
  Disk& disk_;
  ShardIndex& index_;
  SegmentTable& table_;
  SegmentFiles& files_;
  DriveCondition& condition_;
  const Executor executor_;
  DriveMetrics& metrics_;
  // Of the writer's executor.
  SegmentLog log_;
  LogPosition position_;
  std::uint64_t unflushed_bytes_ = 0;
  std::atomic<SegmentNumber> newest_{0};
  std::atomic<std::uint64_t> next_sequence_{1};  // behind what is durable and in the index
  // Guarded by mutex_.
  std::mutex mutex_;
  std::deque<std::shared_ptr<Work>> queue_;
  bool draining_ = false;
};

}  // namespace gabion::chunkserver
