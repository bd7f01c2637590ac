// An entry of which the state has a part, because the store made a write in the middle of it durable, is gone on with.
#include <catch2/catch_test_macros.hpp>

#include "metadata/state_machine.h"
#include "tests/sim/metadata/quiet.h"
#include "tests/unit/metadata/subject.h"

namespace gabion::metadata::test {
namespace {

// A log of which everything is committed.
class WholeLog final : public raft::EntryReader {
 public:
  explicit WholeLog(std::vector<raft::LoggedEntry> entries) : entries_(std::move(entries)) {}
  std::uint64_t first() const override { return 1; }
  std::uint64_t committed_at_open() const override { return committed; }
  task<Result<std::vector<raft::LoggedEntry>>> read(std::uint64_t from) override {
    co_return std::vector<raft::LoggedEntry>(entries_.begin() + static_cast<std::ptrdiff_t>(from - 1), entries_.end());
  }
  std::uint64_t committed = 0;

 private:
  const std::vector<raft::LoggedEntry> entries_;
};

// The second entry scans behind its second command.
std::vector<raft::LoggedEntry> entries() {
  const auto text = [](const Command& command) { return command.SerializeAsString(); };
  const BucketId bucket = 1;
  return {{1, {text(create_bucket("b")), text(create_bucket("empty"))}},
          {2,
           {text(put_blocks(bucket, "k", "block", 1000)), text(put(bucket, "l", "text")), text(delete_bucket("empty")),
            text(put(bucket, "m", "text"))}}};
}

Totals totals_of(const KvStore& store) {
  std::string row;
  REQUIRE(store.get(Table::other, keys::totals(), row, ReadMode::wait).value());
  return decode_totals(row).value();
}

struct Begun {
  Begun() {
    be_quiet();
    image->mark.emplace();
    MemoryKv store(image);
    const auto machine = StateMachine::load(store).value();
    REQUIRE(machine->belong_to(cluster).has_value());
    const auto all = entries();
    for (const std::string& command : all[0].commands) REQUIRE(machine->apply(machine->applied() + 1, command).has_value());
    machine->set_entry(1);
    REQUIRE(machine->commit().has_value());
    for (int i = 0; i < 3; ++i) REQUIRE(machine->apply(machine->applied() + 1, all[1].commands[i]).has_value());
    REQUIRE(store.flush().has_value());  // with the two before the one that scans
    REQUIRE(totals_of(store).index == 4);
    REQUIRE(totals_of(store).entry == 1);
  }
  StateHost::Options options() {
    StateHost::Options given;
    given.storage = &storage;
    given.readers = given.background = world.executor();
    given.clock = &world.clock();
    given.cluster = cluster;
    return given;
  }
  std::unique_ptr<MirroredLog> journal() {
    LogOptions log;
    log.drives.emplace_back(DriveId::random(world.rng()), &disk, world.executor());
    log.allow_new = true;
    return world.run(MirroredLog::open(std::move(log), world.rng())).value();
  }
  void check(const StateHost& host) {
    const Totals totals = totals_of(*host.current()->store);
    CHECK(totals.index == 6);
    CHECK(totals.entry == 2);
    CHECK(totals.objects == 3);
    CHECK(totals.doomed == 0);
    CHECK(totals.buckets == 1);
  }

  sim::SimWorld world{1};
  ClusterId cluster = ClusterId::random(world.rng());
  std::shared_ptr<MemoryImage> image = std::make_shared<MemoryImage>();
  MemoryStateStorage storage{{image}};
  WholeLog log{entries()};
  sim::SimDisk disk{world.rng()};
};

}  // namespace

TEST_CASE("an entry that the state has in part is gone on with when the log is replayed") {
  Begun begun;
  begun.log.committed = 2;
  StateHost host(begun.options());
  REQUIRE(begun.world.run(host.load()).has_value());
  const auto journal = begun.journal();
  REQUIRE(begun.world.run(host.open(*journal, begun.log)).has_value());
  begun.check(host);
  begun.world.run(journal->close());
}

TEST_CASE("an entry that the state has in part is gone on with when it comes, and its results are lost") {
  Begun begun;
  begun.log.committed = 1;
  StateHost host(begun.options());
  REQUIRE(begun.world.run(host.load()).has_value());
  const auto journal = begun.journal();
  REQUIRE(begun.world.run(host.open(*journal, begun.log)).has_value());
  const auto applied = begun.world.run(host.apply(2, entries()[1].commands));
  REQUIRE(!applied.has_value());
  CHECK(applied.error().code == Errc::unknown_outcome);
  CHECK(host.applied() == 2);
  begun.check(host);
  const auto next = begun.world.run(host.apply(3, {put(1, "n", "text").SerializeAsString()}));
  REQUIRE(next.has_value());
  CHECK(next->size() == 1);
  begun.world.run(journal->close());
}

}  // namespace gabion::metadata::test
