// The ring maps a partition to an ordered list of distinct drives, versioned by epoch. Pure: no I/O, no clock, no
// threads; the next table is a function of the drives and the previous table. A block's partition is the leading bits of
// its id. Immutable once built, so readers share it freely.
//
// Method: as OpenStack Swift's ring builder does, each drive has a number of parts it wants (by weight, capped where it
// would need two places in one row), and only the assignments that must move are taken and given to the drives that
// want the most, in the least used failure domain.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/result.h"

namespace gabion::ring {

struct Drive {
  DriveId id;
  // Share of the data, in any unit (bytes of capacity serve well). 0 takes the drive out of new rows.
  double weight = 1;
  // Widest first: region, zone, node. The drive itself is the last level. All drives name the same number of levels.
  std::vector<std::string> domain;

  friend bool operator==(const Drive&, const Drive&) = default;
};

using DriveIndex = std::uint16_t;  // into Ring::drives()

class Ring {
 public:
  Ring() = default;
  Ring(std::uint64_t epoch, unsigned partition_bits, unsigned width, std::vector<Drive> drives,
       std::vector<DriveIndex> table);

  std::uint64_t epoch() const { return epoch_; }
  unsigned partition_bits() const { return partition_bits_; }
  std::uint32_t partitions() const { return 1u << partition_bits_; }
  unsigned width() const { return width_; }  // drives in a row
  const std::vector<Drive>& drives() const { return drives_; }
  std::uint32_t partition_of(const BlockId& block) const;
  // The row of a partition: distinct drives, the first k+m of which hold a block of profile k+m.
  std::span<const DriveIndex> row(std::uint32_t partition) const;
  // The same places, under another epoch.
  Ring at_epoch(std::uint64_t epoch) const {
    Ring out = *this;
    out.epoch_ = epoch;
    return out;
  }

  // A self-describing, checksummed form, and back. decode() checks every bound: corrupt or invalid, never a crash.
  std::string encode() const;
  static Result<Ring> decode(std::string_view encoded);

  friend bool operator==(const Ring&, const Ring&) = default;

 private:
  std::uint64_t epoch_ = 0;
  unsigned partition_bits_ = 0;
  unsigned width_ = 0;
  std::vector<Drive> drives_;
  std::vector<DriveIndex> table_;  // partitions x width
};

// Builds the table of the next epoch. `previous` may be an empty Ring (epoch 0). `width` is the number of drives a row
// lists. invalid, naming the number needed, when fewer than `width` drives have weight. The same input gives the same
// ring, whatever their order: Ring::drives() is sorted by id. Drives of `previous` that are not in `drives` are gone and
// their places are given away. A drive that stays in a row keeps its position there. partition_bits may grow (partitions
// are split, nothing moves for it) but never shrink. Spread goes before weight, and a row's first drives are as well
// spread as the row.
Result<Ring> build(const Ring& previous, std::vector<Drive> drives, unsigned width, unsigned partition_bits);

// How good a ring is, for reports and tests.
struct Quality {
  // Worst relative deviation of a drive's share from its wish, 0.02 = 2%. The wish is by weight, as far as one place a
  // row and the spread over domains allow. Rounding alone makes 1 / (partitions x share): choose partition_bits by it.
  double imbalance = 0;
  // Rows that hold more drives of one failure domain, at any level, than they must.
  std::uint32_t crowded_rows = 0;
};
Quality quality(const Ring& ring);

// Assignments (partition, drive) of `after` that are not in `before`, and a proven bound for the fewest that any ring
// could have which is well spread and gives every drive its wish.
struct Movement {
  std::uint64_t moved = 0;
  std::uint64_t minimum = 0;
};
Movement movement(const Ring& before, const Ring& after);

}  // namespace gabion::ring
