// RocksKv is the store over RocksDB, without RocksDB's own log: the command log is the truth, and what was not flushed is
// applied again from it. Flushes cover all column families at once, so what is on the drive is the state after some command.
// RocksMemory is the memory that all stores of the process share.
#pragma once

#include <memory>
#include <string>

#include "metadata/ballast.h"
#include "metadata/kv_store.h"

namespace rocksdb {
class DB;
class Cache;
class ColumnFamilyHandle;
class WriteBufferManager;
}  // namespace rocksdb

namespace gabion::metadata {

struct RocksOptions {
  std::size_t block_cache_bytes = 64 * MiB;
  std::size_t write_buffer_bytes = 24 * MiB;  // of all tables of all stores together
};

class RocksMemory {
 public:
  explicit RocksMemory(const RocksOptions& options);

 private:
  friend class RocksKv;
  std::size_t write_buffer_bytes_;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::shared_ptr<rocksdb::WriteBufferManager> writes_;
};

class RocksKv final : public KvStore {
 public:
  // `path` is a directory on a real file system; it is made when it does not exist. `ballast` is on the same drive: a flush
  // that finds no space breaks RocksDB for good.
  static Result<std::unique_ptr<RocksKv>> open(const std::string& path, const RocksMemory& memory,
                                               std::shared_ptr<Ballast> ballast);
  ~RocksKv() override;

  Result<bool> get(Table table, std::string_view key, std::string& value, ReadMode mode) const override;
  std::unique_ptr<KvIterator> iterate(Table table, std::string upper_bound) const override;
  Result<void> write(const Changes& changes) override;
  Result<void> flush() override;
  // What the next flush writes, and at most as much beside that, of all stores together: filters, indexes, RocksDB's own files.
  std::uint64_t unflushed_bytes() const;
  static constexpr std::uint64_t kFlushExtra = 8 * MiB;

  // Flushes, and makes `path`, which must not exist, a directory of hard links to everything that is stored.
  Result<void> checkpoint(const std::string& path);

 private:
  RocksKv() = default;
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kTables> families_{};
};

}  // namespace gabion::metadata
