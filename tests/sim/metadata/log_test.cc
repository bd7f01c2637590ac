// The mirrored log by itself: what the scenarios cannot arrange.
#include <catch2/catch_test_macros.hpp>

#include "metadata/log.h"
#include "tests/sim/metadata/quiet.h"
#include "tests/support/sim.h"

namespace gabion::metadata::test {
namespace {

struct Fixture {
  explicit Fixture(std::size_t drives) : world(5) {
    be_quiet();
    for (std::size_t i = 0; i < drives; ++i) {
      disks.push_back(std::make_unique<sim::SimDisk>(world.rng()));
      ids.push_back(DriveId::random(world.rng()));
    }
  }
  Result<std::unique_ptr<MirroredLog>> open(std::vector<bool> missing = {}, std::size_t required = 1) {
    LogOptions options;
    for (std::size_t i = 0; i < disks.size(); ++i) {
      const bool gone = i < missing.size() && missing[i];
      options.drives.emplace_back(ids[i], gone ? nullptr : disks[i].get(), world.executor());
    }
    options.required = required;
    options.allow_new = true;
    options.segment_bytes = 1 * KiB;
    return world.run(MirroredLog::open(std::move(options), world.rng()));
  }
  // Somebody else takes all space that is left.
  void fill(std::size_t drive) {
    disks[drive]->set_capacity(1 << 30);
    disks[drive]->set_capacity((1 << 30) - disks[drive]->space()->available_bytes);
  }
  Result<void> append(MirroredLog& log, const std::vector<std::string>& commands) { return world.run(log.append(commands)); }
  std::vector<std::string> all(MirroredLog& log) {
    std::vector<std::string> out;
    for (std::uint64_t next = log.first_index(); next <= log.last_index();) {
      for (auto& entry : world.run(log.read(next)).value()) out.push_back(entry.command);
      next = log.first_index() + out.size();
    }
    return out;
  }
  sim::SimWorld world;
  std::vector<std::unique_ptr<sim::SimDisk>> disks;
  std::vector<DriveId> ids;
};

std::string text(int i) { return "command " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 7) * 40, '.'); }

}  // namespace

TEST_CASE("what a killed process wrote and never synced is durable once it was seen again") {
  Fixture fixture(2);
  {
    auto log = fixture.open().value();
    REQUIRE(fixture.append(*log, {"one"}).has_value());
    for (auto& disk : fixture.disks) disk->ignore_syncs(true);
    REQUIRE(fixture.append(*log, {"two"}).has_value());
    for (auto& disk : fixture.disks) disk->ignore_syncs(false);
  }
  {
    auto log = fixture.open().value();
    REQUIRE(log->last_index() == 2);
  }
  for (auto& disk : fixture.disks) disk->crash(sim::Crash::drop_all);
  CHECK(fixture.all(*fixture.open().value()) == std::vector<std::string>{"one", "two"});
}

TEST_CASE("entries are read back over many segments and the oldest go when they are not needed") {
  Fixture fixture(3);
  std::vector<std::string> expected;
  auto log = fixture.open().value();
  for (int i = 1; i <= 60; ++i) {
    expected.push_back(text(i));
    REQUIRE(fixture.append(*log, {expected.back()}).has_value());
  }
  CHECK(fixture.all(*log) == expected);
  fixture.world.run(log->truncate(31));
  CHECK(log->first_index() > 1);
  CHECK(log->first_index() <= 31);
  const std::uint64_t first = log->first_index();
  log.reset();
  log = fixture.open().value();
  CHECK(log->first_index() == first);
  CHECK(fixture.all(*log) == std::vector<std::string>(expected.begin() + static_cast<std::ptrdiff_t>(first) - 1, expected.end()));
}

TEST_CASE("a replica that missed entries does not win when it is back, and is brought up") {
  Fixture fixture(2);
  {
    auto log = fixture.open().value();
    REQUIRE(fixture.append(*log, {"one"}).has_value());
  }
  {
    auto log = fixture.open({false, true}).value();
    REQUIRE(fixture.append(*log, {"two"}).has_value());
  }
  {
    auto log = fixture.open().value();
    CHECK(fixture.all(*log) == std::vector<std::string>{"one", "two"});
  }
  CHECK(fixture.all(*fixture.open({true, false}).value()) == std::vector<std::string>{"one", "two"});
}

TEST_CASE("a replica that failed while others went on refuses to serve alone") {
  Fixture fixture(2);
  {
    auto log = fixture.open().value();
    REQUIRE(fixture.append(*log, {"one"}).has_value());
    fixture.disks[1]->fail_sync_after(0);
    REQUIRE(fixture.append(*log, {"two"}).has_value());
    CHECK(!log->healthy(1));
  }
  const auto alone = fixture.open({true, false});
  REQUIRE(!alone.has_value());
  CHECK(alone.error().code == Errc::unavailable);
  CHECK(fixture.all(*fixture.open().value()) == std::vector<std::string>{"one", "two"});
}

TEST_CASE("one drive whose sync fails loses nothing acknowledged and opens again") {
  Fixture fixture(1);
  {
    auto log = fixture.open().value();
    REQUIRE(fixture.append(*log, {"one"}).has_value());
    fixture.disks[0]->fail_sync_after(0);
    CHECK(fixture.append(*log, {"two"}).error().code == Errc::unknown_outcome);
    CHECK(fixture.append(*log, {"three"}).error().code == Errc::unavailable);
  }
  fixture.disks[0]->crash(sim::Crash::drop_all);
  const auto entries = fixture.all(*fixture.open().value());
  REQUIRE(!entries.empty());
  CHECK(entries[0] == "one");
}

TEST_CASE("entries that are damaged everywhere are not read, and those behind them are") {
  Fixture fixture(1);
  {
    auto log = fixture.open().value();
    for (int i = 1; i <= 3; ++i) REQUIRE(fixture.append(*log, {text(i)}).has_value());
  }
  REQUIRE(fixture.disks[0]->flip_bit("metadata/log/0000000000000001.log", kSegmentHeaderSize + kRecordHeaderSize + 3, 1));
  auto log = fixture.open().value();
  CHECK(log->last_index() == 3);
  CHECK(fixture.world.run(log->read(2)).value().size() == 2);
  CHECK(fixture.world.run(log->read(1)).error().code == Errc::corrupt);
  const auto scanned = fixture.world.run(log->scan(1)).value();
  CHECK(scanned.next == 4);
  REQUIRE(scanned.entries.size() == 2);
  CHECK(scanned.entries[0].index == 2);
}

TEST_CASE("after a clean stop a damaged end is noticed") {
  Fixture fixture(1);
  {
    auto log = fixture.open().value();
    for (int i = 1; i <= 3; ++i) REQUIRE(fixture.append(*log, {text(i)}).has_value());
    fixture.world.run(log->close());
  }
  const std::string path = "metadata/log/0000000000000001.log";
  // Where the third record's payload is.
  std::string before;
  for (int i = 1; i <= 2; ++i) append_record(before, LogId(), RecordHeader(), text(i));
  REQUIRE(fixture.disks[0]->flip_bit(path, kSegmentHeaderSize + before.size() + kRecordHeaderSize + 3, 1));
  CHECK(fixture.open().error().code == Errc::corrupt);
}

TEST_CASE("a full drive refuses entries, keeps serving, and takes them when there is room") {
  Fixture fixture(2);
  auto log = fixture.open().value();
  REQUIRE(fixture.append(*log, {"one"}).has_value());
  fixture.disks[0]->set_capacity(800);
  for (int i = 0; i < 3; ++i) CHECK(fixture.append(*log, {std::string(1200, 'x')}).error().code == Errc::exhausted);
  CHECK(log->healthy(0));
  CHECK(log->healthy(1));
  fixture.disks[0]->set_capacity(1ull << 40);
  REQUIRE(fixture.append(*log, {"two"}).has_value());
  log.reset();
  for (auto& disk : fixture.disks) disk->crash(sim::Crash::random);
  CHECK(fixture.all(*fixture.open().value()) == std::vector<std::string>{"one", "two"});
}

TEST_CASE("on a drive that somebody else filled the log goes on in its tail and its spare") {
  Fixture fixture(2);
  auto log = fixture.open().value();
  REQUIRE(fixture.world.run(log->hold_spare()));
  fixture.fill(0);
  REQUIRE(fixture.append(*log, {std::string(600, '1')}).has_value());
  REQUIRE(fixture.append(*log, {std::string(600, '2')}).has_value());
  CHECK(!fixture.world.run(log->hold_spare()));
  CHECK(log->tight());
  CHECK(fixture.append(*log, {std::string(600, '3')}).error().code == Errc::exhausted);
  CHECK(log->healthy(0));
  CHECK(log->last_index() == 2);
  fixture.disks[0]->set_capacity(1ull << 40);
  REQUIRE(fixture.world.run(log->hold_spare()));
  REQUIRE(fixture.append(*log, {std::string(600, '3')}).has_value());
}

TEST_CASE("after a kill the log opens on a full drive, in the space of the spare") {
  Fixture fixture(2);
  {
    auto log = fixture.open().value();
    REQUIRE(fixture.append(*log, {std::string(600, '1')}).has_value());
    REQUIRE(fixture.world.run(log->hold_spare()));
  }
  fixture.fill(0);
  auto log = fixture.open().value();
  CHECK(log->healthy(0));
  CHECK(log->last_index() == 1);
}

TEST_CASE("too few working replicas refuse everything") {
  Fixture fixture(3);
  auto log = fixture.open({}, 2).value();
  REQUIRE(fixture.append(*log, {"one"}).has_value());
  fixture.world.run(log->fail(0, "test"));
  REQUIRE(fixture.append(*log, {"two"}).has_value());
  fixture.world.run(log->fail(1, "test"));
  CHECK(fixture.append(*log, {"three"}).error().code == Errc::unavailable);
}

TEST_CASE("no log is begun anew beside a drive that cannot be read") {
  Fixture fixture(2);
  CHECK(fixture.open({false, true}).error().code == Errc::unavailable);
  REQUIRE(fixture.open().has_value());
}

TEST_CASE("drives of two different logs are refused") {
  Fixture one(1), two(1);
  REQUIRE(one.open().has_value());
  two.disks.push_back(std::move(one.disks[0]));
  two.ids.push_back(one.ids[0]);
  {
    // The second fixture's own drive gets a log of its own first.
    LogOptions options;
    options.drives.emplace_back(two.ids[0], two.disks[0].get(), two.world.executor());
    options.allow_new = true;
    REQUIRE(two.world.run(MirroredLog::open(std::move(options), two.world.rng())).has_value());
  }
  SeededRng other(1234);
  two.disks[1]->wipe();
  LogOptions alone;
  alone.drives.emplace_back(two.ids[1], two.disks[1].get(), two.world.executor());
  alone.allow_new = true;
  REQUIRE(two.world.run(MirroredLog::open(std::move(alone), other)).has_value());
  CHECK(two.open().error().code == Errc::invalid);
}

}  // namespace gabion::metadata::test
