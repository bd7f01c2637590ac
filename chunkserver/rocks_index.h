// RocksIndex keeps the index of one drive in a RocksDB below the drive's root. It is a cache of the segments, so it runs
// without a log of its own: a crash loses the newest batches, and recovery reads them from the segments again. What is
// damaged is discarded. RocksShared holds what the indexes of all drives of a process share, so that they stay small.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <memory>
#include <shared_mutex>
#include <string>

#include "chunkserver/shard_index.h"

namespace gabion::chunkserver {

class RocksShared {
 public:
  explicit RocksShared(std::size_t cache_bytes = 16 * MiB);
  rocksdb::Options options() const;

 private:
  std::shared_ptr<rocksdb::Cache> cache_;
};

class RocksIndex final : public ShardIndex {
 public:
  // `path` is <drive root>/index; `shared` must outlive it. A damaged index, or one of another drive, starts empty. An
  // index that cannot be read (EIO, too many open files) is an error, and nothing is removed.
  static Result<std::unique_ptr<RocksIndex>> open(const std::string& path, const DriveId& drive, const RocksShared& shared);
  ~RocksIndex() override;

  Result<std::optional<IndexState>> load() override;
  Result<std::optional<IndexEntry>> find(const ShardKey& key, ReadMode mode) override;
  Result<IndexPage> list(const ShardKey& from, std::size_t limit) override;
  Result<void> apply(const IndexBatch& batch) override;
  Result<void> flush() override;
  Result<void> clear() override;
  // Lets go of its files; every call after it is unavailable.
  void close();

 private:
  RocksIndex(std::string path, const DriveId& drive, const RocksShared& shared)
      : path_(std::move(path)), drive_(drive), shared_(shared) {}
  Result<void> open_db();
  Result<void> note(const rocksdb::Status& status);
  // With the lock held.
  Result<void> usable() const;

  const std::string path_;
  const DriveId drive_;
  const RocksShared& shared_;
  // Held shared by every use of db_, and alone by clear(), which replaces it, and close().
  mutable std::shared_mutex mutex_;
  std::unique_ptr<rocksdb::DB> db_;
  bool closed_ = false;
};

}  // namespace gabion::chunkserver
