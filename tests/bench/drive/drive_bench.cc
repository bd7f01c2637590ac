// How much the drive engine does with one second of CPU time, on a real disk (TMPDIR says which), all threads counted.

#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <fstream>

#include "tests/support/posix_drive.h"

namespace gabion::test {
namespace {

using chunkserver::ShardKey;

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

ShardKey random_key(Rng& rng) { return {BlockId::random(rng), static_cast<std::uint8_t>(rng.below(6))}; }

struct Load {
  PosixDrive& drive;
  Bytes shard;
  std::vector<ShardKey> keys;
  std::atomic<std::size_t> next{0};
};

task<int> put_all(Load& load) {
  int failed = 0;
  for (std::size_t i = load.next++; i < load.keys.size(); i = load.next++) {
    std::vector<Bytes> pieces = {load.shard};
    const auto stored = co_await load.drive.engine->put({}, load.keys[i], std::move(pieces));
    if (!stored) ++failed;
  }
  co_return failed;
}

task<int> read_all(Load& load) {
  int failed = 0;
  for (std::size_t i = load.next++; i < load.keys.size(); i = load.next++) {
    const auto bytes = co_await load.drive.engine->read({}, load.keys[i], 0, 0);
    if (!bytes || bytes->size() != load.shard.size()) ++failed;
  }
  co_return failed;
}

template <class Work>
void measure(const char* what, Load& load, Work work) {
  load.next = 0;
  const double cpu = cpu_seconds();
  const TimePoint start = load.drive.clock.now();
  std::vector<task<int>> callers;
  for (int i = 0; i < 32; ++i) callers.push_back(work(load));
  int failed = 0;
  for (const int n : run(gather(std::move(callers)))) failed += n;
  const double seconds = std::chrono::duration<double>(load.drive.clock.now() - start).count();
  const double used = cpu_seconds() - cpu;
  const auto count = static_cast<double>(load.keys.size());
  const double megabytes = count * static_cast<double>(load.shard.size()) / 1e6;
  std::printf("%-5s %8zu bytes: %8.0f /s, %8.0f MB/s; per CPU second %8.0f, %8.0f MB\n", what, load.shard.size(), count / seconds,
              megabytes / seconds, count / used, megabytes / used);
  CHECK(failed == 0);
}

void bench(std::size_t shard_bytes, std::size_t count) {
  PosixDrive drive;
  REQUIRE(drive.open().has_value());
  SeededRng rng(1);
  Buffer buffer(shard_bytes);
  rng.fill(buffer.span());
  Load load{.drive = drive, .shard = Bytes(buffer), .keys = {}};
  for (std::size_t i = 0; i < count; ++i) load.keys.push_back(random_key(rng));
  measure("put", load, [](Load& l) { return put_all(l); });
  std::printf("      %.1f operations a sync\n", static_cast<double>(count) / static_cast<double>(drive.metrics.syncs.value()));
  measure("read", load, [](Load& l) { return read_all(l); });
}

TEST_CASE("shards per CPU second", "[.][bench]") {
  bench(1 * KiB, 100'000);
  bench(64 * KiB, 20'000);
  bench(2 * MiB, 800);
}

double resident_megabytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<double>(::getpagesize()) / 1e6;
}

// The index as it would be with so many shards, without the shards themselves.
void fill_index(PosixDrive& drive, std::uint64_t shards) {
  SeededRng rng(2);
  for (std::uint64_t done = 0; done < shards; done += 1000) {
    chunkserver::IndexBatch batch;
    for (int i = 0; i < 1000; ++i) batch.shards.emplace_back(random_key(rng), chunkserver::IndexEntry{.length = 1000});
    batch.position = {0, 0, done + 1};
    REQUIRE(drive.index->apply(batch).has_value());
  }
}

TEST_CASE("six drives with 200,000 shards each: time to open, memory when idle", "[.][bench]") {
  std::vector<std::unique_ptr<PosixDrive>> drives;
  for (int i = 0; i < 6; ++i) {
    drives.push_back(std::make_unique<PosixDrive>());
    REQUIRE(drives.back()->open().has_value());
    fill_index(*drives.back(), 200'000);
    drives.back()->close();
  }
  const double memory = resident_megabytes();
  const TimePoint start = drives[0]->clock.now();
  for (const auto& drive : drives) REQUIRE(drive->open().has_value());
  const double seconds = std::chrono::duration<double>(drives[0]->clock.now() - start).count();
  std::printf("opened one after the other in %.3f s; %.1f MB more resident, %.1f MB in all\n", seconds,
              resident_megabytes() - memory, resident_megabytes());
}

}  // namespace
}  // namespace gabion::test
