// After any sequence of commands the stored counts are those that a full scan finds.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "metadata/apply.h"
#include "metadata/reads.h"
#include "metadata/state_machine.h"
#include "tests/unit/metadata/random_commands.h"

namespace gabion::metadata::test {

TEST_CASE("reference counts, totals and manifests agree with a full scan after random commands") {
  const std::uint32_t seed = GENERATE(Catch::Generators::range(1u, 21u));
  CAPTURE(seed);
  SeededRng rng(seed);
  MemoryKv store(std::make_shared<MemoryImage>());
  const auto machine = StateMachine::load(store).value();
  RandomCommands commands(rng);
  for (std::uint64_t index = 1; index <= 1500; ++index) {
    const Command command = commands.next();
    REQUIRE(validate(command).has_value());
    const auto encoded = machine->apply(index, command.SerializeAsString());
    REQUIRE(encoded.has_value());
    CommandResult result;
    REQUIRE(result.ParseFromString(*encoded));
    commands.note(command, result);
    if (rng.below(5) == 0) REQUIRE(machine->commit().has_value());
  }
  REQUIRE(machine->commit().has_value());
  check_references(store);
}

TEST_CASE("the same log gives the same state byte for byte, however it is cut into rounds") {
  SeededRng rng(77);
  MemoryKv first(std::make_shared<MemoryImage>());
  MemoryKv second(std::make_shared<MemoryImage>());
  const auto one = StateMachine::load(first).value();
  const auto two = StateMachine::load(second).value();
  RandomCommands commands(rng);
  for (std::uint64_t index = 1; index <= 1500; ++index) {
    const Command command = commands.next();
    const std::string encoded = command.SerializeAsString();
    const auto a = one->apply(index, encoded);
    const auto b = two->apply(index, encoded);
    REQUIRE(a.has_value());
    REQUIRE(*a == *b);
    CommandResult result;
    REQUIRE(result.ParseFromString(*a));
    commands.note(command, result);
    if (index % 3 == 0) REQUIRE(one->commit().has_value());
    if (index % 64 == 0) REQUIRE(two->commit().has_value());
  }
  REQUIRE(one->commit().has_value());
  REQUIRE(two->commit().has_value());
  CHECK(first.dump() == second.dump());
}

TEST_CASE("blocks of a manifest that is replaced by one with the same blocks are not collected") {
  MemoryKv store(std::make_shared<MemoryImage>());
  const auto machine = StateMachine::load(store).value();
  const auto apply = [&](const Command& command) {
    REQUIRE(machine->apply(machine->applied() + 1, command.SerializeAsString()).has_value());
    REQUIRE(machine->commit().has_value());
  };
  apply(create_bucket("b"));
  const auto doomed = [&store] { return count_rows(store, Table::other, keys::all_doomed()); };
  Command same = put_blocks(1, "k", "block", 100);
  same.mutable_put_object()->add_intents()->set_block(etag_bytes("block"));
  same.mutable_put_object()->mutable_intents(0)->add_shards(1);
  apply(same);
  apply(same);
  CHECK(doomed() == 0);
  check_references(store);
  const auto repairs = reads::repairs(store, "", 10);
  REQUIRE(repairs->size() == 1);
  CHECK(repairs->front().manifest() == 3);
  apply(put_blocks(1, "k", "other", 100));
  CHECK(doomed() == 1);
  apply(create_upload(1, "k", "id"));
  apply(put_part(1, "k", "id", 1, "part", 100));
  apply(put_part(1, "k", "id", 1, "part", 100));
  CHECK(doomed() == 1);
}

}  // namespace gabion::metadata::test
