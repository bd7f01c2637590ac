#include "chunkserver/drive_store.h"

#include <catch2/catch_test_macros.hpp>

#include <set>

#include "tests/support/posix_drive.h"
#include "tests/support/sim_drive.h"
#include "tests/unit/chunkserver/shard_store_contract.h"

namespace gabion::chunkserver::test {
namespace {

using gabion::test::PosixDrive;
using sim::SimDrive;

DriveOptions small_options() {
  DriveOptions options;
  options.segment_bytes = 64 * KiB;
  options.batch_bytes = 32 * KiB;
  options.reserve_share = 0;
  options.reserve_segments = 0;
  return options;
}

// --- The contract, twice ---

class PosixStore final : public StoreUnderTest {
 public:
  PosixStore() { REQUIRE(drive_.open().has_value()); }
  ShardStore& store() override { return *drive_.engine; }
  void restart() override {
    drive_.close();
    REQUIRE(drive_.open().has_value());
  }
  Result<void> run(task<Result<void>> work) override { return gabion::test::run(std::move(work)); }
  Result<Bytes> run(task<Result<Bytes>> work) override { return gabion::test::run(std::move(work)); }
  Result<ShardInfo> run(task<Result<ShardInfo>> work) override { return gabion::test::run(std::move(work)); }
  Result<ShardPage> run(task<Result<ShardPage>> work) override { return gabion::test::run(std::move(work)); }
  Result<DriveStatus> run(task<Result<DriveStatus>> work) override { return gabion::test::run(std::move(work)); }
  std::vector<Result<void>> run(task<std::vector<Result<void>>> work) override { return gabion::test::run(std::move(work)); }

 private:
  PosixDrive drive_;
};

class SimStore final : public StoreUnderTest {
 public:
  SimStore() : drive_(world_, DriveOptions{}) { REQUIRE(drive_.open().has_value()); }
  ShardStore& store() override { return *drive_.engine; }
  void restart() override {
    drive_.close();
    REQUIRE(drive_.open().has_value());
  }
  Result<void> run(task<Result<void>> work) override { return world_.run(std::move(work)); }
  Result<Bytes> run(task<Result<Bytes>> work) override { return world_.run(std::move(work)); }
  Result<ShardInfo> run(task<Result<ShardInfo>> work) override { return world_.run(std::move(work)); }
  Result<ShardPage> run(task<Result<ShardPage>> work) override { return world_.run(std::move(work)); }
  Result<DriveStatus> run(task<Result<DriveStatus>> work) override { return world_.run(std::move(work)); }
  std::vector<Result<void>> run(task<std::vector<Result<void>>> work) override { return world_.run(std::move(work)); }

 private:
  sim::SimWorld world_{1};
  SimDrive drive_;
};

TEST_CASE("a drive on a real disk keeps the contract of shard stores") {
  check_shard_store([] { return std::make_unique<PosixStore>(); });
}

TEST_CASE("a drive on a simulated disk keeps the contract of shard stores") {
  check_shard_store([] { return std::make_unique<SimStore>(); });
}

// --- What only a drive has ---

struct World {
  explicit World(const DriveOptions& options = small_options()) : drive(world, options) { open(); }
  void open() {
    const auto opened = drive.open();
    INFO((opened.has_error() ? opened.error().message : ""));
    REQUIRE(opened.has_value());
  }
  void reopen() {
    drive.close();
    open();
  }
  void crash(sim::Crash how) {
    drive.crash(how);
    open();
  }
  DriveStore& store() { return *drive.engine; }
  Result<void> put(std::uint64_t number, const std::string& text) {
    return world.run(store().put({}, key_of(number), {Bytes::copy_of(text)}));
  }
  Result<Bytes> read(std::uint64_t number) { return world.run(store().read({}, key_of(number), 0, 0)); }
  Result<void> remove(std::uint64_t number) { return world.run(store().remove({}, {key_of(number)})); }
  DriveStatus status() { return *world.run(store().status({})); }
  bool compact() {
    const auto compacted = world.run(store().compact_once());
    REQUIRE(compacted.has_value());
    return *compacted;
  }
  std::vector<std::string> segments() { return *drive.disk.list(kSegmentsDir); }
  std::string segment(std::size_t i) { return std::string(kSegmentsDir) + "/" + segments().at(i); }

  sim::SimWorld world{7};
  SimDrive drive;
};

Errc code_of(const auto& result) { return result ? Errc::internal : result.error().code; }

TEST_CASE("many operations at once share one write and one sync") {
  World world;
  std::vector<task<Result<void>>> puts;
  for (std::uint64_t i = 0; i < 20; ++i) puts.push_back(world.store().put({}, key_of(i), {Bytes::copy_of("shard")}));
  const auto before = world.drive.metrics.syncs.value();
  for (const auto& result : world.world.run(gather(std::move(puts)))) CHECK(result.has_value());
  CHECK(world.drive.metrics.syncs.value() - before <= 2);
}

TEST_CASE("an open writes no segment, and a new run never appends to an old segment") {
  World world;
  REQUIRE(world.put(1, "one").has_value());
  world.reopen();
  world.reopen();
  REQUIRE(world.segments().size() == 1);
  const auto size = world.drive.disk.file_size(world.segment(0));
  REQUIRE(world.put(2, "two").has_value());
  CHECK(world.segments().size() == 2);
  CHECK(world.drive.disk.file_size(world.segment(0)) == size);
}

TEST_CASE("a clean stop leaves nothing to read at the next open") {
  World world;
  for (std::uint64_t i = 0; i < 30; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  world.reopen();
  CHECK(world.store().recovered().records == 0);
  CHECK_FALSE(world.store().recovered().rebuilt);
  CHECK(world.status().shards == 30);
}

TEST_CASE("a damaged index is made anew from the segments") {
  World world;
  for (std::uint64_t i = 0; i < 30; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  REQUIRE(world.remove(3).has_value());
  const DriveStatus before = world.status();
  world.drive.close();
  world.drive.index.damage();
  world.open();
  CHECK(world.store().recovered().rebuilt);
  CHECK(world.status().shards == before.shards);
  CHECK(world.status().shard_bytes == before.shard_bytes);
  CHECK(code_of(world.read(3)) == Errc::not_found);
  CHECK(world.read(4)->text() == pattern(4, 5000));
}

TEST_CASE("an index found damaged while in use is made anew, whoever finds it") {
  for (const int finder : {0, 1, 2, 3}) {
    World world;
    for (std::uint64_t i = 0; i < 30; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
    REQUIRE(world.remove(3).has_value());
    const DriveStatus before = world.status();
    world.drive.index.damage();
    if (finder == 0) CHECK(world.read(4)->text() == pattern(4, 5000));
    if (finder == 1) CHECK(world.world.run(world.store().list({}, {}, 100))->shards.size() == 29);
    if (finder == 2) CHECK(world.world.run(world.store().stat({}, key_of(4)))->length == 5000);
    if (finder == 3) REQUIRE(world.put(4, pattern(4, 5000)).has_value());
    CHECK(world.status().health == DriveHealth::up);
    CHECK(world.status().shards == before.shards);
    CHECK(code_of(world.read(3)) == Errc::not_found);
    for (std::uint64_t i = 4; i < 30; ++i) CHECK(world.read(i)->text() == pattern(i, 5000));
    REQUIRE(world.put(100, "after").has_value());
    world.crash(sim::Crash::drop_all);
    CHECK(world.read(100)->text() == "after");
  }
}

TEST_CASE("a failed sync fails the drive for good, and the sync is not tried again") {
  World world;
  REQUIRE(world.put(1, "before").has_value());
  world.drive.disk.fail_sync_after(0);
  CHECK(code_of(world.put(2, "lost")) == Errc::unavailable);
  CHECK(world.status().health == DriveHealth::failed);
  CHECK_FALSE(world.status().reason.empty());
  const auto operations = world.drive.disk.operations();
  CHECK(code_of(world.put(3, "late")) == Errc::unavailable);
  CHECK(code_of(world.read(1)) == Errc::unavailable);
  CHECK(code_of(world.remove(1)) == Errc::unavailable);
  CHECK(code_of(world.world.run(world.store().list({}, {}, 10))) == Errc::unavailable);
  CHECK(world.drive.disk.operations() == operations);
}

TEST_CASE("after a failed sync a restart believes the device and not the memory") {
  World world;
  REQUIRE(world.put(1, "old").has_value());
  world.drive.disk.fail_sync_after(0);
  CHECK(code_of(world.put(1, "new, never on the device")) == Errc::unavailable);
  world.drive.engine.reset();
  world.open();
  CHECK(world.read(1)->text() == "old");
  world.crash(sim::Crash::drop_all);
  CHECK(world.read(1)->text() == "old");
}

TEST_CASE("a full disk refuses puts, stays in use and takes them again when there is room") {
  World world;
  world.drive.disk.set_capacity(100 * KiB);
  std::uint64_t stored = 0;
  Result<void> result;
  while ((result = world.put(stored, pattern(stored, 10000)))) ++stored;
  CHECK(code_of(result) == Errc::exhausted);
  CHECK(stored >= 8);
  CHECK(world.status().health == DriveHealth::up);
  world.drive.disk.set_capacity(1 * MiB);
  REQUIRE(world.put(stored, pattern(stored, 10000)).has_value());
  for (std::uint64_t i = 0; i <= stored; ++i) CHECK(world.read(i)->text() == pattern(i, 10000));
  world.crash(sim::Crash::drop_all);
  for (std::uint64_t i = 0; i <= stored; ++i) CHECK(world.read(i)->text() == pattern(i, 10000));
}

// A disk that lies about its space, so that the write itself meets the end of it.
TEST_CASE("a write that meets a full disk leaves nothing behind that counts") {
  World world;
  REQUIRE(world.put(1, "kept").has_value());
  class Lying final : public Disk {
   public:
    explicit Lying(Disk& disk) : disk_(disk) {}
    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override { return disk_.open(path, mode); }
    Result<void> make_dir(const std::string& path) override { return disk_.make_dir(path); }
    Result<std::vector<std::string>> list(const std::string& path) override { return disk_.list(path); }
    Result<void> rename(const std::string& from, const std::string& to) override { return disk_.rename(from, to); }
    Result<void> remove(const std::string& path) override { return disk_.remove(path); }
    Result<void> sync_dir(const std::string& path) override { return disk_.sync_dir(path); }
    Result<DiskSpace> space() override { return DiskSpace{1 * TiB, 1 * TiB}; }

   private:
    Disk& disk_;
  };
  world.drive.close();
  Lying lying(world.drive.disk);
  world.drive.disk.set_capacity(20 * KiB);
  auto opened = DriveStore::open(small_options(), world.drive.identity, lying, world.drive.index, world.world.executor(),
                                 world.world.executor(), world.world.clock(), world.drive.metrics);
  REQUIRE(opened.has_value());
  world.drive.engine = std::move(*opened);
  CHECK(code_of(world.put(2, pattern(2, 30000))) == Errc::exhausted);
  CHECK(code_of(world.read(2)) == Errc::not_found);
  CHECK(world.status().health == DriveHealth::up);
  REQUIRE(world.put(3, "small").has_value());
  world.crash(sim::Crash::keep_all);
  CHECK(code_of(world.read(2)) == Errc::not_found);
  CHECK(world.read(1)->text() == "kept");
  CHECK(world.read(3)->text() == "small");
}

TEST_CASE("the reserve keeps room for removes and compaction when puts are refused") {
  DriveOptions options = small_options();
  options.reserve_segments = 3;
  World world(options);
  world.drive.disk.set_capacity(1 * MiB);
  std::uint64_t stored = 0;
  while (world.put(stored, pattern(stored, 10000))) ++stored;
  CHECK(world.status().available_bytes < 11000);
  const auto full = world.status().segment_bytes;
  for (std::uint64_t i = 0; i < stored; ++i) {
    if (i % 3 != 0) REQUIRE(world.remove(i).has_value());
  }
  while (world.compact()) {
  }
  CHECK(world.status().segment_bytes < full / 2);
  CHECK(world.put(1000, pattern(1000, 10000)).has_value());
  for (std::uint64_t i = 0; i < stored; i += 3) CHECK(world.read(i)->text() == pattern(i, 10000));
}

TEST_CASE("compaction frees what was removed and replaced and keeps every live shard") {
  World world;
  for (std::uint64_t i = 0; i < 60; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  for (std::uint64_t i = 0; i < 60; ++i) {
    if (i % 4 == 1) REQUIRE(world.put(i, pattern(i + 1000, 3000)).has_value());
    if (i % 4 == 2 || i % 4 == 3) REQUIRE(world.remove(i).has_value());
  }
  const DriveStatus before = world.status();
  while (world.compact()) {
  }
  const DriveStatus after = world.status();
  CHECK(after.shards == before.shards);
  CHECK(after.shard_bytes == before.shard_bytes);
  CHECK(after.segment_bytes < before.segment_bytes * 2 / 3);
  const auto check_all = [&] {
    for (std::uint64_t i = 0; i < 60; ++i) {
      if (i % 4 == 0) CHECK(world.read(i)->text() == pattern(i, 5000));
      if (i % 4 == 1) CHECK(world.read(i)->text() == pattern(i + 1000, 3000));
      if (i % 4 >= 2) CHECK(code_of(world.read(i)) == Errc::not_found);
    }
  };
  check_all();
  world.drive.close();
  world.drive.index.damage();
  world.open();
  check_all();
}

TEST_CASE("what was stored before a position is told from what came later, also after compaction and a new index") {
  World world;
  for (std::uint64_t i = 0; i < 40; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  const std::uint64_t position = world.store().position();
  const auto before = [&] {
    std::set<ShardKey> keys;
    for (ShardKey from;;) {
      const auto page = world.world.run(world.store().list_before({}, position, from, 3));
      REQUIRE(page.has_value());
      CHECK(page->shards.size() <= 3);
      for (const ShardInfo& shard : page->shards) keys.insert(shard.key);
      if (!page->more) return keys;
      REQUIRE(!page->shards.empty());
      from = *next_key(page->shards.back().key);
    }
  };
  CHECK(before().size() == 40);
  for (std::uint64_t i = 40; i < 60; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  REQUIRE(world.put(3, pattern(3, 5000)).has_value());  // again: it counts as new
  for (std::uint64_t i = 0; i < 40; i += 2) REQUIRE(world.remove(i).has_value());
  std::set<ShardKey> left;
  for (std::uint64_t i = 1; i < 40; i += 2) {
    if (i != 3) left.insert(key_of(i));
  }
  CHECK(before() == left);
  while (world.compact()) {
  }
  CHECK(before() == left);
  CHECK(world.store().position() > position);
  world.reopen();
  CHECK(before() == left);
  CHECK(world.store().position() > position);
}

TEST_CASE("tombstones go once nothing is left that they cover, and compaction comes to rest") {
  World world;
  for (std::uint64_t i = 0; i < 200; ++i) REQUIRE(world.put(i, pattern(i, 2000)).has_value());
  for (std::uint64_t i = 0; i < 200; ++i) REQUIRE(world.remove(i).has_value());
  world.reopen();
  REQUIRE(world.put(1000, "something newer").has_value());
  int rounds = 0;
  while (world.compact()) REQUIRE(++rounds < 100);
  CHECK(world.segments().size() <= 2);
  CHECK(world.status().segment_bytes < 1000);
}

TEST_CASE("compaction keeps to its rate") {
  DriveOptions options = small_options();
  options.compact_bytes_per_second = 10 * KiB;
  World world(options);
  for (std::uint64_t i = 0; i < 12; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  for (std::uint64_t i = 0; i < 12; i += 2) REQUIRE(world.remove(i).has_value());
  for (std::uint64_t i = 20; i < 30; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  const TimePoint before = world.world.clock().now();
  REQUIRE(world.compact());
  const double seconds = std::chrono::duration<double>(world.world.clock().now() - before).count();
  const auto bytes = static_cast<double>(world.drive.metrics.compacted_bytes.value());
  CHECK(bytes > 0);
  CHECK(seconds >= bytes / (10 * KiB) * 0.99);
}

TEST_CASE("background compaction runs by itself, can be paused, and ends with stop") {
  DriveOptions options = small_options();
  World world(options);
  world.store().start();
  world.store().pause_compaction(true);
  for (std::uint64_t i = 0; i < 40; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  for (std::uint64_t i = 0; i < 40; ++i) REQUIRE(world.remove(i).has_value());
  world.world.run_for(std::chrono::seconds(60));
  CHECK(world.drive.metrics.compacted_segments.value() == 0);
  world.store().pause_compaction(false);
  world.world.run_for(std::chrono::seconds(60));
  CHECK(world.drive.metrics.compacted_segments.value() > 0);
  world.reopen();
  CHECK(world.status().shards == 0);
}

TEST_CASE("a flipped bit in a shard is found by read and by verify, and other shards are well") {
  World world;
  for (std::uint64_t i = 0; i < 3; ++i) REQUIRE(world.put(i, pattern(i, 3000)).has_value());
  REQUIRE(world.drive.disk.flip_bit(world.segment(0), kSegmentHeaderBytes + head_bytes(3000) + 1500, 3));
  CHECK(code_of(world.read(0)) == Errc::corrupt);
  CHECK(code_of(world.world.run(world.store().verify({}, key_of(0)))) == Errc::corrupt);
  CHECK(world.world.run(world.store().verify({}, key_of(1))).has_value());
  CHECK(code_of(world.world.run(world.store().verify({}, key_of(9)))) == Errc::not_found);
  CHECK(world.read(1)->text() == pattern(1, 3000));
  REQUIRE(world.put(0, pattern(0, 3000)).has_value());
  CHECK(world.read(0)->text() == pattern(0, 3000));
}

TEST_CASE("a range read of a shard with one bad cell returns the good cells and refuses the bad one") {
  DriveOptions options = small_options();
  options.segment_bytes = 1 * MiB;
  options.batch_bytes = 1 * MiB;
  World world(options);
  const std::string text = pattern(1, 3 * kCellBytes);
  REQUIRE(world.put(1, text).has_value());
  const auto length = static_cast<std::uint32_t>(text.size());
  REQUIRE(world.drive.disk.flip_bit(world.segment(0), kSegmentHeaderBytes + head_bytes(length) + kCellBytes + 10, 0));
  const auto cell = [&](std::size_t i) {
    return world.world.run(world.store().read({}, key_of(1), static_cast<std::uint32_t>(i * kCellBytes), kCellBytes));
  };
  CHECK(cell(0)->text() == std::string_view(text).substr(0, kCellBytes));
  CHECK(code_of(cell(1)) == Errc::corrupt);
  CHECK(cell(2)->text() == std::string_view(text).substr(2 * kCellBytes));
}

TEST_CASE("an unreadable sector is a bad shard and not a failed drive") {
  World world;
  REQUIRE(world.put(1, "one").has_value());
  world.drive.disk.fail_reads_of(world.segment(0));
  CHECK(code_of(world.read(1)) == Errc::corrupt);
  CHECK(world.status().health == DriveHealth::up);
}

TEST_CASE("an open that meets a read error is refused and removes nothing") {
  World world;
  for (std::uint64_t i = 0; i < 30; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  const auto files = world.drive.disk.files();
  world.drive.engine.reset();
  world.drive.index.damage();
  world.drive.disk.fail_reads_of(files.back());
  CHECK(code_of(world.drive.open()) == Errc::unavailable);
  CHECK(world.drive.disk.files() == files);
}

TEST_CASE("a drive without its segments directory is refused") {
  sim::SimWorld world(1);
  SimDrive drive(world, small_options());
  drive.disk.wipe();
  CHECK(code_of(drive.open()) == Errc::not_found);
}

TEST_CASE("a segment that holds a live shard which cannot be found in it is not removed") {
  World world;
  for (std::uint64_t i = 0; i < 12; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  for (std::uint64_t i = 1; i < 12; ++i) REQUIRE(world.remove(i).has_value());
  for (std::uint64_t i = 20; i < 32; ++i) REQUIRE(world.put(i, pattern(i, 5000)).has_value());
  const auto segments = world.segments();
  REQUIRE(world.drive.disk.flip_bit(world.segment(0), kSegmentHeaderBytes + 20, 1));  // the head of shard 0
  CHECK_FALSE(world.compact());
  CHECK(world.segments() == segments);
  CHECK(code_of(world.read(0)) == Errc::corrupt);
  REQUIRE(world.put(0, pattern(0, 100)).has_value());  // repaired: the old record is garbage now
  CHECK(world.compact());
  CHECK(world.read(0)->text() == pattern(0, 100));
}

TEST_CASE("a damaged record in the middle of a segment hides none behind it, with the index and without") {
  for (const bool rebuild : {false, true}) {
    World world;
    for (std::uint64_t i = 0; i < 8; ++i) REQUIRE(world.put(i, pattern(i, 3000)).has_value());
    world.drive.close();
    REQUIRE(world.drive.disk.flip_bit(world.segment(0), kSegmentHeaderBytes + 3 * record_bytes(3000) + 9, 5));
    if (rebuild) world.drive.index.damage();
    world.open();
    for (std::uint64_t i = 0; i < 8; ++i) {
      if (i == 3) CHECK(code_of(world.read(i)) == (rebuild ? Errc::not_found : Errc::corrupt));
      else CHECK(world.read(i)->text() == pattern(i, 3000));
    }
  }
}

TEST_CASE("a request whose deadline is over is answered so and changes nothing") {
  World world;
  Context late;
  late.deadline = world.world.clock().now();
  CHECK(code_of(world.world.run(world.store().put(late, key_of(1), {Bytes::copy_of("x")}))) == Errc::deadline);
  CHECK(code_of(world.read(1)) == Errc::not_found);
}

TEST_CASE("a drive under load from several threads keeps every shard") {
  DriveOptions options = small_options();
  options.segment_bytes = 1 * MiB;
  options.compact_pause = std::chrono::milliseconds(250);
  PosixDrive drive(options);
  REQUIRE(drive.open().has_value());
  drive.engine->start();
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kShards = 200;
  std::atomic<int> wrong{0};
  const auto work = [&](std::uint64_t thread) {
    for (std::uint64_t i = 0; i < kShards; ++i) {
      const ShardKey key = key_of(thread * kShards + i);
      const std::string text = pattern(thread * kShards + i, 4000 + i);
      if (!gabion::test::run(drive.engine->put({}, key, {Bytes::copy_of(text)}))) ++wrong;
      const auto bytes = gabion::test::run(drive.engine->read({}, key, 0, 0));
      if (!bytes || bytes->text() != text) ++wrong;
      if (i % 2 == 0 && !gabion::test::run(drive.engine->remove({}, {key}))) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  while (*gabion::test::run(drive.engine->compact_once())) {
  }
  drive.close();
  REQUIRE(drive.open().has_value());
  for (std::uint64_t n = 0; n < kThreads * kShards; ++n) {
    const auto bytes = gabion::test::run(drive.engine->read({}, key_of(n), 0, 0));
    if (n % 2 == 0) CHECK(code_of(bytes) == Errc::not_found);
    else CHECK((bytes && bytes->text() == pattern(n, 4000 + n % kShards)));
  }
}

}  // namespace
}  // namespace gabion::chunkserver::test
