// What reads do when drives are gone, shards are missing or corrupt, or answers are late.
#include <catch2/catch_test_macros.hpp>

#include "tests/support/data_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here

// Calls `visit` with every subset of {0..count-1} of at most `most` members.
void each_subset(unsigned count, unsigned most, const std::function<void(const std::vector<unsigned>&)>& visit) {
  for (unsigned mask = 0; mask < (1u << count); ++mask) {
    if (static_cast<unsigned>(std::popcount(mask)) > most) continue;
    std::vector<unsigned> set;
    for (unsigned i = 0; i < count; ++i) {
      if (mask & (1u << i)) set.push_back(i);
    }
    visit(set);
  }
}

enum class Kind { down, corrupt, wiped };

// Damages drives in a world whose drives are put back afterwards.
class Damage {
 public:
  Damage(DataWorld& w, const std::vector<unsigned>& drives, Kind kind) : w_(w) {
    for (const unsigned d : drives) {
      FakeShardStore& drive = *w.drives[d];
      saved_.emplace_back(d, drive.shards());
      if (kind == Kind::down) drive.faults.down = true;
      if (kind == Kind::corrupt) drive.corrupt_everything();
      if (kind == Kind::wiped) drive.wipe();
    }
  }
  ~Damage() {
    w_.settle();
    for (auto& [d, shards] : saved_) {
      FakeShardStore& drive = *w_.drives[d];
      drive.faults.down = false;
      drive.wipe();
      for (auto& [key, bytes] : shards) drive.set(key, bytes);
    }
    w_.world.run(w_.placement.refresh(Context()));
    for (const auto& intent : w_.store.core().repairs.take()) w_.store.core().repairs.forget(*BlockId::from_raw(intent.block()));
  }

 private:
  DataWorld& w_;
  std::vector<std::pair<unsigned, std::map<chunkserver::ShardKey, Bytes>>> saved_;
};

const std::vector<erasure::Profile> kProfiles = {{1, 0}, {1, 1}, {2, 1}, {2, 2}, {4, 2}, {8, 3}};
const std::vector<std::size_t> kSizes = {20'000, kCopiesMax + 1, 1'500'000};

TEST_CASE("objects read whole with any m drives down, corrupt or wiped") {
  for (const erasure::Profile profile : kProfiles) {
    DataWorldOptions options;
    options.profile = profile;
    DataWorld w(options);
    std::vector<std::pair<metadata::ManifestId, std::string>> objects;
    for (const std::size_t size : kSizes) {
      const std::string content = random_text(w.world.rng(), size);
      objects.emplace_back(w.put("key" + std::to_string(size), content), content);
    }
    each_subset(profile.total(), profile.parity, [&](const std::vector<unsigned>& drives) {
      for (const Kind kind : {Kind::down, Kind::corrupt, Kind::wiped}) {
        const Damage damage(w, drives, kind);
        for (const auto& [id, content] : objects) {
          const auto got = w.read(id);
          INFO(erasure::to_string(profile) << " damaged " << drives.size() << " first " << (drives.empty() ? 99 : drives[0]));
          REQUIRE(got.has_value());
          CHECK((*got == content));
          const auto part = w.read(id, content.size() / 3, content.size() / 3);
          REQUIRE(part.has_value());
          CHECK((*part == content.substr(content.size() / 3, content.size() / 3)));
        }
      }
    });
  }
}

TEST_CASE("with more than m drives gone a read fails clearly and never gives wrong bytes") {
  for (const erasure::Profile profile : kProfiles) {
    DataWorldOptions options;
    options.profile = profile;
    DataWorld w(options);
    std::vector<std::pair<metadata::ManifestId, std::string>> objects;
    for (const std::size_t size : kSizes) {
      const std::string content = random_text(w.world.rng(), size);
      objects.emplace_back(w.put("key" + std::to_string(size), content), content);
    }
    each_subset(profile.total(), profile.parity + 1, [&](const std::vector<unsigned>& drives) {
      if (drives.size() != profile.parity + 1 || drives[0] > 2) return;
      for (const Kind kind : {Kind::down, Kind::corrupt, Kind::wiped}) {
        const Damage damage(w, drives, kind);
        for (const auto& [id, content] : objects) {
          const BlockRef block = w.block(id);
          unsigned lost = 0;
          for (unsigned shard = 0; shard < BlockLayout(block).shards(); ++shard) {
            if (std::find(drives.begin(), drives.end(), w.home(block.id, shard)) != drives.end()) ++lost;
          }
          const bool readable = BlockLayout(block).shards() - lost >= BlockLayout(block).needed();
          const auto got = w.read(id);
          INFO(erasure::to_string(profile) << " size " << content.size() << " lost " << lost);
          if (readable) {
            REQUIRE(got.has_value());
            CHECK((*got == content));
          } else {
            REQUIRE(!got.has_value());
            CHECK(got.error().code == (kind == Kind::down ? Errc::unavailable : Errc::corrupt));
          }
        }
      }
    });
  }
}

TEST_CASE("while a drive is out of reach, shards that lie do not make a block lost") {
  DataWorld w({});
  const auto id = w.put("key", random_text(w.world.rng(), 300'000));
  const BlockRef block = w.block(id);
  for (unsigned shard = 0; shard < 2; ++shard) w.home_drive(block.id, shard).tamper(w.key(block.id, shard), 100);
  w.home_drive(block.id, 2).faults.down = true;
  CHECK(w.read(id).error().code == Errc::unavailable);
  w.home_drive(block.id, 3).tamper(w.key(block.id, 3), 100);
  w.home_drive(block.id, 2).faults.down = false;
  w.world.run(w.placement.refresh({}));
  CHECK(w.read(id).error().code == Errc::corrupt);
}

TEST_CASE("a bad shard is read around, queued once, and becomes an intent in the metadata") {
  DataWorld w({});
  const std::string content = random_text(w.world.rng(), kBlockBytes);
  const auto id = w.put("key", content);
  const BlockRef block = w.block(id);
  w.home_drive(block.id, 1).corrupt(w.key(block.id, 1), 3);
  w.home_drive(block.id, 2).lose(w.key(block.id, 2));
  Repairer repairer(w.store, {});
  for (int i = 0; i < 3; ++i) {
    const auto got = w.read(id);
    REQUIRE(got.has_value());
    CHECK((*got == content));
    REQUIRE(w.world.run(repairer.flush(Context())).has_value());
  }
  REQUIRE(w.metadata.intents().size() == 1);
  CHECK(w.metadata.intents().begin()->first == block.id.raw());
  CHECK(w.metadata.intents().begin()->second == std::set<unsigned>{1, 2});
}

TEST_CASE("bad shards stay queued while the metadata does not answer") {
  DataWorld w({});
  const auto id = w.put("key", random_text(w.world.rng(), kBlockBytes));
  w.home_drive(w.block(id).id, 1).lose(w.key(w.block(id).id, 1));
  REQUIRE(w.read(id).has_value());
  Repairer repairer(w.store, {});
  w.metadata.refuse_commits = true;
  CHECK(!w.world.run(repairer.flush(Context())).has_value());
  w.metadata.refuse_commits = false;
  CHECK(w.world.run(repairer.flush(Context())).has_value());
  CHECK(w.metadata.intents().size() == 1);
}

TEST_CASE("many bad cells over more than m shards cost nothing, as long as no segment loses more than m") {
  DataWorld w({});
  const std::string content = random_text(w.world.rng(), kBlockBytes);
  const auto id = w.put("key", content);
  const BlockRef block = w.block(id);
  for (unsigned shard = 0; shard < 6; ++shard) {
    w.home_drive(block.id, shard).corrupt(w.key(block.id, shard), shard);
    w.home_drive(block.id, shard).corrupt(w.key(block.id, shard), shard + 8);
  }
  const auto got = w.read(id);
  REQUIRE(got.has_value());
  CHECK((*got == content));
}

TEST_CASE("a drive that hangs is read around after a moment, and only once in a read") {
  DataWorld w({});
  const std::string content = random_text(w.world.rng(), 3 * kBlockBytes);
  const auto id = w.put("key", content);
  w.settle();
  w.drives[0]->faults.hang = true;
  const auto before = w.world.clock().now();
  const auto got = w.read(id);
  REQUIRE(got.has_value());
  CHECK((*got == content));
  CHECK(w.world.clock().now() - before < std::chrono::seconds(2));
  CHECK(w.store.core().metrics.hedges.value() <= 1 + w.store.core().options.readahead);
  w.drives[0]->release();
  w.settle();
}

TEST_CASE("when all drives hang a read ends with unavailable") {
  DataWorld w({});
  const auto id = w.put("key", random_text(w.world.rng(), 200'000));
  for (auto& drive : w.drives) drive->faults.hang = true;
  const auto got = w.read(id);
  REQUIRE(!got.has_value());
  CHECK(got.error().code == Errc::unavailable);
  for (auto& drive : w.drives) drive->release();
  w.settle();
}

TEST_CASE("late copies are hedged by other copies") {
  DataWorld w({});
  const std::string content = random_text(w.world.rng(), 50'000);
  const auto id = w.put("key", content);
  w.home_drive(w.block(id).id, 0).faults.hang = true;
  const auto got = w.read(id);
  REQUIRE(got.has_value());
  CHECK((*got == content));
  w.home_drive(w.block(id).id, 0).release();
  w.settle();
}

TEST_CASE("shards that only a handoff has are found by searching all drives") {
  DataWorldOptions options;
  options.drives = 9;
  DataWorld w(options);
  const std::string content = random_text(w.world.rng(), 1'000'000);
  const auto id = w.put("key", content);
  const BlockRef block = w.block(id);
  // Three of the shards move to drives outside the row.
  std::size_t other = 0;
  for (unsigned shard = 0; shard < 3; ++shard) {
    FakeShardStore& home = w.home_drive(block.id, shard);
    const Bytes bytes = home.shards().at(w.key(block.id, shard));
    home.lose(w.key(block.id, shard));
    const auto is_home = [&](std::size_t d) {
      for (unsigned i = 0; i < 6; ++i) {
        if (w.home(block.id, i) == d) return true;
      }
      return false;
    };
    while (is_home(other)) ++other;
    w.drives[other++]->set(w.key(block.id, shard), bytes);
  }
  const auto got = w.read(id);
  REQUIRE(got.has_value());
  CHECK((*got == content));
  CHECK(w.store.core().metrics.searches.value() > 0);
}

TEST_CASE("a reader dropped in the middle leaves nothing behind") {
  DataWorld w({});
  const auto id = w.put("key", random_text(w.world.rng(), 3 * kBlockBytes));
  for (auto& drive : w.drives) {
    drive->faults.delay_min = std::chrono::milliseconds(1);
    drive->faults.delay_max = std::chrono::milliseconds(9);
  }
  {
    auto reader = w.world.run(w.store.read(Context(), metadata::kRootGroup, id, w.metadata.at(id), 100, 2 * kBlockBytes));
    REQUIRE(reader.has_value());
    REQUIRE(w.world.run((*reader)->next()).has_value());
    CHECK(w.store.core().pins.pinned(id));
  }
  w.settle();
  CHECK(!w.store.core().pins.pinned(id));
  CHECK(w.memory.used() == 0);
}

}  // namespace
}  // namespace gabion::test
