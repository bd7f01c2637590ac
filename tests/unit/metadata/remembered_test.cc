// A command with an id that comes twice gives the first one's result and changes nothing; the oldest are forgotten.
#include <catch2/catch_test_macros.hpp>

#include "metadata/apply.h"
#include "metadata/state_machine.h"
#include "metadata/reads.h"
#include "ring/ring.h"
#include "tests/unit/metadata/subject.h"

namespace gabion::metadata::test {
namespace {

std::string id_of(std::uint64_t number) {
  std::string id(16, 'i');
  store_le(id.data(), number);
  return id;
}

class Machine {
 public:
  Machine() { open(); }
  CommandResult apply(Command command, std::uint64_t id) {
    if (id != 0) command.set_id(id_of(id));
    REQUIRE(validate(command).has_value());
    const auto encoded = machine_->apply(machine_->applied() + 1, command.SerializeAsString());
    REQUIRE(encoded.has_value());
    REQUIRE(machine_->commit().has_value());
    CommandResult result;
    REQUIRE(result.ParseFromString(*encoded));
    return result;
  }
  void open() { machine_ = StateMachine::load(store).value(); }
  std::uint64_t applied() const { return machine_->applied(); }
  std::string dump() const { return store.dump(); }

  MemoryKv store{std::make_shared<MemoryImage>()};

 private:
  std::unique_ptr<StateMachine> machine_;
};

}  // namespace

TEST_CASE("a command that comes twice is applied once, also after a restart") {
  Machine machine;
  const BucketId bucket = machine.apply(create_bucket("b"), 1).bucket().id();
  CHECK(machine.apply(create_bucket("b"), 1).outcome() == APPLIED);
  CHECK(machine.apply(create_bucket("b"), 2).outcome() == BUCKET_EXISTS);
  const CommandResult first = machine.apply(put(bucket, "k", "one"), 3);
  machine.apply(put(bucket, "k", "two"), 4);
  machine.open();
  const CommandResult again = machine.apply(put(bucket, "k", "one"), 3);
  CHECK(again.version().sequence() == first.version().sequence());
  const auto read = reads::object({machine.store, kEverything}, bucket, "k", Metadata::With::version, ReadMode::wait);
  CHECK(read->version.etag() == etag_bytes("two"));
  // A refusal is remembered as well.
  Command conditional = put(bucket, "k", "three");
  conditional.mutable_put_object()->mutable_conditions()->set_if_none_match_any(true);
  CHECK(machine.apply(conditional, 5).outcome() == PRECONDITION_FAILED);
  machine.apply(remove(bucket, "k"), 0);
  CHECK(machine.apply(conditional, 5).outcome() == PRECONDITION_FAILED);
  CHECK(machine.apply(conditional, 6).outcome() == APPLIED);
}

TEST_CASE("commands without an id are not remembered") {
  Machine machine;
  machine.apply(create_bucket("b"), 0);
  CHECK(machine.apply(create_bucket("b"), 0).outcome() == BUCKET_EXISTS);
}

TEST_CASE("the oldest commands are forgotten, and nothing grows beyond the limit") {
  Machine machine;
  machine.apply(create_bucket("b"), 1);
  Command nothing;
  nothing.mutable_finish_repair()->set_block("none");
  for (std::uint64_t i = 2; i <= apply::kRememberedMax; ++i) machine.apply(nothing, i);
  CHECK(machine.apply(create_bucket("b"), 1).outcome() == APPLIED);
  machine.apply(nothing, apply::kRememberedMax + 1);
  CHECK(machine.apply(create_bucket("b"), 1).outcome() == BUCKET_EXISTS);
  std::size_t rows = 0;
  const auto all = machine.store.iterate(Table::other, keys::successor("m"));
  for (all->seek("m"); all->valid(); all->next()) ++rows;
  CHECK(rows == apply::kRememberedMax);
}

TEST_CASE("an id of another length is refused") {
  Command command = create_bucket("b");
  command.set_id("short");
  CHECK(validate(command).error().code == Errc::invalid);
}

TEST_CASE("blocks placed by a ring that was replaced before the commit are to be looked at") {
  Machine machine;
  const BucketId bucket = machine.apply(create_bucket("b"), 0).bucket().id();
  Command ring;
  ring.mutable_set_cluster_state()->mutable_state()->set_ring_epoch(7);
  CHECK(machine.apply(ring, 0).outcome() == APPLIED);
  const auto placed_by = [&](const std::string& key, std::uint64_t epoch) {
    Command command = put_blocks(bucket, key, key, 100);
    command.mutable_put_object()->mutable_manifest()->set_ring_epoch(epoch);
    machine.apply(command, 0);
  };
  placed_by("current", 7);
  placed_by("newer", 8);
  placed_by("unknown", 0);
  CHECK(reads::repairs(machine.store, "", 10)->empty());
  placed_by("older", 6);
  const auto repairs = reads::repairs(machine.store, "", 10);
  REQUIRE(repairs->size() == 1);
  CHECK(repairs->front().block() == etag_bytes("older"));
  CHECK(repairs->front().shards_size() == 6);
}

TEST_CASE("blocks placed by a ring that was dropped are refused") {
  Machine machine;
  const BucketId bucket = machine.apply(create_bucket("b"), 0).bucket().id();
  SeededRng rng(5);
  std::vector<ring::Drive> drives(3);
  for (ring::Drive& drive : drives) drive.id = DriveId::random(rng);
  const ring::Ring first = *ring::build(ring::Ring(), drives, 3, 2);
  std::uint64_t version = 0;
  const auto set = [&](std::uint64_t epoch, std::vector<std::string> previous) {
    Command command;
    command.mutable_set_cluster_state()->set_expected_version(version);
    ClusterState& state = *command.mutable_set_cluster_state()->mutable_state();
    state.set_ring_epoch(epoch);
    for (std::string& ring : previous) state.add_previous_rings(std::move(ring));
    CHECK(machine.apply(command, 0).outcome() == APPLIED);
    version = machine.applied();
  };
  const auto put = [&](std::uint64_t epoch) {
    Command command = put_blocks(bucket, "key", "key", 100);
    command.mutable_put_object()->mutable_manifest()->set_ring_epoch(epoch);
    return machine.apply(command, 0).outcome();
  };
  const std::uint64_t old = first.epoch();
  set(old, {});
  set(old + 1, {first.encode()});
  CHECK(put(old) == APPLIED);
  set(old + 1, {});
  CHECK(put(old) == STALE);
  CHECK(put(old + 1) == APPLIED);
  CHECK(put(0) == APPLIED);
  set(old + 2, {});  // nothing moved
  CHECK(put(old + 1) == APPLIED);
}

TEST_CASE("totals of the first version are read") {
  Totals totals;
  totals.index = 5;
  totals.completed = 9;
  std::string row = encode_totals(totals);
  row.resize(8 + 16 + 8 * 8);
  store_le<std::uint64_t>(row.data(), 1);
  const auto decoded = decode_totals(row);
  REQUIRE(decoded.has_value());
  CHECK(decoded->index == 5);
  CHECK(decoded->completed == 9);
  CHECK(decoded->ring_epoch == 0);
}

}  // namespace gabion::metadata::test
