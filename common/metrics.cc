#include "common/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace gabion {
namespace {

std::string braces(const std::string& labels, std::string_view more = {}) {
  if (labels.empty() && more.empty()) return {};
  const char* comma = labels.empty() || more.empty() ? "" : ",";
  return fmt::format("{{{}{}{}}}", labels, comma, more);
}

}  // namespace

void Histogram::observe(Duration latency) {
  const auto count = std::chrono::duration_cast<std::chrono::microseconds>(latency).count();
  const auto micros = static_cast<std::uint64_t>(count < 0 ? 0 : count);
  const std::uint64_t scaled = micros == 0 ? 0 : (micros - 1) / kFirstMicros;
  const std::size_t index = std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(scaled)), kBuckets);
  buckets_[index].fetch_add(1, std::memory_order_relaxed);
  sum_micros_.fetch_add(micros, std::memory_order_relaxed);
}

void MetricsRegistry::add_entry(Entry entry) {
  const std::lock_guard lock(mutex_);
  // The format wants all metrics of one name together.
  const auto last = std::find_if(entries_.rbegin(), entries_.rend(), [&](const Entry& e) { return e.name == entry.name; });
  entries_.insert(last == entries_.rend() ? entries_.end() : last.base(), std::move(entry));
}

void MetricsRegistry::add(std::string name, std::string help, std::string labels, const Counter& counter) {
  add_entry({std::move(name), std::move(help), std::move(labels), "counter", [&counter](std::string& out, const Entry& e) {
               out += fmt::format("{}{} {}\n", e.name, braces(e.labels), counter.value());
             }});
}

void MetricsRegistry::add(std::string name, std::string help, std::string labels, const Gauge& gauge) {
  add_entry({std::move(name), std::move(help), std::move(labels), "gauge", [&gauge](std::string& out, const Entry& e) {
               out += fmt::format("{}{} {}\n", e.name, braces(e.labels), gauge.value());
             }});
}

void MetricsRegistry::add(std::string name, std::string help, std::string labels, std::function<double()> read) {
  add_entry({std::move(name), std::move(help), std::move(labels), "gauge",
             [read = std::move(read)](std::string& out, const Entry& e) {
               out += fmt::format("{}{} {}\n", e.name, braces(e.labels), read());
             }});
}

void MetricsRegistry::add(std::string name, std::string help, std::string labels, const Histogram& histogram) {
  add_entry({std::move(name), std::move(help), std::move(labels), "histogram",
             [&histogram](std::string& out, const Entry& e) {
               std::uint64_t total = 0;
               for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
                 total += histogram.buckets_[i].load(std::memory_order_relaxed);
                 const std::string le = fmt::format("le=\"{}\"", Histogram::bound(i));
                 out += fmt::format("{}_bucket{} {}\n", e.name, braces(e.labels, le), total);
               }
               total += histogram.buckets_[Histogram::kBuckets].load(std::memory_order_relaxed);
               out += fmt::format("{}_bucket{} {}\n", e.name, braces(e.labels, "le=\"+Inf\""), total);
               const double sum = static_cast<double>(histogram.sum_micros_.load(std::memory_order_relaxed)) / 1e6;
               const std::string labels = braces(e.labels);
               out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", e.name, labels, sum, e.name, labels, total);
             }});
}

void MetricsRegistry::remove(const std::string& labels) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const Entry& entry) { return entry.labels == labels; });
}

std::string MetricsRegistry::render() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  std::string_view previous;
  for (const Entry& entry : entries_) {
    if (entry.name != previous)
      out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", entry.name, entry.help, entry.name, entry.type);
    previous = entry.name;
    entry.print(out, entry);
  }
  return out;
}

std::string label_value(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out.push_back('\\');
    if (c == '\n') out += "\\n";
    else out.push_back(c);
  }
  return out;
}

}  // namespace gabion
