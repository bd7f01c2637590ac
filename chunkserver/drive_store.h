// DriveStore is the drive engine: a ShardStore on one drive of this process. Shards are appended to segments (format.h)
// and found through an index that is rebuilt from them. Writes of many callers share one write and one sync; reads are
// answered on the caller's thread when the bytes are in memory, and on the readers' executor otherwise.
//
//   auto drive = DriveStore::open(options, identity, disk, index, writer, readers, clock, metrics);   // blocks: recovery
//   (*drive)->start();                     // background compaction
//   co_await (*drive)->stop();             // seals, so that the next open is quick; no calls after it
//
// Thread-safe. `writer` must run one function at a time and may block (an io_context with one thread per drive);
// `readers` may block and may have many threads. Everything passed by reference must outlive the drive, the executors too.
// Destroying it without stop() is like a crash of the process: nothing acknowledged is lost.
#pragma once

#include <memory>

#include "chunkserver/compactor.h"
#include "chunkserver/drive_options.h"
#include "chunkserver/drive_writer.h"
#include "chunkserver/identity.h"
#include "chunkserver/segments.h"
#include "chunkserver/shard_index.h"
#include "chunkserver/shard_store.h"
#include "common/async.h"

namespace gabion::chunkserver {

class DriveStore final : public ShardStore {
 public:
  // Brings the index up to date and is ready. Removes nothing. Any error means the drive cannot be used now: a segment
  // that cannot be opened or read, a newer format, no segments directory.
  static Result<std::unique_ptr<DriveStore>> open(const DriveOptions& options, const Identity& identity, Disk& disk,
                                                  ShardIndex& index, Executor writer, Executor readers, Clock& clock,
                                                  DriveMetrics& metrics);

  // Starts background compaction. stop() must follow before destruction.
  void start();
  task<void> stop();
  // In place of stop(), for a drive that is lost: every call is unavailable from here on, and once this returns nothing of the
  // drive is written any more.
  task<void> give_up(std::string why);

  task<Result<void>> put(Context ctx, ShardKey key, std::vector<Bytes> pieces) override;
  task<Result<Bytes>> read(Context ctx, ShardKey key, std::uint32_t offset, std::uint32_t length) override;
  task<Result<ShardInfo>> stat(Context ctx, ShardKey key) override;
  task<Result<void>> remove(Context ctx, std::vector<ShardKey> keys) override;
  task<Result<ShardPage>> list(Context ctx, ShardKey from, std::size_t limit) override;
  task<Result<DriveStatus>> status(Context ctx) override;

  // Reads every cell of a shard from the drive, for scrub. corrupt names what is bad; not_found.
  task<Result<void>> verify(Context ctx, ShardKey key);

  // A moment in the life of the drive: what it has now was stored before it, and nothing that is put from now on will have been.
  std::uint64_t position() const { return writer_.next_sequence(); }
  // As list(), but only shards that were stored before that position, wherever compaction brought them since. A shard that was
  // put again later is not among them. Good for as long as the drive is open.
  task<Result<ShardPage>> list_before(Context ctx, std::uint64_t position, ShardKey from, std::size_t limit);

  // Compacts one segment now, at the configured rate. False when no segment has enough garbage, or one is being compacted.
  task<Result<bool>> compact_once();
  void pause_compaction(bool paused);

  const Identity& identity() const { return identity_; }
  const Recovered& recovered() const { return recovered_; }

 private:
  DriveStore(const DriveOptions& options, const Identity& identity, std::uint64_t segment_bytes, Disk& disk, ShardIndex& index,
             Executor writer, Executor readers, Clock& clock, DriveMetrics& metrics);

  struct Range {
    std::uint32_t offset = 0;
    std::uint32_t length = 0;  // 0: to the end
  };
  Result<void> usable(const Context& ctx) const;
  Result<std::optional<IndexEntry>> find(const ShardKey& key, ReadMode mode);
  Result<IndexPage> list_now(const ShardKey& from, std::size_t limit);
  Result<ShardPage> list_before_now(std::uint64_t position, ShardKey from, std::size_t limit);
  task<Result<ShardPage>> list_any(Context ctx, std::uint64_t before, ShardKey from, std::size_t limit);
  task<Result<Bytes>> read_range(ShardKey key, Range range, ReadMode mode);
  task<Result<std::optional<IndexEntry>>> find_waiting(ShardKey key);
  Result<Bytes> read_now(const ShardKey& key, Range range, ReadMode mode);
  Result<Bytes> read_at(const ShardKey& key, const IndexEntry& entry, Range range, ReadMode mode);
  Result<Bytes> read_bytes(File& file, const ShardKey& key, std::uint64_t offset, std::size_t length, ReadMode mode);
  Result<Bytes> read_cells(File& file, const ShardKey& key, const IndexEntry& entry, Range range, ReadMode mode);
  Result<std::shared_ptr<File>> segment_file(SegmentNumber number, ReadMode mode);
  DriveStatus status_now();
  task<void> compact_in_background();
  task<Result<bool>> compact_alone();

  // Fixed after construction.
  const DriveOptions options_;
  const Identity identity_;
  Disk& disk_;
  ShardIndex& index_;
  const Executor readers_;
  Clock& clock_;
  DriveMetrics& metrics_;
  Recovered recovered_;
  // Synchronise themselves.
  DriveCondition condition_;
  SegmentTable table_;
  SegmentFiles files_;
  DriveWriter writer_;
  Gate gate_;
  std::atomic<bool> paused_{false};
  std::atomic<bool> compacting_{false};
  // Used by whoever set compacting_.
  Compactor compactor_;
};

}  // namespace gabion::chunkserver
