// A flipped bit anywhere in the segments never yields a wrong byte, and harms no other shard.

#include <catch2/catch_test_macros.hpp>

#include "tests/support/sim_drive.h"

namespace gabion::sim {
namespace {

using namespace chunkserver;

constexpr std::uint8_t kShards = 12;

ShardKey key_of(std::uint8_t number) {
  ShardKey key;
  key.block.bytes[0] = number;
  return key;
}

std::string text_of(std::uint8_t number, char version) {
  return std::string(40 + number * 25u, static_cast<char>(version + number));
}

// Shards 0 to 11; those divisible by 3 were replaced, those divisible by 4 then removed.
std::unique_ptr<SimDrive> sample(SimWorld& world) {
  DriveOptions options;
  options.segment_bytes = 1 * KiB;
  options.reserve_share = 0;
  options.reserve_segments = 0;
  auto drive = std::make_unique<SimDrive>(world, options);
  REQUIRE(drive->open().has_value());
  const auto put = [&](std::uint8_t i, char version) {
    REQUIRE(world.run(drive->engine->put({}, key_of(i), {Bytes::copy_of(text_of(i, version))})).has_value());
  };
  for (std::uint8_t i = 0; i < kShards; ++i) put(i, 'a');
  for (std::uint8_t i = 0; i < kShards; i += 3) put(i, 'A');
  for (std::uint8_t i = 0; i < kShards; i += 4) REQUIRE(world.run(drive->engine->remove({}, {key_of(i)})).has_value());
  drive->close();
  return drive;
}

std::optional<std::string> expected(std::uint8_t i) {
  if (i % 4 == 0) return std::nullopt;
  return text_of(i, i % 3 == 0 ? 'A' : 'a');
}

// How many shards read otherwise than before. Whatever is read must have been put under that very key.
int harmed(SimWorld& world, SimDrive& drive) {
  int count = 0;
  for (std::uint8_t i = 0; i < kShards; ++i) {
    const auto bytes = world.run(drive.engine->read({}, key_of(i), 0, 0));
    if (bytes) {
      const bool own = bytes->text() == text_of(i, 'a') || (i % 3 == 0 && bytes->text() == text_of(i, 'A'));
      REQUIRE(own);
    } else {
      const bool clean = bytes.error().code == Errc::not_found || bytes.error().code == Errc::corrupt;
      REQUIRE(clean);
    }
    const auto before = expected(i);
    const bool same = bytes ? before && bytes->text() == *before : !before && bytes.error().code == Errc::not_found;
    if (!same) ++count;
  }
  return count;
}

void flip_everywhere(bool rebuild_index) {
  log::set_level(log::Level::off);
  SimWorld world(1);
  const auto drive = sample(world);
  for (const std::string& path : drive->disk.files()) {
    if (!path.starts_with(kSegmentsDir)) continue;
    for (std::uint64_t offset = 0; offset < drive->disk.file_size(path); ++offset) {
      const auto bit = static_cast<unsigned>(offset % 8);
      REQUIRE(drive->disk.flip_bit(path, offset, bit));
      if (rebuild_index) drive->index.damage();
      INFO(path << " offset " << offset);
      REQUIRE(drive->open().has_value());
      REQUIRE(harmed(world, *drive) <= 1);
      drive->engine.reset();
      REQUIRE(drive->disk.flip_bit(path, offset, bit));
    }
  }
  drive->index.damage();
  REQUIRE(drive->open().has_value());
  CHECK(harmed(world, *drive) == 0);
}

TEST_CASE("a flipped bit anywhere in the segments harms at most its own shard") { flip_everywhere(false); }

TEST_CASE("a flipped bit anywhere harms at most its own shard also when the index is made anew") { flip_everywhere(true); }

}  // namespace
}  // namespace gabion::sim
