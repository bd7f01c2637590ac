// The journal: what groups wrote is there after a restart, what is needed no more goes, and damage is told from it.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "metadata/log_record.h"
#include "metadata/raft/journal.h"
#include "tests/sim/metadata/quiet.h"
#include "tests/support/sim.h"

namespace gabion::metadata::raft {
namespace {

const std::string kMembers = encode_members_entry({{NodeId{1}}});
constexpr GroupId kGroup = 3;

struct Fixture {
  Fixture() : world(3), disk(world.rng()), drive(DriveId::random(world.rng())) { metadata::test::be_quiet(); }
  ~Fixture() { close(); }

  Result<void> open() {
    LogOptions options;
    options.drives.emplace_back(drive, &disk, world.executor());
    options.allow_new = true;
    options.segment_bytes = 2 * KiB;
    log = world.run(MirroredLog::open(std::move(options), world.rng())).value();
    Journal::Listener listener;
    listener.durable = [] {};
    listener.full = [this] { ++full; };
    listener.failed = [this] { failed = true; };
    auto opened = world.run(Journal::open(*log, world.executor(), world.clock(), listener));
    if (!opened) return opened.error();
    journal = *std::move(opened);
    return {};
  }
  void close() {
    if (journal) world.run(journal->close());
    journal.reset();
    if (log) world.run(log->close());
    log.reset();
  }
  void reopen() {
    close();
    REQUIRE(open().has_value());
  }
  void flush() { world.run(journal->flush()); }
  void entry(std::uint64_t index, std::uint64_t term, const std::string& text, GroupId group = kGroup) {
    const std::string data = index == 1 ? kMembers : encode_commands({text});
    journal->write_entry(group, index, {term, index == 1 ? EntryType::members : EntryType::command, data}, {});
  }
  void entries(std::uint64_t first, std::uint64_t last, std::uint64_t term, GroupId group = kGroup) {
    for (std::uint64_t i = first; i <= last; ++i) {
      entry(i, term, text(i), group);
      if (i % 4 == 0) flush();  // a batch is in one segment
    }
    flush();
  }
  static std::string text(std::uint64_t i) { return "entry " + std::to_string(i) + std::string(200, '.'); }
  std::vector<std::string> read_all(std::uint64_t from, std::uint64_t last, GroupId group = kGroup) {
    std::vector<std::string> out;
    while (from <= last) {
      const auto read = world.run(journal->entries(group).read(from)).value();
      for (const LoggedEntry& logged : read) {
        CHECK(logged.index == from++);
        out.push_back(logged.commands.empty() ? "" : logged.commands[0]);
      }
    }
    return out;
  }
  static Snapshot snapshot(std::uint64_t index, std::uint64_t term) {
    Snapshot out;
    out.index = index;
    out.term = term;
    out.members_index = 1;
    out.members = {{NodeId{1}}};
    return out;
  }
  Result<void> cut(std::uint64_t index, std::uint64_t first) {
    std::map<GroupId, Journal::Cut> cuts;
    cuts[kGroup].snapshot = snapshot(index, 1);
    cuts[kGroup].first = first;
    return world.run(journal->cut(std::move(cuts)));
  }

  sim::SimWorld world;
  sim::SimDisk disk;
  DriveId drive;
  std::unique_ptr<MirroredLog> log;
  std::unique_ptr<Journal> journal;
  int full = 0;
  bool failed = false;
};

}  // namespace

TEST_CASE("the journal gives back what each group wrote") {
  Fixture f;
  REQUIRE(f.open().has_value());
  CHECK(!f.journal->knows(kGroup));
  f.journal->write_hard_state(kGroup, {1, NodeId{}});
  f.entries(1, 5, 1);
  f.entries(1, 3, 2, 9);
  f.journal->write_truncate(kGroup, 4);
  f.entry(4, 2, "another");
  const std::uint64_t position = f.journal->write_hard_state(kGroup, {2, NodeId{7}});
  CHECK(f.journal->durable() < position);
  f.flush();
  CHECK(f.journal->durable() == position);
  CHECK(f.read_all(2, 4) == std::vector<std::string>{Fixture::text(2), Fixture::text(3), "another"});
  f.reopen();
  REQUIRE(f.journal->knows(kGroup));
  const Recovered group = f.journal->take(kGroup);
  CHECK(group.hard == HardState{2, NodeId{7}});
  CHECK(!group.snapshot);
  CHECK(group.first == 1);
  REQUIRE(group.entries.size() == 4);
  CHECK(group.entries[3] == Entry(2, EntryType::command, encode_commands({"another"})));
  CHECK(f.journal->take(9).entries.size() == 3);
  CHECK(f.read_all(1, 4)[3] == "another");
}

TEST_CASE("a cut drops what is not needed and keeps what is") {
  Fixture f;
  REQUIRE(f.open().has_value());
  f.journal->write_hard_state(kGroup, {1, NodeId{1}});
  f.entries(1, 40, 1);
  const std::uint64_t before = f.journal->bytes();
  REQUIRE(f.cut(30, 25).has_value());
  CHECK(f.journal->bytes() < before);
  CHECK(f.journal->entries(kGroup).first() == 25);
  f.entries(41, 45, 1);
  f.reopen();
  CHECK(f.journal->entries(kGroup).committed_at_open() == 30);
  const Recovered group = f.journal->take(kGroup);
  CHECK(group.hard == HardState{1, NodeId{1}});
  CHECK(group.snapshot == Fixture::snapshot(30, 1));
  CHECK(group.first == 25);
  REQUIRE(group.entries.size() == 21);
  CHECK(f.read_all(25, 45).size() == 21);
  CHECK(f.world.run(f.journal->entries(kGroup).read(24)).error().code == Errc::corrupt);
}

TEST_CASE("a group that does not move does not keep the log of others, nor lose its own") {
  Fixture f;
  REQUIRE(f.open().has_value());
  f.entries(1, 2, 1, 9);
  f.entries(1, 60, 1);
  REQUIRE(f.cut(60, 61).has_value());
  CHECK(f.log->first_index() == 1);  // the other group's entries
  f.reopen();
  CHECK(f.journal->take(9).entries.size() == 2);
  CHECK(f.journal->take(kGroup).entries.empty());
}

TEST_CASE("an installed state begins the group's log anew") {
  Fixture f;
  REQUIRE(f.open().has_value());
  f.entries(1, 5, 1);
  bool told = false;
  f.journal->write_snapshot(kGroup, Fixture::snapshot(50, 4), [&] { told = true; });
  f.flush();
  CHECK(told);
  f.entry(51, 4, "after");
  f.reopen();
  const Recovered group = f.journal->take(kGroup);
  CHECK(group.first == 51);
  CHECK(group.snapshot->index == 50);
  CHECK(group.entries.size() == 1);
}

TEST_CASE("damage in what is needed no more is passed over, and any other keeps the journal shut") {
  const bool needed = GENERATE(false, true);
  Fixture f;
  REQUIRE(f.open().has_value());
  f.entries(1, 5, 1);
  const std::uint64_t end = f.log->bytes();
  if (needed) {
    f.entries(6, 6, 1);
  } else {
    REQUIRE(f.cut(5, 6).has_value());
    f.entries(6, 6, 1);
  }
  REQUIRE(f.log->first_index() == 1);
  f.close();
  // In the payload of the fifth entry, the last before what came then.
  REQUIRE(f.disk.flip_bit("metadata/log/0000000000000001.log", end - 20, 1));
  const auto opened = f.open();
  CHECK(opened.has_value() == !needed);
  if (needed) CHECK(opened.error().code == Errc::corrupt);
  else CHECK(f.journal->take(kGroup).entries.size() == 1);
}

TEST_CASE("a full drive makes the journal wait, and nothing is lost") {
  Fixture f;
  REQUIRE(f.open().has_value());
  f.entries(1, 2, 1);
  f.disk.set_capacity(100);
  for (std::uint64_t i = 3; i <= 20; ++i) f.entry(i, 1, Fixture::text(i));
  f.world.run_for(std::chrono::seconds(1));
  CHECK(f.full > 2);
  CHECK(f.journal->full());
  CHECK(f.journal->durable() < f.journal->queued());
  f.disk.set_capacity(1ull << 40);
  f.flush();
  CHECK(!f.journal->full());
  CHECK(!f.failed);
  f.reopen();
  CHECK(f.journal->take(kGroup).entries.size() == 20);
}

TEST_CASE("a failed write ends the journal and nobody is told that it was written") {
  Fixture f;
  REQUIRE(f.open().has_value());
  f.entries(1, 2, 1);
  f.disk.fail_sync_after(0);
  bool told = false;
  f.journal->write_snapshot(kGroup, Fixture::snapshot(5, 1), [&] { told = true; });
  f.flush();
  CHECK(f.failed);
  CHECK(!told);
  CHECK(f.journal->failure().has_value());
  f.entry(3, 1, "late");
  f.flush();
  CHECK(f.journal->durable() == 2);
}

}  // namespace gabion::metadata::raft
