#include <catch2/catch_test_macros.hpp>

#include "tests/support/posix_drive.h"
#include "tests/unit/chunkserver/shard_store_contract.h"

namespace gabion {
namespace {

using chunkserver::test::pattern;

// Reads `size` bytes from `offset` past the page cache.
std::string read_direct(File& file, std::uint64_t offset, std::size_t size) {
  const Buffer buffer(size + kDirectAlignment);
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
  const std::size_t skip = (kDirectAlignment - address % kDirectAlignment) % kDirectAlignment;
  const auto got = file.read_direct(offset, buffer.span().subspan(skip, size));
  REQUIRE(got.has_value());
  return std::string(as_text(buffer.span().subspan(skip, *got)));
}

std::string read_plain(File& file, std::uint64_t offset, std::size_t size) {
  std::string out(size, '\0');
  const auto got = file.read(offset, std::as_writable_bytes(std::span(out)), ReadMode::wait);
  REQUIRE(got.has_value());
  out.resize(*got);
  return out;
}

TEST_CASE("direct writes pad with zeros to their alignment, and plain and direct access see the same bytes") {
  test::TempDir dir;
  const auto disk = PosixDisk::open_root(dir.path());
  REQUIRE(disk.has_value());
  for (const std::size_t size : {std::size_t{1}, std::size_t{4095}, std::size_t{4096}, std::size_t{5000}, 1 * MiB - 1, 1 * MiB,
                                 1 * MiB + 1, 3 * MiB + 77}) {
    INFO(size);
    const std::string name = "file-" + std::to_string(size);
    const auto file = (*disk)->open(name, OpenMode::create);
    REQUIRE(file.has_value());
    const std::string first = pattern(1, 100);
    REQUIRE((*file)->write(0, as_bytes(first)).has_value());
    const std::string text = pattern(size, size);
    const ByteView pieces[] = {as_bytes(text).first(size / 3), ByteView(), as_bytes(text).subspan(size / 3)};
    REQUIRE((*file)->write_direct(kDirectAlignment, pieces).has_value());
    const std::size_t padded = (size + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
    REQUIRE(*(*file)->size() == kDirectAlignment + padded);
    const std::string expected = text + std::string(padded - size, '\0');
    CHECK(read_plain(**file, kDirectAlignment, padded) == expected);
    CHECK(read_direct(**file, kDirectAlignment, padded) == expected);
    CHECK(read_plain(**file, 0, 100) == first);
    const std::string tail = pattern(2, 50);
    REQUIRE((*file)->write(kDirectAlignment + padded, as_bytes(tail)).has_value());
    REQUIRE((*file)->sync().has_value());
    REQUIRE((*file)->forget_cached().has_value());
    CHECK(read_direct(**file, kDirectAlignment + padded, kDirectAlignment) == tail);
    CHECK(read_plain(**file, 0, kDirectAlignment) == first + std::string(kDirectAlignment - 100, '\0'));
    const auto reader = (*disk)->open(name, OpenMode::read);
    REQUIRE(reader.has_value());
    CHECK(read_direct(**reader, kDirectAlignment, padded) == expected);
  }
}

}  // namespace
}  // namespace gabion
