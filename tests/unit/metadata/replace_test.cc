// Blocks of a manifest that are replaced by others: what is refused, what is doomed under which name, and who goes on unchanged.
#include <catch2/catch_test_macros.hpp>

#include "metadata/reads.h"
#include "metadata/state_machine.h"
#include "tests/unit/metadata/random_commands.h"

namespace gabion::metadata::test {
namespace {

struct World {
  World() { apply(create_bucket("b")); }
  CommandResult apply(const Command& command) {
    REQUIRE(validate(command).has_value());
    const auto encoded = machine->apply(machine->applied() + 1, command.SerializeAsString());
    REQUIRE(encoded.has_value());
    REQUIRE(machine->commit().has_value());
    CommandResult result;
    REQUIRE(result.ParseFromString(*encoded));
    return result;
  }
  Manifest at(ManifestId id) const { return reads::manifest(store, id, ReadMode::wait).value(); }
  std::vector<Doomed> doomed() const { return reads::doomed(store, 0, 100).value(); }
  std::vector<ManifestId> confirmed(ManifestId name) {
    Command command;
    command.mutable_confirm_doomed()->add_manifests(name);
    const CommandResult result = apply(command);
    return {result.confirmed().begin(), result.confirmed().end()};
  }
  // 2+2 in place of 4+2.
  Command replacement(ManifestId id, const std::string& block, std::uint32_t length = 1000) const {
    Command command;
    ReplaceBlocks& replace = *command.mutable_replace_blocks();
    replace.set_manifest(id);
    replace.set_contents(at(id).contents());
    replace.mutable_blocks()->set_data_shards(2);
    replace.mutable_blocks()->set_parity_shards(2);
    Block& fresh = *replace.mutable_blocks()->add_blocks();
    fresh.set_id(etag_bytes(block));
    fresh.set_length(length);
    fresh.set_sealed_as(at(id).blocks(0).id());
    return command;
  }

  MemoryKv store{std::make_shared<MemoryImage>()};
  std::unique_ptr<StateMachine> machine = StateMachine::load(store).value();
};

using Ids = std::vector<ManifestId>;

}  // namespace

TEST_CASE("replaced blocks are doomed under the name of their contents, and the manifest keeps everything else") {
  World w;
  const Version version = w.apply(put_blocks(1, "k", "old", 1000)).version();
  const ManifestId id = version.manifest();
  const Manifest before = w.at(id);
  Command replace = w.replacement(id, "new");
  replace.mutable_replace_blocks()->add_intents()->set_block(etag_bytes("new"));
  replace.mutable_replace_blocks()->mutable_intents(0)->add_shards(3);
  CHECK(w.apply(replace).outcome() == APPLIED);
  const Manifest after = w.at(id);
  CHECK(after.size() == before.size());
  CHECK(after.wrapped_key() == before.wrapped_key());
  CHECK(after.data_shards() == 2);
  CHECK(after.blocks(0).id() == etag_bytes("new"));
  CHECK(after.blocks(0).sealed_as() == etag_bytes("old"));
  CHECK(after.contents() != 0);
  CHECK(reads::repairs(w.store, "", 10)->front().manifest() == id);
  REQUIRE(w.doomed().size() == 1);
  CHECK(w.doomed()[0].manifest() == id);
  CHECK(w.doomed()[0].data_shards() == before.data_shards());
  CHECK(w.doomed()[0].blocks(0).id() == etag_bytes("old"));
  // The manifest lives, its first contents do not: another group may still have those.
  CHECK(reads::live_manifests(w.store, {id, after.contents()}).value() == Ids{after.contents()});
  CHECK(w.confirmed(id) == Ids{id});
  check_references(w.store);
}

TEST_CASE("the contents that came in their place are doomed with the manifest, or by the next replacement") {
  World w;
  const ManifestId id = w.apply(put_blocks(1, "k", "one", 1000)).version().manifest();
  w.apply(w.replacement(id, "two"));
  const ManifestId second = w.at(id).contents();
  w.apply(w.replacement(id, "three"));
  const ManifestId third = w.at(id).contents();
  CHECK(w.confirmed(second) == Ids{second});
  CHECK(w.confirmed(third).empty());
  w.apply(remove(1, "k"));
  const auto doomed = w.doomed();
  REQUIRE(doomed.size() == 3);
  CHECK(doomed[1].manifest() == second);
  CHECK(doomed[1].pinned_as() == id);
  CHECK(doomed[2].manifest() == third);
  CHECK(doomed[2].blocks(0).id() == etag_bytes("three"));
  CHECK(w.confirmed(third) == Ids{third});
  CHECK(reads::live_manifests(w.store, {id, second, third}).value().empty());
  check_references(w.store);
}

TEST_CASE("copies share the new blocks, and an upload's slices go on into them") {
  World w;
  const Version version = w.apply(put_blocks(1, "k", "old", 1000)).version();
  w.apply(copy(1, "copy", version));
  w.apply(w.replacement(version.manifest(), "new"));
  w.apply(remove(1, "k"));
  CHECK(w.doomed().size() == 1);
  CHECK(w.at(version.manifest()).blocks(0).id() == etag_bytes("new"));
  w.apply(remove(1, "copy"));
  CHECK(w.doomed().size() == 2);
  check_references(w.store);
}

TEST_CASE("what was read before another replacement, or is gone, or has other lengths, replaces nothing") {
  World w;
  const ManifestId id = w.apply(put_blocks(1, "k", "old", 1000)).version().manifest();
  const Command late = w.replacement(id, "late");
  CHECK(w.apply(w.replacement(id, "short", 999)).outcome() == STALE);
  CHECK(w.apply(w.replacement(id, "new")).outcome() == APPLIED);
  CHECK(w.apply(late).outcome() == STALE);
  CHECK(w.at(id).blocks(0).id() == etag_bytes("new"));
  const Command gone = w.replacement(id, "gone");
  w.apply(remove(1, "k"));
  CHECK(w.apply(gone).outcome() == SOURCE_GONE);
  CHECK(w.doomed().size() == 2);
}

TEST_CASE("blocks that were placed by a ring which has been dropped replace nothing") {
  World w;
  const ManifestId id = w.apply(put_blocks(1, "k", "old", 1000)).version().manifest();
  Command state;
  state.mutable_set_cluster_state()->mutable_state()->set_ring_epoch(7);
  state.mutable_set_cluster_state()->mutable_state()->add_previous_rings("ring 6");
  const std::uint64_t version = w.machine->applied() + 1;
  w.apply(state);
  state.mutable_set_cluster_state()->mutable_state()->clear_previous_rings();
  state.mutable_set_cluster_state()->set_expected_version(version);
  CHECK(w.apply(state).outcome() == APPLIED);
  Command replace = w.replacement(id, "new");
  replace.mutable_replace_blocks()->mutable_blocks()->set_ring_epoch(6);
  CHECK(w.apply(replace).outcome() == STALE);
  replace.mutable_replace_blocks()->mutable_blocks()->set_ring_epoch(7);
  CHECK(w.apply(replace).outcome() == APPLIED);
}

TEST_CASE("what is lent to another group keeps its blocks until that has ended") {
  World w;
  const ManifestId id = w.apply(put_blocks(1, "k", "old", 1000)).version().manifest();
  Command lend;
  lend.mutable_lend_manifest()->set_manifest(id);
  lend.mutable_lend_manifest()->set_loan("loan");
  CHECK(w.apply(lend).outcome() == APPLIED);
  CHECK(w.apply(w.replacement(id, "new")).outcome() == STALE);
  CHECK(w.at(id).blocks(0).id() == etag_bytes("old"));
  Command end;
  end.mutable_end_loan()->set_loan("loan");
  w.apply(end);
  CHECK(w.apply(w.replacement(id, "new")).outcome() == APPLIED);
}

}  // namespace gabion::metadata::test
