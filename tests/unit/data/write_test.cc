// When a write is acknowledged, where its shards go, and what is left behind when it is not.
#include <catch2/catch_test_macros.hpp>

#include "tests/support/data_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here

std::string content_of(DataWorld& w, std::size_t size) { return random_text(w.world.rng(), size); }

// The shards of the manifest's blocks that are not at home, as the intents should say.
std::map<std::string, std::set<unsigned>> not_at_home(DataWorld& w, const metadata::Manifest& manifest) {
  std::map<std::string, std::set<unsigned>> out;
  for (int i = 0; i < manifest.blocks_size(); ++i) {
    const auto block = block_ref(manifest, 1, i);
    for (unsigned shard = 0; shard < BlockLayout(*block).shards(); ++shard) {
      if (!w.home_drive(block->id, shard).has(w.key(block->id, shard))) out[std::string(block->id.raw())].insert(shard);
    }
  }
  return out;
}

std::map<std::string, std::set<unsigned>> as_map(const std::vector<metadata::RepairIntent>& intents) {
  std::map<std::string, std::set<unsigned>> out;
  for (const auto& intent : intents) out[intent.block()] = {intent.shards().begin(), intent.shards().end()};
  return out;
}

TEST_CASE("with dead drives every shard is on a living one, and the intents name exactly those not at home") {
  for (const std::size_t drives : {std::size_t{6}, std::size_t{7}, std::size_t{9}}) {
    for (const unsigned dead : {1u, 2u, 3u}) {
      DataWorldOptions options;
      options.drives = drives;
      DataWorld w(options);
      for (unsigned d = 0; d < dead; ++d) w.drives[d]->faults.down = true;
      for (const std::size_t size : {std::size_t{100'000}, std::size_t{500'000}, 2 * kBlockBytes}) {
        const std::string content = content_of(w, size);
        const auto written = w.write(content);
        INFO(drives << " drives, " << dead << " dead, size " << size);
        REQUIRE(written.has_value());
        CHECK(as_map(written->intents) == not_at_home(w, written->manifest));
        const auto id = w.metadata.put("key", written->manifest, written->intents);
        // One more may go.
        for (std::size_t more = dead; more < drives; ++more) {
          w.drives[more]->faults.down = true;
          const auto got = w.read(id);
          REQUIRE(got.has_value());
          CHECK((*got == content));
          w.drives[more]->faults.down = false;
          w.world.run(w.placement.refresh(Context()));
        }
      }
    }
  }
}

TEST_CASE("six shards on four drives: handoffs go to drives outside the row first, then where the fewest are") {
  DataWorldOptions options;
  options.drives = 8;
  DataWorld w(options);
  const auto written = w.write(content_of(w, kBlockBytes));
  REQUIRE(written.has_value());
  w.drives[0]->faults.down = true;
  w.drives[1]->faults.down = true;
  for (int i = 0; i < 20; ++i) {
    const auto more = w.write(content_of(w, 1'000'000));
    REQUIRE(more.has_value());
    const auto block = block_ref(more->manifest, 1, 0);
    for (std::size_t d = 2; d < 8; ++d) {
      unsigned held = 0;
      for (unsigned shard = 0; shard < 6; ++shard) held += w.drives[d]->has(w.key(block->id, shard)) ? 1 : 0;
      CHECK(held == 1);
    }
  }
  w.drives[2]->faults.down = true;
  w.drives[3]->faults.down = true;
  const auto more = w.write(content_of(w, 1'000'000));
  REQUIRE(more.has_value());
  const auto block = block_ref(more->manifest, 1, 0);
  for (std::size_t d = 4; d < 8; ++d) {
    unsigned held = 0;
    for (unsigned shard = 0; shard < 6; ++shard) held += w.drives[d]->has(w.key(block->id, shard)) ? 1 : 0;
    CHECK((held == 1 || held == 2));
  }
}

TEST_CASE("too few drives: unavailable, with the number that is needed; full drives: exhausted; nothing stays") {
  struct Case {
    erasure::Profile profile;
    unsigned dead;
    bool works;
    std::string says;
  };
  for (const Case& c : {Case{{1, 0}, 1, false, "takes 1"}, Case{{1, 1}, 1, false, "takes 2"}, Case{{2, 1}, 1, false, "takes 3"},
                        Case{{2, 2}, 2, true, ""}, Case{{2, 2}, 3, false, "takes 2"}, Case{{4, 2}, 3, true, ""},
                        Case{{4, 2}, 4, false, "takes 3"}, Case{{8, 3}, 7, true, ""}, Case{{8, 3}, 8, false, "takes 4"}}) {
    for (const bool full : {false, true}) {
      DataWorldOptions options;
      options.profile = c.profile;
      DataWorld w(options);
      for (unsigned d = 0; d < c.dead; ++d) (full ? w.drives[d]->faults.full : w.drives[d]->faults.down) = true;
      const auto written = w.write(content_of(w, 1'000'000));
      INFO(erasure::to_string(c.profile) << " dead " << c.dead);
      CHECK(written.has_value() == c.works);
      if (written) continue;
      CHECK(written.error().code == (full ? Errc::exhausted : Errc::unavailable));
      if (!full) CHECK(written.error().message.find(c.says) != std::string::npos);
      w.settle();
      Collector collector(w.store, {});
      for (auto& drive : w.drives) drive->faults = {};
      w.world.run(w.placement.refresh(Context()));
      REQUIRE(w.world.run(collector.run_once(Context())).has_value());
      CHECK(w.shards_stored() == 0);
    }
  }
}

TEST_CASE("copies never share a drive") {
  DataWorld w({});
  for (unsigned d = 0; d < 4; ++d) w.drives[d]->faults.down = true;
  const auto written = w.write(content_of(w, 50'000));
  REQUIRE(written.has_value());
  CHECK(w.drives[4]->shards().size() == 1);
  CHECK(w.drives[5]->shards().size() == 1);
  w.drives[4]->faults.down = true;
  const auto alone = w.write(content_of(w, 50'000));
  REQUIRE(!alone.has_value());
  CHECK(alone.error().message.find("takes 2") != std::string::npos);
}

TEST_CASE("a slow drive does not hold up a block that is safe, and its shard leaves an intent") {
  DataWorld w({});
  w.drives[0]->faults.hang = true;
  const auto before = w.world.clock().now();
  const auto written = w.write(content_of(w, kBlockBytes));
  REQUIRE(written.has_value());
  CHECK(w.world.clock().now() - before < w.store.core().options.straggler_wait + std::chrono::seconds(1));
  REQUIRE(written->intents.size() == 1);
  CHECK(written->intents[0].shards_size() == 1);
  w.drives[0]->release();
  w.settle();
  CHECK(w.memory.used() == 0);
}

TEST_CASE("a block that hanging drives keep from being safe is written to others as well") {
  DataWorldOptions options;
  options.drives = 9;
  DataWorld w(options);
  for (int d = 0; d < 3; ++d) w.drives[d]->faults.hang = true;
  const std::string content = content_of(w, kBlockBytes);
  const auto written = w.write(content);
  REQUIRE(written.has_value());
  const auto id = w.metadata.put("key", written->manifest, written->intents);
  for (int d = 0; d < 3; ++d) w.drives[d]->release();
  w.settle();
  Repairer repairer(w.store, {});
  REQUIRE(w.world.run(repairer.run_once(Context())).has_value());
  for (int i = 0; i < written->manifest.blocks_size(); ++i) CHECK(w.all_at_home(w.block(id, i)));
}

TEST_CASE("an abandoned writer's blocks are erased, also those still on their way") {
  for (const std::size_t size : {std::size_t{5000}, std::size_t{100'000}, kBlockBytes, 3 * kBlockBytes + 5}) {
    for (const bool finish : {false, true}) {
      DataWorld w({});
      for (auto& drive : w.drives) drive->faults.delay_max = std::chrono::milliseconds(200);
      const std::string content = content_of(w, size);
      {
        auto writer = w.world.run(w.store.write(Context(), std::nullopt));
        REQUIRE(writer.has_value());
        REQUIRE(w.world.run((*writer)->append(as_bytes(content))).has_value());
        if (finish) REQUIRE(w.world.run((*writer)->finish()).has_value());
      }
      w.settle();
      Collector collector(w.store, {});
      REQUIRE(w.world.run(collector.run_once(Context())).has_value());
      CHECK(w.shards_stored() == 0);
      CHECK(w.store.core().discards.size() == 0);
      CHECK(w.memory.used() == 0);
    }
  }
}

TEST_CASE("an abandoned writer's blocks wait for a drive that is down") {
  DataWorld w({});
  {
    auto writer = w.world.run(w.store.write(Context(), std::nullopt));
    const std::string content = content_of(w, 1'000'000);
    REQUIRE(w.world.run((*writer)->append(as_bytes(content))).has_value());
    REQUIRE(w.world.run((*writer)->finish()).has_value());
  }
  w.drives[2]->faults.down = true;
  w.placement.mark_failed(w.drive_id(2), "test");
  Collector collector(w.store, {});
  REQUIRE(w.world.run(collector.run_once(Context())).has_value());
  CHECK(w.shards_stored() == 1);
  w.drives[2]->faults.down = false;
  w.world.run(w.placement.refresh(Context()));
  REQUIRE(w.world.run(collector.run_once(Context())).has_value());
  CHECK(w.shards_stored() == 0);
}

TEST_CASE("a released writer's blocks stay") {
  DataWorld w({});
  const std::string content = content_of(w, 1'000'000);
  const auto id = w.put("key", content);
  Collector collector(w.store, {});
  REQUIRE(w.world.run(collector.run_once(Context())).has_value());
  CHECK((*w.read(id) == content));
}

TEST_CASE("a writer holds two blocks of memory at the most") {
  DataWorld w({});
  for (auto& drive : w.drives) drive->faults.delay_min = drive->faults.delay_max = std::chrono::milliseconds(50);
  REQUIRE(w.write(content_of(w, 6 * kBlockBytes)).has_value());
  const std::size_t block = MemoryBudget::footprint(BlockLayout({4, 2}, kBlockBytes, false).buffer_bytes());
  CHECK(w.memory.used_max() <= kInlineMax + 2 * block);
  CHECK(w.memory.used_max() > block);
}

}  // namespace
}  // namespace gabion::test
