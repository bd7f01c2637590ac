#include "chunkserver/rocks_index.h"

#include <catch2/catch_test_macros.hpp>
#include <fstream>

#include "tests/support/posix_drive.h"
#include "tests/support/memory_index.h"
#include "tests/unit/chunkserver/shard_store_contract.h"

namespace gabion::chunkserver {
namespace {

using gabion::test::PosixDrive;
using gabion::test::TempDir;
using test::key_of;
using test::pattern;

Errc code_of(const auto& result) { return result ? Errc::internal : result.error().code; }

IndexBatch random_batch(SeededRng& rng, std::uint64_t step) {
  IndexBatch batch;
  for (std::uint64_t i = rng.below(8); i > 0; --i) {
    std::optional<IndexEntry> entry;
    if (rng.below(3) != 0) entry = IndexEntry{rng.below(9), rng.next(), rng.below(5), static_cast<std::uint32_t>(rng.next()), 7};
    batch.shards.emplace_back(key_of(rng.below(30), static_cast<std::uint8_t>(rng.below(3))), entry);
  }
  std::optional<SegmentStats> stats;
  if (rng.below(4) != 0) stats = SegmentStats{rng.next(), rng.next(), rng.next(), rng.next(), rng.next()};
  batch.segments[rng.below(6)] = stats;
  batch.position = {step, rng.next(), rng.next()};
  return batch;
}

void check_same(ShardIndex& a, ShardIndex& b) {
  const auto state_a = a.load();
  const auto state_b = b.load();
  REQUIRE(state_a.has_value());
  REQUIRE(state_b.has_value());
  REQUIRE(state_a->has_value() == state_b->has_value());
  if (*state_a) {
    CHECK((*state_a)->position == (*state_b)->position);
    CHECK((*state_a)->segments == (*state_b)->segments);
  }
  for (const std::uint64_t from : {0, 7, 29, 31}) {
    for (const std::size_t limit : {std::size_t{1}, std::size_t{5}, std::size_t{1000}}) {
      const auto page_a = a.list(key_of(from), limit);
      const auto page_b = b.list(key_of(from), limit);
      REQUIRE(page_a.has_value());
      REQUIRE(page_b.has_value());
      CHECK(page_a->entries == page_b->entries);
      CHECK(page_a->more == page_b->more);
    }
  }
  for (std::uint64_t i = 0; i < 30; ++i) CHECK(*a.find(key_of(i, 1), ReadMode::wait) == *b.find(key_of(i, 1), ReadMode::wait));
}

TEST_CASE("the index on RocksDB and the one in memory answer alike") {
  TempDir dir;
  RocksShared shared;
  SeededRng rng(5);
  const DriveId drive = DriveId::random(rng);
  auto rocks = RocksIndex::open(dir.path() + "/index", drive, shared);
  REQUIRE(rocks.has_value());
  sim::MemoryIndex memory;
  check_same(**rocks, memory);
  for (std::uint64_t step = 1; step <= 60; ++step) {
    const IndexBatch batch = random_batch(rng, step);
    REQUIRE((*rocks)->apply(batch).has_value());
    REQUIRE(memory.apply(batch).has_value());
    if (step % 20 == 0) {
      check_same(**rocks, memory);
      REQUIRE((*rocks)->flush().has_value());
      rocks->reset();
      rocks = RocksIndex::open(dir.path() + "/index", drive, shared);
      REQUIRE(rocks.has_value());
      check_same(**rocks, memory);
    }
  }
  REQUIRE((*rocks)->clear().has_value());
  REQUIRE(memory.clear().has_value());
  check_same(**rocks, memory);
}

TEST_CASE("an index that was closed answers nothing, and its place can be taken in the same process") {
  const TempDir dir;
  RocksShared shared;
  SeededRng rng(3);
  const std::string path = dir.path() + "/index";
  const auto lost = *RocksIndex::open(path, DriveId::random(rng), shared);
  CHECK_FALSE(RocksIndex::open(path, DriveId::random(rng), shared).has_value());
  lost->close();
  CHECK(lost->find({}, ReadMode::wait).error().code == Errc::unavailable);
  CHECK(lost->apply({}).error().code == Errc::unavailable);
  CHECK(lost->clear().error().code == Errc::unavailable);
  const auto fresh = RocksIndex::open(path, DriveId::random(rng), shared);
  REQUIRE(fresh.has_value());
  CHECK((*fresh)->flush().has_value());
}

TEST_CASE("an index of another drive is not used") {
  TempDir dir;
  RocksShared shared;
  SeededRng rng(6);
  {
    auto index = RocksIndex::open(dir.path() + "/index", DriveId::random(rng), shared);
    REQUIRE(index.has_value());
    REQUIRE((*index)->apply(random_batch(rng, 1)).has_value());
    REQUIRE((*index)->flush().has_value());
  }
  auto index = RocksIndex::open(dir.path() + "/index", DriveId::random(rng), shared);
  REQUIRE(index.has_value());
  CHECK(code_of((*index)->load()) == Errc::corrupt);
}

// Overwrites the middle of every file of the index whose name starts so.
void damage_index(const std::string& path, const std::string& prefix, const std::string& suffix) {
  int damaged = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    const auto size = std::filesystem::file_size(entry.path());
    for (std::uint64_t at = 10; at + 20 < size; at += 50) {
      file.seekp(static_cast<std::streamoff>(at));
      file << "damage";
    }
    ++damaged;
  }
  REQUIRE(damaged > 0);
}

TEST_CASE("a drive that was given up lets another take its directory, and never touches that one again") {
  PosixDrive lost;
  REQUIRE(lost.open().has_value());
  const std::vector<Bytes> pieces{Bytes::copy_of(pattern(1, 2000))};
  REQUIRE(gabion::test::run(lost.engine->put({}, key_of(1), pieces)).has_value());
  REQUIRE(lost.disk->lock("lock").has_value());
  for (const auto& entry : std::filesystem::directory_iterator(lost.dir.path())) {
    if (entry.path().filename() != "lock") std::filesystem::remove_all(entry.path());
  }
  gabion::test::run(lost.engine->give_up("it was wiped"));
  lost.index->close();
  lost.disk->unlock();

  SystemRng rng;
  Identity identity = lost.identity;
  identity.drive = DriveId::random(rng);
  const auto disk = *PosixDisk::open_root(lost.dir.path());
  REQUIRE(disk->lock("lock").has_value());
  REQUIRE(format_drive(*disk, identity).has_value());
  auto index = RocksIndex::open(lost.index_path(), identity.drive, lost.shared);
  REQUIRE(index.has_value());
  gabion::test::OneThread writer;
  DriveMetrics metrics;
  auto fresh = DriveStore::open(lost.options, identity, *disk, **index, writer.executor(), lost.readers.get_executor(),
                                lost.clock, metrics);
  REQUIRE(fresh.has_value());
  CHECK(code_of(gabion::test::run(lost.engine->put({}, key_of(2), pieces))) == Errc::unavailable);
  CHECK(code_of(gabion::test::run(lost.engine->read({}, key_of(1), 0, 0))) == Errc::unavailable);
  CHECK(code_of(gabion::test::run((*fresh)->read({}, key_of(1), 0, 0))) == Errc::not_found);
  REQUIRE(gabion::test::run((*fresh)->put({}, key_of(2), pieces)).has_value());
  CHECK(gabion::test::run((*fresh)->read({}, key_of(2), 0, 0))->text() == pattern(1, 2000));
  CHECK(disk->list("segments")->size() == 1);
  gabion::test::run((*fresh)->stop());
}

TEST_CASE("a drive whose index is damaged, anywhere, makes it anew by itself") {
  const std::pair<std::string, std::string> kinds[] = {{"MANIFEST", ""}, {"CURRENT", ""}, {"", ".sst"}};
  for (const auto& [prefix, suffix] : kinds) {
    INFO("damaged: " << prefix << suffix);
    PosixDrive drive;
    REQUIRE(drive.open().has_value());
    for (std::uint64_t i = 0; i < 50; ++i) {
      REQUIRE(gabion::test::run(drive.engine->put({}, key_of(i), {Bytes::copy_of(pattern(i, 2000))})).has_value());
    }
    drive.close();
    if (prefix == "CURRENT") std::ofstream(drive.index_path() + "/CURRENT") << "MANIFEST-999999\n";
    else damage_index(drive.index_path(), prefix, suffix);
    REQUIRE(drive.open().has_value());
    for (std::uint64_t i = 0; i < 50; ++i) {
      const auto bytes = gabion::test::run(drive.engine->read({}, key_of(i), 0, 0));
      INFO((bytes.has_error() ? bytes.error().message : ""));
      REQUIRE(bytes.has_value());
      CHECK(bytes->text() == pattern(i, 2000));
    }
  }
}

TEST_CASE("a flipped bit in the index of a drive in use never shows, and every shard stays readable") {
  PosixDrive drive;
  REQUIRE(drive.open().has_value());
  for (std::uint64_t i = 0; i < 200; ++i) {
    REQUIRE(gabion::test::run(drive.engine->put({}, key_of(i), {Bytes::copy_of(pattern(i, 500))})).has_value());
  }
  drive.close();
  std::string table;
  for (const auto& entry : std::filesystem::directory_iterator(drive.index_path())) {
    if (entry.path().extension() == ".sst") table = entry.path();
  }
  REQUIRE_FALSE(table.empty());
  {
    std::fstream file(table, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(6000);
    const char byte = static_cast<char>(file.get() ^ 4);
    file.seekp(6000);
    file.put(byte);
  }
  REQUIRE(drive.open().has_value());
  CHECK_FALSE(drive.engine->recovered().rebuilt);  // nobody has looked there yet
  for (std::uint64_t i = 0; i < 200; ++i) {
    const auto bytes = gabion::test::run(drive.engine->read({}, key_of(i), 0, 0));
    REQUIRE(bytes.has_value());
    CHECK(bytes->text() == pattern(i, 500));
  }
  CHECK(gabion::test::run(drive.engine->status({}))->health == DriveHealth::up);
  CHECK(drive.metrics.index_rebuilds.value() == 1);
}

TEST_CASE("a drive whose index was taken away finds everything") {
  PosixDrive drive;
  REQUIRE(drive.open().has_value());
  REQUIRE(gabion::test::run(drive.engine->put({}, key_of(1), {Bytes::copy_of("one")})).has_value());
  drive.close();
  std::filesystem::remove_all(drive.index_path());
  REQUIRE(drive.open().has_value());
  CHECK(drive.engine->recovered().rebuilt);
  CHECK(gabion::test::run(drive.engine->read({}, key_of(1), 0, 0))->text() == "one");
}

}  // namespace
}  // namespace gabion::chunkserver
