// The simulated disk must lose what a real one may lose, or the crash tests prove nothing.
#include <catch2/catch_test_macros.hpp>

#include "tests/support/sim.h"

namespace gabion::sim {
namespace {

std::string content(SimDisk& disk, const std::string& path) {
  auto text = read_file(disk, path, 1 << 20);
  return text ? *text : "<" + std::string(to_string(text.error().code)) + ">";
}

TEST_CASE("only synced bytes of synced names survive a cut that drops everything") {
  SeededRng rng(1);
  SimDisk disk(rng);
  auto file = disk.open("f", OpenMode::create);
  REQUIRE((*file)->write(0, as_bytes("synced")));
  REQUIRE((*file)->sync());
  REQUIRE((*file)->write(6, as_bytes(" lost")));
  disk.crash(Crash::drop_all);
  CHECK(content(disk, "f") == "<not_found>");  // the name was never synced

  file = disk.open("f", OpenMode::create);
  REQUIRE((*file)->write(0, as_bytes("synced")));
  REQUIRE((*file)->sync());
  REQUIRE(disk.sync_dir(""));
  REQUIRE((*file)->write(6, as_bytes(" lost")));
  disk.crash(Crash::drop_all);
  CHECK(content(disk, "f") == "synced");
  CHECK_FALSE((*file)->sync());  // a file opened before the crash is dead
}

TEST_CASE("a random cut tears an unsynced write at sectors") {
  bool torn = false;
  for (std::uint64_t seed = 0; seed < 50 && !torn; ++seed) {
    SeededRng rng(seed);
    SimDisk disk(rng);
    auto file = disk.open("f", OpenMode::create);
    REQUIRE(disk.sync_dir(""));
    const std::string text(2048, 'x');
    REQUIRE((*file)->write(0, as_bytes(text)));
    disk.crash(Crash::random);
    const std::string after = content(disk, "f");
    torn = after.find('x') != std::string::npos && after != text;
  }
  CHECK(torn);
}

TEST_CASE("a power cut stops everything at the chosen operation") {
  SeededRng rng(1);
  SimDisk disk(rng);
  auto file = disk.open("f", OpenMode::create);
  REQUIRE(disk.sync_dir(""));
  disk.cut_power_after(1);
  CHECK((*file)->write(0, as_bytes("a")));
  CHECK_FALSE((*file)->sync());
  CHECK_FALSE((*file)->write(1, as_bytes("b")));
  disk.crash(Crash::drop_all);
  CHECK(content(disk, "f").empty());
}

TEST_CASE("a failed sync drops what it covered although the bytes still read back") {
  SeededRng rng(1);
  SimDisk disk(rng);
  auto file = disk.open("f", OpenMode::create);
  REQUIRE(disk.sync_dir(""));
  REQUIRE((*file)->write(0, as_bytes("gone")));
  disk.fail_sync_after(0);
  CHECK_FALSE((*file)->sync());
  CHECK((*file)->sync());  // the retry lies, as kernels do
  CHECK(content(disk, "f") == "gone");
  disk.crash(Crash::keep_all);
  CHECK(content(disk, "f").empty());
}

TEST_CASE("the same seed gives the same crash") {
  const auto outcome = [] {
    SeededRng rng(99);
    SimDisk disk(rng);
    auto file = disk.open("f", OpenMode::create);
    (void)disk.sync_dir("");
    (void)(*file)->write(0, as_bytes(std::string(8192, 'y')));
    disk.crash(Crash::random);
    return content(disk, "f");
  };
  CHECK(outcome() == outcome());
}

}  // namespace
}  // namespace gabion::sim
