#include "chunkserver/identity.h"

#include <catch2/catch_test_macros.hpp>

#include "chunkserver/format.h"
#include "common/crc.h"
#include "tests/support/sim.h"

namespace gabion::chunkserver {
namespace {

Identity sample() {
  SeededRng rng(1);
  return {.cluster = ClusterId::random(rng), .drive = DriveId::random(rng), .position = 4, .created = 1'700'000'000'000'000,
          .metadata = true};
}

Errc code_of(const auto& result) { return result ? Errc::internal : result.error().code; }

TEST_CASE("a formatted drive tells who it is, also after a power cut") {
  SeededRng rng(2);
  sim::SimDisk disk(rng);
  REQUIRE(format_drive(disk, sample()).has_value());
  disk.crash(sim::Crash::drop_all);
  const auto identity = read_identity(disk);
  REQUIRE(identity.has_value());
  CHECK(*identity == sample());
  CHECK(disk.list(kSegmentsDir).has_value());
}

TEST_CASE("a power cut while formatting leaves a drive that is formatted or can be") {
  for (std::uint64_t cut = 0; cut < 8; ++cut) {
    for (const sim::Crash how : sim::kCrashes) {
      SeededRng rng(cut);
      sim::SimDisk disk(rng);
      disk.cut_power_after(cut);
      const bool formatted = format_drive(disk, sample()).has_value();
      disk.crash(how);
      const auto identity = read_identity(disk);
      if (formatted) CHECK(identity.has_value());
      if (!identity) {
        CHECK(code_of(identity) == Errc::not_found);
        CHECK(format_drive(disk, sample()).has_value());
      }
      CHECK(*read_identity(disk) == sample());
    }
  }
}

TEST_CASE("a drive without an identity, of another cluster or of a newer format is refused with a reason") {
  SeededRng rng(3);
  sim::SimDisk disk(rng);
  CHECK(code_of(read_identity(disk)) == Errc::not_found);
  CHECK(code_of(check_cluster(sample(), ClusterId::random(rng))) == Errc::conflict);
  CHECK(check_cluster(sample(), sample().cluster).has_value());
  std::string body = "gabion-drive=2\nanything=else\n";
  body += fmt::format("crc32c={:08x}\n", crc32c(0, as_bytes(body)));
  const auto newer = parse_identity(body);
  CHECK(code_of(newer) == Errc::invalid);
  CHECK(newer.error().message.find("newer") != std::string::npos);
}

TEST_CASE("a drive is not formatted twice, nor over segments that lost their identity") {
  SeededRng rng(4);
  sim::SimDisk disk(rng);
  REQUIRE(format_drive(disk, sample()).has_value());
  CHECK(code_of(format_drive(disk, sample())) == Errc::already_exists);
  REQUIRE(disk.open(segment_path(1), OpenMode::create).has_value());
  REQUIRE(disk.remove(kIdentityFile).has_value());
  CHECK(code_of(format_drive(disk, sample())) == Errc::conflict);
}

TEST_CASE("no flipped bit, cut or garbage passes for an identity") {
  const std::string text = encode_identity(sample());
  REQUIRE(parse_identity(text).has_value());
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      CHECK(parse_identity(flipped).has_error());
    }
    CHECK(parse_identity(std::string_view(text).substr(0, i)).has_error());
  }
  CHECK(parse_identity(std::string(4000, '=')).has_error());
}

}  // namespace
}  // namespace gabion::chunkserver
