// The property that the ring promises: whatever happens to the drives, one change after the other, every row
// stays distinct and as widely spread as possible, the balance is within 2%, and little more moves than must.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <set>

#include "common/text.h"
#include "ring/ring.h"
#include "tests/unit/ring/drives.h"

namespace gabion::ring {
namespace {

constexpr std::size_t kDrivesMost = 24;
// A table fine enough that the lightest drive's wish is more than fifty places, so that rounding stays below
// 2%.
constexpr unsigned kBits = 12;

// A cluster that grows, shrinks and changes weights at random; the seed decides everything.
class Cluster {
 public:
  explicit Cluster(std::uint64_t seed) : rng_(seed) {
    static constexpr unsigned kWidths[] = {1, 2, 3, 4, 6, 6, 8, 11};
    width_ = kWidths[rng_.below(std::size(kWidths))];
    levels_ = rng_.below(4);
    fan_out_ = 1 + rng_.below(5);
    const std::size_t count = width_ + rng_.below(kDrivesMost - width_);
    while (drives_.size() < count) add();
  }

  unsigned width() const { return width_; }
  const std::vector<Drive>& drives() const { return drives_; }

  void change() {
    switch (rng_.below(8)) {
      case 0:
      case 1:
      case 2:
        return add();
      case 3:
      case 4:
        return remove();
      case 5:
        return add_node();
      default:
        return reweight();
    }
  }

 private:
  double weight() { return 1 + static_cast<double>(rng_.below(3000)) / 1000; }

  std::vector<std::string> domain() {
    std::vector<std::string> domain;
    for (unsigned level = 0; level < levels_; ++level) domain.push_back(std::to_string(rng_.below(fan_out_)));
    return domain;
  }

  void add() {
    if (drives_.size() < kDrivesMost) drives_.push_back(make_drive(next_++, weight(), domain()));
  }

  void remove() {
    if (drives_.size() > width_)
      drives_.erase(drives_.begin() + static_cast<std::ptrdiff_t>(rng_.below(drives_.size())));
  }

  // Several drives at once, in one domain that may be new.
  void add_node() {
    std::vector<std::string> where = domain();
    if (!where.empty()) where.back() = "new" + std::to_string(rng_.below(3));
    for (std::uint64_t left = 1 + rng_.below(3); left > 0 && drives_.size() < kDrivesMost; --left) {
      drives_.push_back(make_drive(next_++, weight(), where));
    }
  }

  void reweight() { drives_[rng_.below(drives_.size())].weight = weight(); }

  SeededRng rng_;
  unsigned width_ = 1;
  unsigned levels_ = 0;
  std::uint64_t fan_out_ = 1;
  unsigned next_ = 0;
  std::vector<Drive> drives_;
};

// More in one command: GABION_RING_SEEDS=10000 ring_test.
std::uint64_t seeds() {
  const char* more = std::getenv("GABION_RING_SEEDS");
  return more == nullptr ? 30 : parse_u64(more).value_or(30);
}

bool rows_are_distinct(const Ring& ring) {
  for (std::uint32_t p = 0; p < ring.partitions(); ++p) {
    const std::set<DriveIndex> drives(ring.row(p).begin(), ring.row(p).end());
    if (drives.size() != ring.width()) return false;
  }
  return true;
}

TEST_CASE(
    "any sequence of added, removed and reweighted drives keeps rows distinct, spread and balanced, and "
    "moves little") {
  for (std::uint64_t seed = 0; seed < seeds(); ++seed) {
    Cluster cluster(seed);
    Ring ring;
    for (int step = 0; step < 8; ++step) {
      INFO("seed " << seed << ", step " << step << ", width " << cluster.width() << ", drives "
                   << cluster.drives().size());
      auto next = build(ring, cluster.drives(), cluster.width(), kBits);
      REQUIRE(next.has_value());
      REQUIRE(rows_are_distinct(*next));
      const Quality q = quality(*next);
      CHECK(q.crowded_rows == 0);
      CHECK(q.imbalance <= 0.02);
      const Movement m = movement(ring, *next);
      // The minimum lets every wish be rounded as suits it best, which can miss a place of each drive.
      CHECK(static_cast<double>(m.moved) <=
            static_cast<double>(m.minimum) * 1.05 + static_cast<double>(next->drives().size()));

      ring = std::move(*next);
      cluster.change();
    }
  }
}

}  // namespace
}  // namespace gabion::ring
