// Counts durations in buckets whose width is under one percent of their value, from a nanosecond to
// centuries, in a fixed 57 KiB. Percentiles are therefore exact to one percent, and histograms of several
// threads add up. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

namespace gabion::bench {

class Histogram {
 public:
  Histogram();
  void record(std::uint64_t value);
  void add(const Histogram& other);

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }
  std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
  double mean() const;
  // The smallest recorded value, to the bucket's precision, that `percent` of all values do not exceed. 0
  // when empty.
  std::uint64_t percentile(double percent) const;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
  double sum_ = 0;
};

}  // namespace gabion::bench
