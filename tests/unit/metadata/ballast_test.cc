// Space kept for the state on a drive that others fill.
#include <catch2/catch_test_macros.hpp>

#include "metadata/ballast.h"
#include "tests/support/sim.h"

namespace gabion::metadata {
namespace {

constexpr std::uint64_t kBytes = 8 * Ballast::kPiece;

std::uint64_t available(sim::SimDisk& disk) { return disk.space().value().available_bytes; }

// Somebody else takes all that is free.
void fill(sim::SimDisk& disk, std::uint64_t capacity) { disk.set_capacity(capacity - available(disk)); }

}  // namespace

TEST_CASE("ballast gives back as much as is needed on a full drive, and takes it again when there is space") {
  SeededRng rng(1);
  sim::SimDisk disk(rng);
  disk.set_capacity(GiB);
  Ballast ballast(disk, "ballast", kBytes);
  CHECK(ballast.held() == 0);
  ballast.take();
  CHECK(ballast.held() == kBytes);
  ballast.give(kBytes);
  CHECK(ballast.held() == kBytes);

  fill(disk, GiB);
  REQUIRE(available(disk) == 0);
  ballast.give(Ballast::kPiece + 1);
  CHECK(ballast.held() == kBytes - 2 * Ballast::kPiece);
  CHECK(available(disk) == 2 * Ballast::kPiece);
  ballast.give(2 * kBytes);
  CHECK(ballast.held() == 0);

  disk.set_capacity(GiB);
  ballast.take();
  CHECK(ballast.held() == kBytes);
}

TEST_CASE("ballast is found again by the next start, also on a full drive") {
  SeededRng rng(1);
  sim::SimDisk disk(rng);
  disk.set_capacity(GiB);
  Ballast(disk, "ballast", kBytes).take();
  fill(disk, GiB);
  Ballast again(disk, "ballast", kBytes);
  CHECK(again.held() == kBytes);
  again.give(Ballast::kPiece);
  CHECK(available(disk) == Ballast::kPiece);
}

TEST_CASE("a drive with little space keeps some of it free") {
  SeededRng rng(1);
  sim::SimDisk disk(rng);
  disk.set_capacity(3 * Ballast::kPiece);
  Ballast ballast(disk, "ballast", kBytes);
  ballast.take();
  CHECK(ballast.held() == 2 * Ballast::kPiece);
}

}  // namespace gabion::metadata
