// After any sequence of commands the stored counts are those that a full scan finds.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "metadata/apply.h"
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

}  // namespace gabion::metadata::test
