// What is wider than the class is coded anew: nobody notices, and what the blocks were stays until nobody reads it.
#include <catch2/catch_test_macros.hpp>

#include "common/log.h"
#include "gateway/data/reencode.h"
#include "tests/support/data_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here
using std::chrono::seconds;

constexpr erasure::Profile kNarrow{2, 2}, kNarrowest{1, 1};

// Six drives of 4+2, which the cluster then says are to hold 2+2.
struct NarrowingWorld : DataWorld {
  explicit NarrowingWorld(DataWorldOptions options = {})
      : DataWorld(std::move(options)), collector(store, {}), reencoder(store, fast()) {
    log::set_level(log::Level::error);
    reencoder.start(world.executor());
  }
  ~NarrowingWorld() { world.run(reencoder.stop()); }
  static Reencoder::ReencodeOptions fast() {
    Reencoder::ReencodeOptions options;
    options.bytes_per_second = 0;
    return options;
  }
  void put_objects() {
    for (const std::size_t size : {300, 50'000, 200'000, 700'000, 9'000'000}) {
      const std::string content = random_text(world.rng(), size);
      contents[put("key" + std::to_string(size), content)] = content;
    }
  }
  void narrow(erasure::Profile profile = kNarrow) {
    Placement::Layout layout;
    layout.ring = placement.view()->ring->at_epoch(placement.view()->epoch() + 1);
    layout.profile = profile;
    for (std::size_t i = 0; i < drives.size(); ++i) layout.drives.push_back({drive_id(i), drives[i].get()});
    placement.update(std::move(layout));
  }
  Reencoder::Assignment work(Share share = {}) const {
    Reencoder::Assignment work;
    work.job = 1;
    work.epoch = placement.view()->epoch();
    work.share = share;
    return work;
  }
  void recode() {
    reencoder.assign(work());
    world.run_for(seconds(30));
  }
  void check_readable() {
    for (const auto& [id, content] : contents) {
      const auto got = read(id);
      INFO((got ? "" : got.error().message));
      REQUIRE(got.has_value());
      CHECK((*got == content));
    }
  }
  bool narrow(metadata::ManifestId id) const {
    const auto& manifest = metadata.at(id);
    return manifest.blocks_size() == 0 || (manifest.data_shards() == 2 && manifest.parity_shards() == 2);
  }
  bool all_narrow() const {
    return std::all_of(contents.begin(), contents.end(), [&](const auto& entry) { return narrow(entry.first); });
  }
  std::uint64_t collect() {
    world.run_for(std::chrono::minutes(61));
    return world.run(collector.run_once(Context())).value();
  }

  Collector collector;
  Reencoder reencoder;
  std::map<metadata::ManifestId, std::string> contents;
};

TEST_CASE("every wide block is coded anew and readable at any time, and the old ones are collected") {
  NarrowingWorld w;
  w.put_objects();
  w.narrow();
  w.reencoder.assign(w.work());
  for (int i = 0; i < 30 && !w.reencoder.progress().finished; ++i) {
    w.check_readable();
    w.world.run_for(seconds(1));
  }
  const auto progress = w.reencoder.progress();
  CHECK(progress.finished);
  CHECK(progress.blocks_done == 5);
  CHECK(progress.blocks_total == 5);
  CHECK(progress.failed_blocks == 0);
  CHECK(w.all_narrow());
  CHECK(w.metadata.doomed_entries().size() == 4);
  CHECK(w.collect() == 4);
  w.check_readable();
  // 2+2 of all blocks but the small one, which has three copies.
  CHECK(w.shards_stored() == 4 * 4 + 3);
}

TEST_CASE("any two drives may be lost afterwards") {
  NarrowingWorld w;
  w.put_objects();
  w.narrow();
  w.recode();
  REQUIRE(w.all_narrow());
  w.collect();
  for (std::size_t a = 0; a < w.drives.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      w.drives[a]->faults.down = w.drives[b]->faults.down = true;
      w.check_readable();
      w.drives[a]->faults.down = w.drives[b]->faults.down = false;
      w.world.run(w.placement.refresh(Context()));
    }
  }
}

TEST_CASE("a reader that has begun reads the blocks it began with, however long it takes") {
  NarrowingWorld w;
  const std::string content = random_text(w.world.rng(), 3 * kBlockBytes);
  const auto id = w.put("key", content);
  w.contents[id] = content;
  auto reader = w.world.run(w.store.read(Context(), metadata::kRootGroup, id, w.metadata.at(id), 0, content.size()));
  REQUIRE(reader.has_value());
  std::string got(w.world.run((*reader)->next())->text());
  w.narrow();
  w.recode();
  REQUIRE(w.all_narrow());
  for (;;) {
    CHECK(w.collect() == 0);
    const auto piece = w.world.run((*reader)->next());
    REQUIRE(piece.has_value());
    if (piece->empty()) break;
    got += piece->text();
  }
  CHECK((got == content));
  reader->reset();
  w.settle();
  CHECK(w.collect() == 1);
  w.check_readable();
}

TEST_CASE("the same when the blocks have been replaced before") {
  NarrowingWorld w;
  const std::string content = random_text(w.world.rng(), 3 * kBlockBytes);
  const auto id = w.put("key", content);
  w.contents[id] = content;
  w.narrow();
  w.recode();
  CHECK(w.collect() == 1);
  auto reader = w.world.run(w.store.read(Context(), metadata::kRootGroup, id, w.metadata.at(id), 0, content.size()));
  REQUIRE(reader.has_value());
  std::string got(w.world.run((*reader)->next())->text());
  w.narrow(kNarrowest);
  w.recode();
  CHECK(w.metadata.at(id).parity_shards() == 1);
  CHECK(w.collect() == 0);
  for (;;) {
    const auto piece = w.world.run((*reader)->next());
    REQUIRE(piece.has_value());
    if (piece->empty()) break;
    got += piece->text();
  }
  CHECK((got == content));
  reader->reset();
  w.settle();
  CHECK(w.collect() == 1);
  w.check_readable();
}

TEST_CASE("an object that is deleted meanwhile leaves nothing behind") {
  NarrowingWorld w;
  w.put_objects();
  w.narrow();
  for (auto& drive : w.drives) drive->faults.delay_min = drive->faults.delay_max = std::chrono::milliseconds(900);
  w.reencoder.assign(w.work());
  w.world.run_for(seconds(2));
  for (const std::size_t size : {300, 50'000, 200'000, 700'000, 9'000'000}) w.metadata.remove("key" + std::to_string(size));
  for (auto& drive : w.drives) drive->faults.delay_min = drive->faults.delay_max = Duration(0);
  w.world.run_for(seconds(30));
  CHECK(w.reencoder.progress().finished);
  w.collect();
  w.collect();
  CHECK(w.shards_stored() == 0);
}

TEST_CASE("with a drive down the new blocks are as safe as a writer's, and their shards are noted for repair") {
  NarrowingWorld w;
  w.put_objects();
  w.narrow();
  w.drives[2]->faults.down = true;
  w.recode();
  CHECK(w.all_narrow());
  CHECK_FALSE(w.metadata.intents().empty());
  w.check_readable();
}

TEST_CASE("blocks beyond repair keep the job from its end, and others from nothing") {
  NarrowingWorld w;
  w.put_objects();
  const auto lost = w.metadata.id_of("key200000");
  const BlockRef block = w.block(lost);
  for (unsigned shard = 0; shard < 3; ++shard) w.home_drive(block.id, shard).lose(w.key(block.id, shard));
  w.narrow();
  w.recode();
  CHECK_FALSE(w.reencoder.progress().finished);
  CHECK(w.reencoder.progress().failed_blocks == 1);
  for (const auto& [id, content] : w.contents) CHECK(w.narrow(id) == (id != lost));
  w.metadata.remove("key200000");
  w.world.run_for(seconds(30));
  CHECK(w.reencoder.progress().finished);
}

TEST_CASE("what is deleted during the last walk may have gone to another group: that was no last walk") {
  NarrowingWorld w;
  w.put_objects();
  const metadata::Manifest wide = w.metadata.at(w.metadata.id_of("key700000"));
  w.narrow();
  w.metadata.before_doomed = [&] {
    w.metadata.put("moved", wide);
    w.metadata.remove("moved");
  };
  w.reencoder.assign(w.work());
  for (int i = 0; i < 1000 && w.metadata.before_doomed; ++i) w.world.run_for(std::chrono::milliseconds(10));
  w.world.run_for(seconds(3));
  CHECK_FALSE(w.reencoder.progress().finished);
  w.world.run_for(seconds(30));
  CHECK(w.reencoder.progress().finished);
}

TEST_CASE("a command whose outcome is not known erases nothing") {
  NarrowingWorld w;
  w.put_objects();
  w.narrow();
  w.metadata.lose_answers = 2;
  w.recode();
  CHECK(w.reencoder.progress().finished);
  CHECK(w.all_narrow());
  w.collect();
  w.check_readable();
}

TEST_CASE("each member does its share, and a paused one does nothing") {
  NarrowingWorld w;
  w.put_objects();
  w.narrow();
  auto paused = w.work();
  paused.paused = true;
  w.reencoder.assign(paused);
  w.world.run_for(seconds(30));
  CHECK(w.metadata.doomed_entries().empty());
  w.reencoder.assign(w.work({0, 2}));
  w.world.run_for(seconds(30));
  CHECK(w.reencoder.progress().finished);
  CHECK_FALSE(w.all_narrow());
  w.reencoder.assign(w.work({1, 2}));
  w.world.run_for(seconds(30));
  CHECK(w.reencoder.progress().finished);
  CHECK(w.all_narrow());
}

TEST_CASE("a writer's blocks are of the class of the ring that it names") {
  NarrowingWorld w;
  auto writer = w.world.run(w.store.write(Context(), std::nullopt));
  REQUIRE(writer.has_value());
  w.narrow();
  const std::string content = random_text(w.world.rng(), 400'000);
  REQUIRE(w.world.run((*writer)->append(as_bytes(content))).has_value());
  const auto written = w.world.run((*writer)->finish());
  REQUIRE(written.has_value());
  CHECK(written->manifest.data_shards() == 2);
  CHECK(written->manifest.ring_epoch() == w.placement.view()->epoch());
}

}  // namespace
}  // namespace gabion::test
