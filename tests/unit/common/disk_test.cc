#include <catch2/catch_test_macros.hpp>

#include <filesystem>

#include "common/disk.h"
#include "tests/support/temp_dir.h"

namespace gabion {
namespace {

TEST_CASE("files on the real disk are written, read, listed, renamed and removed") {
  const test::TempDir dir;
  auto disk = PosixDisk::open_root(dir.path());
  REQUIRE(disk);
  REQUIRE((*disk)->make_dir("a"));
  auto file = (*disk)->open("a/x", OpenMode::create);
  REQUIRE(file);
  const ByteView pieces[] = {as_bytes("hello "), as_bytes(""), as_bytes("world")};
  REQUIRE((*file)->write(0, pieces));
  REQUIRE((*file)->sync());
  std::array<std::byte, 32> buffer{};
  CHECK(*(*file)->read(6, buffer, ReadMode::wait) == 5);
  CHECK(as_text(ByteView(buffer).first(5)) == "world");
  CHECK(*(*file)->size() == 11);
  CHECK((*disk)->open("a/x", OpenMode::create).error().code == Errc::already_exists);
  CHECK((*disk)->open("a/y", OpenMode::read).error().code == Errc::not_found);
  REQUIRE((*disk)->rename("a/x", "a/z"));
  CHECK(*(*disk)->list("a") == std::vector<std::string>{"z"});
  REQUIRE((*disk)->sync_dir("a"));
  REQUIRE((*disk)->remove("a/z"));
  REQUIRE((*disk)->remove("a"));
  CHECK((*disk)->list("")->empty());
  CHECK((*disk)->space()->total_bytes > 0);
}

TEST_CASE("a planted symbolic link is not followed") {
  const test::TempDir dir;
  const test::TempDir outside;
  std::filesystem::create_symlink(outside.path() + "/target", dir.path() + "/link");
  auto disk = PosixDisk::open_root(dir.path());
  REQUIRE(disk);
  CHECK_FALSE((*disk)->open("link", OpenMode::update));
  CHECK_FALSE(std::filesystem::exists(outside.path() + "/target"));
}

TEST_CASE("a root is locked by one holder at a time") {
  const test::TempDir dir;
  auto first = PosixDisk::open_root(dir.path());
  auto second = PosixDisk::open_root(dir.path());
  REQUIRE((*first)->lock("lock"));
  CHECK((*second)->lock("lock").error().code == Errc::conflict);
  first->reset();
  CHECK((*second)->lock("lock"));
}

TEST_CASE("replace_file leaves the new content, and read_file refuses what is too large") {
  const test::TempDir dir;
  auto disk = PosixDisk::open_root(dir.path());
  REQUIRE(replace_file(**disk, "f", "one"));
  REQUIRE(replace_file(**disk, "f", "two"));
  CHECK(*read_file(**disk, "f", 10) == "two");
  CHECK(read_file(**disk, "f", 2).error().code == Errc::too_large);
}

}  // namespace
}  // namespace gabion
