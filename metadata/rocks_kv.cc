#include "metadata/rocks_kv.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>

#include "common/check.h"

namespace gabion::metadata {
namespace {

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

Error error_of(const rocksdb::Status& status, std::string_view what) {
  Errc code = Errc::unavailable;
  if (status.IsCorruption()) code = Errc::corrupt;
  if (status.IsNoSpace()) code = Errc::exhausted;
  if (status.IsIncomplete()) code = Errc::would_block;
  return {code, "state store: " + std::string(what) + ": " + status.ToString()};
}

class RocksIterator final : public KvIterator {
 public:
  RocksIterator(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, std::string upper_bound)
      : upper_bound_(std::move(upper_bound)), bound_(slice(upper_bound_)) {
    rocksdb::ReadOptions options;
    if (!upper_bound_.empty()) options.iterate_upper_bound = &bound_;
    iterator_.reset(db.NewIterator(options, family));
  }
  void seek(std::string_view key) override { iterator_->Seek(slice(key)); }
  void next() override { iterator_->Next(); }
  bool valid() const override { return iterator_->Valid(); }
  Result<void> status() const override {
    const rocksdb::Status status = iterator_->status();
    if (!status.ok()) return error_of(status, "scan");
    return {};
  }
  std::string_view key() const override { return {iterator_->key().data(), iterator_->key().size()}; }
  std::string_view value() const override { return {iterator_->value().data(), iterator_->value().size()}; }

 private:
  const std::string upper_bound_;
  const rocksdb::Slice bound_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

std::uint64_t unflushed_bytes_of(rocksdb::DB& db) {
  std::uint64_t rows = 0;
  db.GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &rows);
  return rows;
}

class FlushListener final : public rocksdb::EventListener {
 public:
  explicit FlushListener(std::shared_ptr<Ballast> ballast) : ballast_(std::move(ballast)) {}
  void OnFlushBegin(rocksdb::DB* db, const rocksdb::FlushJobInfo&) override {
    ballast_->give(unflushed_bytes_of(*db) + RocksKv::kFlushExtra);
  }
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { ballast_->take(); }

 private:
  const std::shared_ptr<Ballast> ballast_;
};

rocksdb::ColumnFamilyOptions family_options(std::size_t write_buffer_bytes, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 8 * KiB;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;  // so that the cache bounds all memory for reading
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.write_buffer_size = write_buffer_bytes / 2;
  family.max_write_buffer_number = 2;
  family.compression = rocksdb::kNoCompression;  // most of it is ciphertext, digests and ids
  family.target_file_size_base = 16 * MiB;
  family.max_bytes_for_level_base = 64 * MiB;
  family.level_compaction_dynamic_level_bytes = true;
  return family;
}

rocksdb::DBOptions db_options() {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.atomic_flush = true;
  db.max_background_jobs = 2;
  db.max_open_files = 512;
  db.skip_stats_update_on_db_open = true;  // a group that is divided waits for its child to be opened
  db.max_manifest_file_size = 16 * MiB;
  db.keep_log_file_num = 2;
  db.max_log_file_size = MiB;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.max_bgerror_resume_count = 0;  // a drive that failed once is not tried again
  db.avoid_flush_during_shutdown = true;  // the log has what was not flushed
  db.paranoid_checks = true;
  return db;
}

}  // namespace

RocksMemory::RocksMemory(const RocksOptions& options)
    : write_buffer_bytes_(options.write_buffer_bytes),
      cache_(rocksdb::NewLRUCache(options.block_cache_bytes, 4)),
      writes_(std::make_shared<rocksdb::WriteBufferManager>(options.write_buffer_bytes)) {}

Result<std::unique_ptr<RocksKv>> RocksKv::open(const std::string& path, const RocksMemory& memory,
                                               std::shared_ptr<Ballast> ballast) {
  const auto family = family_options(memory.write_buffer_bytes_, memory.cache_);
  const std::vector<rocksdb::ColumnFamilyDescriptor> descriptors{{"objects", family},
                                                                 {"manifests", family},
                                                                 {"journal", family},
                                                                 {rocksdb::kDefaultColumnFamilyName, family}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  rocksdb::DBOptions settings = db_options();
  settings.write_buffer_manager = memory.writes_;
  settings.listeners.push_back(std::make_shared<FlushListener>(std::move(ballast)));
  const auto status = rocksdb::DB::Open(settings, path, descriptors, &handles, &db);
  if (!status.ok()) return error_of(status, "open " + path);
  std::unique_ptr<RocksKv> store(new RocksKv());
  store->db_.reset(db);
  GABION_CHECK(handles.size() == kTables, "one column family for each table");
  std::copy(handles.begin(), handles.end(), store->families_.begin());
  return store;
}

RocksKv::~RocksKv() {
  for (auto* family : families_) db_->DestroyColumnFamilyHandle(family);
  // Not flushed: stop() did so, and a store that failed must not wait for its drive.
  db_->Close();
}

Result<bool> RocksKv::get(Table table, std::string_view key, std::string& value, ReadMode mode) const {
  rocksdb::ReadOptions options;
  if (mode == ReadMode::cached_only) options.read_tier = rocksdb::kBlockCacheTier;
  const auto status = db_->Get(options, families_[static_cast<std::size_t>(table)], slice(key), &value);
  // When the table itself is not open yet, a read of the cache alone answers "found" with an empty value and means "perhaps".
  if (status.ok() && value.empty() && mode == ReadMode::cached_only) return Error(Errc::would_block, "not in the cache");
  if (status.ok()) return true;
  if (status.IsNotFound()) return false;
  return error_of(status, "get");
}

std::unique_ptr<KvIterator> RocksKv::iterate(Table table, std::string upper_bound) const {
  return std::make_unique<RocksIterator>(*db_, families_[static_cast<std::size_t>(table)], std::move(upper_bound));
}

Result<void> RocksKv::write(const Changes& changes) {
  rocksdb::WriteBatch batch;
  for (std::size_t i = 0; i < kTables; ++i) {
    for (const auto& [key, value] : changes[i]) {
      const auto status = value ? batch.Put(families_[i], key, *value) : batch.Delete(families_[i], key);
      if (!status.ok()) return error_of(status, "batch");
    }
  }
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const auto status = db_->Write(options, &batch);
  if (!status.ok()) return error_of(status, "write");
  return {};
}

Result<void> RocksKv::flush() {
  const auto status = db_->Flush(rocksdb::FlushOptions(), {families_.begin(), families_.end()});
  if (!status.ok()) return error_of(status, "flush");
  return {};
}

std::uint64_t RocksKv::unflushed_bytes() const { return unflushed_bytes_of(*db_); }

Result<void> RocksKv::checkpoint(const std::string& path) {
  rocksdb::Checkpoint* raw = nullptr;
  auto status = rocksdb::Checkpoint::Create(db_.get(), &raw);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  if (status.ok()) status = checkpoint->CreateCheckpoint(path);
  if (!status.ok()) return error_of(status, "checkpoint");
  return {};
}

}  // namespace gabion::metadata
