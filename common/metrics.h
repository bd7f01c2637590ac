// Metrics in the Prometheus text format. Each service owns a plain struct of counters, gauges and histograms; the
// composition root registers them under a name and labels. Updates are lock-free and thread-safe. Names carry the
// "gabion_" prefix, base units, and _total for counters. Object keys are never labels.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"

namespace gabion {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Latencies in buckets that double from 64 microseconds to 67 seconds.
class Histogram {
 public:
  static constexpr std::size_t kBuckets = 21;
  static constexpr std::uint64_t kFirstMicros = 64;
  void observe(Duration latency);
  // Upper bound of bucket i in seconds.
  static double bound(std::size_t i) { return static_cast<double>(kFirstMicros << i) / 1e6; }

 private:
  friend class MetricsRegistry;
  std::array<std::atomic<std::uint64_t>, kBuckets + 1> buckets_{};
  std::atomic<std::uint64_t> sum_micros_{0};
};

class MetricsRegistry {
 public:
  // `labels` is the inside of the braces, e.g. R"(operation="GetObject")", or empty. What is referred to must outlive
  // the registry.
  void add(std::string name, std::string help, std::string labels, const Counter& counter);
  void add(std::string name, std::string help, std::string labels, const Gauge& gauge);
  void add(std::string name, std::string help, std::string labels, const Histogram& histogram);
  // A gauge read when asked for. `read` runs on the thread that renders.
  void add(std::string name, std::string help, std::string labels, std::function<double()> read);
  // All with exactly these labels: what they tell of is gone.
  void remove(const std::string& labels);
  std::string render() const;

 private:
  struct Entry {
    std::string name, help, labels, type;
    std::function<void(std::string& out, const Entry&)> print;
  };
  void add_entry(Entry entry);
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

// A label value with what the format demands escaped.
std::string label_value(std::string_view text);

}  // namespace gabion
