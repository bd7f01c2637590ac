#include "tools/bench/histogram.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "common/rng.h"

namespace gabion::bench {
namespace {

TEST_CASE("an empty histogram has zero everywhere") {
  const Histogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.percentile(50) == 0);
  CHECK(histogram.max() == 0);
  CHECK(histogram.min() == 0);
  CHECK(histogram.mean() == 0);
}

TEST_CASE("small values are exact") {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 200; ++value) histogram.record(value);
  CHECK(histogram.percentile(50) == 100);
  CHECK(histogram.percentile(90) == 180);
  CHECK(histogram.percentile(99) == 198);
  CHECK(histogram.percentile(100) == 200);
  CHECK(histogram.min() == 1);
  CHECK(histogram.mean() == 100.5);
}

TEST_CASE("percentiles of any values are within one percent") {
  SeededRng rng(5);
  Histogram histogram;
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t value = rng.next() >> rng.below(64);
    values.push_back(value);
    histogram.record(value);
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(static_cast<double>(values.size()) * percent / 100));
    const auto exact = static_cast<double>(values[rank - 1]);
    CHECK(static_cast<double>(histogram.percentile(percent)) >= exact);
    CHECK(static_cast<double>(histogram.percentile(percent)) <= exact * 1.01 + 1);
  }
  CHECK(histogram.max() == values.back());
}

TEST_CASE("the greatest and the least value there is are counted") {
  Histogram histogram;
  histogram.record(~std::uint64_t{0});
  histogram.record(0);
  CHECK(histogram.percentile(100) == ~std::uint64_t{0});
  CHECK(histogram.percentile(1) == 0);
}

TEST_CASE("histograms add up") {
  Histogram all, a, b;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    all.record(i * i);
    (i % 3 == 0 ? a : b).record(i * i);
  }
  a.add(b);
  CHECK(a.count() == all.count());
  for (const double percent : {5.0, 50.0, 95.0, 99.9})
    CHECK(a.percentile(percent) == all.percentile(percent));
  CHECK(a.max() == all.max());
  CHECK(a.mean() == all.mean());
}

}  // namespace
}  // namespace gabion::bench
