#include "chunkserver/rocks_index.h"

#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "common/log.h"

namespace gabion::chunkserver {
namespace {

// Keys: one letter that says what it is, then what it is of.
//   P                       position: format version (1), drive (16), segment, offset, next sequence (8 each)
//   G segment (big-endian)  stats: bytes, live bytes, live shards, payload bytes, tombstone bytes (8 each)
//   S block (16) index (1)  entry: segment, sequence, oldest (8 each), offset, length (4 each)
constexpr char kPositionKey[] = "P";
constexpr char kSegmentPrefix = 'G';
constexpr char kShardPrefix = 'S';
constexpr std::uint8_t kIndexVersion = 1;
constexpr std::size_t kPositionBytes = 1 + 16 + 3 * 8;
constexpr std::size_t kStatsBytes = 5 * 8;
constexpr std::size_t kEntryBytes = 3 * 8 + 2 * 4;
constexpr std::size_t kShardKeyBytes = 1 + 16 + 1;

void append_u64(std::string& out, std::uint64_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }
void append_u32(std::string& out, std::uint32_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }

std::string shard_key(const ShardKey& key) {
  std::string out(1, kShardPrefix);
  out.append(key.block.raw());
  out.push_back(static_cast<char>(key.index));
  return out;
}

ShardKey parse_shard_key(std::string_view raw) {
  ShardKey key;
  std::memcpy(key.block.bytes.data(), raw.data() + 1, 16);
  key.index = static_cast<std::uint8_t>(raw[17]);
  return key;
}

std::string encode_entry(const IndexEntry& entry) {
  std::string out;
  append_u64(out, entry.segment);
  append_u64(out, entry.sequence);
  append_u64(out, entry.oldest);
  append_u32(out, entry.offset);
  append_u32(out, entry.length);
  return out;
}

Error damaged(std::string_view what) { return {Errc::corrupt, fmt::format("the index is damaged: {}", what)}; }

Result<IndexEntry> parse_entry(std::string_view raw) {
  if (raw.size() != kEntryBytes) return damaged("an entry of a wrong size");
  const char* at = raw.data();
  return IndexEntry{.segment = load_le<std::uint64_t>(at),
                    .sequence = load_le<std::uint64_t>(at + 8),
                    .oldest = load_le<std::uint64_t>(at + 16),
                    .offset = load_le<std::uint32_t>(at + 24),
                    .length = load_le<std::uint32_t>(at + 28)};
}

std::string segment_key(SegmentNumber number) {
  std::string out(1, kSegmentPrefix);
  append_be64(out, number);
  return out;
}

std::string encode_stats(const SegmentStats& stats) {
  std::string out;
  for (const std::uint64_t value :
       {stats.bytes, stats.live_bytes, stats.live_shards, stats.payload_bytes, stats.tombstone_bytes}) {
    append_u64(out, value);
  }
  return out;
}

Result<SegmentStats> parse_stats(std::string_view raw) {
  if (raw.size() != kStatsBytes) return damaged("stats of a wrong size");
  const auto value = [&](std::size_t i) { return load_le<std::uint64_t>(raw.data() + 8 * i); };
  return SegmentStats{value(0), value(1), value(2), value(3), value(4)};
}

std::string encode_position(const DriveId& drive, const LogPosition& position) {
  std::string out(1, static_cast<char>(kIndexVersion));
  out.append(drive.raw());
  append_u64(out, position.segment);
  append_u64(out, position.offset);
  append_u64(out, position.next_sequence);
  return out;
}

Result<LogPosition> parse_position(const DriveId& drive, std::string_view raw) {
  if (raw.size() != kPositionBytes || static_cast<std::uint8_t>(raw[0]) != kIndexVersion) return damaged("another version");
  if (raw.substr(1, 16) != drive.raw()) return damaged("it belongs to another drive");
  const auto value = [&](std::size_t i) { return load_le<std::uint64_t>(raw.data() + 17 + 8 * i); };
  return LogPosition{value(0), value(1), value(2)};
}

Error error_of(const rocksdb::Status& status) {
  if (status.IsIncomplete()) return {Errc::would_block, "the index is not in memory"};
  if (status.IsCorruption()) return damaged(status.ToString());
  return {Errc::unavailable, "index: " + status.ToString()};
}

// Whether an index that does not open is broken beyond what trying again could mend.
bool is_damage(const rocksdb::Status& status) { return status.IsCorruption() || status.IsPathNotFound(); }

std::string damage_mark(const std::string& path) { return path + ".damaged"; }

rocksdb::BlockBasedTableOptions table_options(std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  return table;
}

}  // namespace

RocksShared::RocksShared(std::size_t cache_bytes) : cache_(rocksdb::NewLRUCache(cache_bytes, 2)) {}

rocksdb::Options RocksShared::options() const {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 2 * MiB;
  options.arena_block_size = 64 * KiB;
  options.max_write_buffer_number = 2;
  options.max_background_jobs = 2;
  options.max_open_files = 64;
  options.table_cache_numshardbits = 2;
  options.target_file_size_base = 8 * MiB;
  options.max_bytes_for_level_base = 32 * MiB;
  options.max_manifest_file_size = 1 * MiB;
  options.compression = rocksdb::kNoCompression;  // ids are random: there is nothing to gain
  options.keep_log_file_num = 1;
  options.max_log_file_size = 1 * MiB;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(cache_)));
  return options;
}

Result<std::unique_ptr<RocksIndex>> RocksIndex::open(const std::string& path, const DriveId& drive, const RocksShared& shared) {
  std::unique_ptr<RocksIndex> index(new RocksIndex(path, drive, shared));
  if (rocksdb::Env::Default()->FileExists(damage_mark(path)).ok()) {
    LOG(warn, "chunkserver", "the index was found damaged and is made anew", field("path", path));
    TRY_OK(index->clear());
    return index;
  }
  auto opened = index->open_db();
  if (!opened && opened.error().code == Errc::corrupt) {
    LOG(warn, "chunkserver", "the index is damaged and is made anew", field("path", path),
        field("error", opened.error().message));
    TRY_OK(index->clear());
    return index;
  }
  if (!opened) return std::move(opened).error();
  return index;
}

RocksIndex::~RocksIndex() = default;

Result<void> RocksIndex::open_db() {
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(shared_.options(), path_, &db);
  if (status.ok()) {
    db_.reset(db);
    return {};
  }
  if (is_damage(status)) return damaged(status.ToString());
  return error_of(status);
}

// An index found damaged while in use is marked, as a later open would not notice a bad block.
Result<void> RocksIndex::note(const rocksdb::Status& status) {
  if (status.ok()) return {};
  if (status.IsCorruption()) rocksdb::WriteStringToFile(rocksdb::Env::Default(), "", damage_mark(path_), true);
  return error_of(status);
}

void RocksIndex::close() {
  const std::unique_lock lock(mutex_);
  db_.reset();
  closed_ = true;
}

Result<void> RocksIndex::usable() const {
  if (!closed_) return {};
  return Error(Errc::unavailable, "the index was closed");
}

Result<void> RocksIndex::clear() {
  const std::unique_lock lock(mutex_);
  TRY_OK(usable());
  db_.reset();
  if (const auto status = rocksdb::DestroyDB(path_, shared_.options()); !status.ok()) return error_of(status);
  TRY_OK(open_db());
  const auto removed = rocksdb::Env::Default()->DeleteFile(damage_mark(path_));
  if (!removed.ok() && !removed.IsNotFound() && !removed.IsPathNotFound()) return error_of(removed);
  return {};
}

Result<std::optional<IndexState>> RocksIndex::load() {
  const std::shared_lock lock(mutex_);
  TRY_OK(usable());
  std::string raw;
  const auto status = db_->Get(rocksdb::ReadOptions(), kPositionKey, &raw);
  if (status.IsNotFound()) return std::nullopt;
  TRY_OK(note(status));
  IndexState state;
  TRY(state.position, parse_position(drive_, raw));
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
  for (it->Seek(std::string(1, kSegmentPrefix)); it->Valid(); it->Next()) {
    const std::string_view key = it->key().ToStringView();
    if (key.size() != 9 || key[0] != kSegmentPrefix) break;
    TRY(state.segments[load_be64(key.data() + 1)], parse_stats(it->value().ToStringView()));
  }
  TRY_OK(note(it->status()));
  return state;
}

Result<std::optional<IndexEntry>> RocksIndex::find(const ShardKey& key, ReadMode mode) {
  const std::shared_lock lock(mutex_);
  TRY_OK(usable());
  rocksdb::ReadOptions options;
  if (mode == ReadMode::cached_only) options.read_tier = rocksdb::kBlockCacheTier;
  rocksdb::PinnableSlice raw;
  const auto status = db_->Get(options, db_->DefaultColumnFamily(), shard_key(key), &raw);
  if (status.IsNotFound()) return std::nullopt;
  TRY_OK(note(status));
  // When the table itself is not open yet, a read of the cache alone answers "found" with an empty value and means "perhaps".
  if (raw.empty() && mode == ReadMode::cached_only) return Error(Errc::would_block, "not in the cache");
  TRY(const IndexEntry entry, parse_entry(raw.ToStringView()));
  return entry;
}

Result<IndexPage> RocksIndex::list(const ShardKey& from, std::size_t limit) {
  const std::shared_lock lock(mutex_);
  TRY_OK(usable());
  IndexPage page;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
  for (it->Seek(shard_key(from)); it->Valid(); it->Next()) {
    const std::string_view key = it->key().ToStringView();
    if (key.size() != kShardKeyBytes || key[0] != kShardPrefix) break;
    if (page.entries.size() == limit) {
      page.more = true;
      break;
    }
    TRY(const IndexEntry entry, parse_entry(it->value().ToStringView()));
    page.entries.emplace_back(parse_shard_key(key), entry);
  }
  TRY_OK(note(it->status()));
  return page;
}

Result<void> RocksIndex::apply(const IndexBatch& batch) {
  const std::shared_lock lock(mutex_);
  TRY_OK(usable());
  rocksdb::WriteBatch writes;
  for (const auto& [key, entry] : batch.shards) {
    if (entry) writes.Put(shard_key(key), encode_entry(*entry));
    else writes.Delete(shard_key(key));
  }
  for (const auto& [number, stats] : batch.segments) {
    if (stats) writes.Put(segment_key(number), encode_stats(*stats));
    else writes.Delete(segment_key(number));
  }
  writes.Put(kPositionKey, encode_position(drive_, batch.position));
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return note(db_->Write(options, &writes));
}

Result<void> RocksIndex::flush() {
  const std::shared_lock lock(mutex_);
  TRY_OK(usable());
  return note(db_->Flush(rocksdb::FlushOptions()));
}

}  // namespace gabion::chunkserver
