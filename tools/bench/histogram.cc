#include "tools/bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace gabion::bench {
namespace {

// Values below 2 * kPerOctave have a bucket each; above, every doubling is cut into kPerOctave.
constexpr unsigned kOctaveBits = 7;
constexpr std::uint64_t kPerOctave = 1u << kOctaveBits;
constexpr std::size_t kBuckets = (64 - kOctaveBits + 1) * kPerOctave;

std::size_t bucket_of(std::uint64_t value) {
  if (value < 2 * kPerOctave) return value;
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kOctaveBits;
  return shift * kPerOctave + (value >> shift);
}

std::uint64_t highest_of(std::size_t bucket) {
  if (bucket < 2 * kPerOctave) return bucket;
  const std::uint64_t shift = bucket / kPerOctave - 1;
  const std::uint64_t first = kPerOctave + bucket % kPerOctave;
  return (first << shift) + ((std::uint64_t{1} << shift) - 1);
}

}  // namespace

Histogram::Histogram() : buckets_(kBuckets) {}

void Histogram::record(std::uint64_t value) {
  ++buckets_[bucket_of(value)];
  ++count_;
  max_ = std::max(max_, value);
  min_ = std::min(min_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::add(const Histogram& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  min_ = std::min(min_, other.min_);
  sum_ += other.sum_;
}

double Histogram::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

std::uint64_t Histogram::percentile(double percent) const {
  const auto rank = static_cast<std::uint64_t>(std::ceil(static_cast<double>(count_) * percent / 100));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen > 0 && seen >= rank) return std::min(highest_of(i), max_);
  }
  return 0;
}

}  // namespace gabion::bench
