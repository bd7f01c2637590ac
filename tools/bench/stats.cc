#include "tools/bench/stats.h"

namespace gabion::bench {

void ThreadStats::succeeded(const char* operation, Duration took, std::uint64_t bytes, std::uint64_t keys) {
  OperationStats& stats = by_operation[operation];
  stats.latency.record(static_cast<std::uint64_t>(took.count()));
  stats.bytes += bytes;
  stats.keys += keys;
  operations_.fetch_add(1, std::memory_order_relaxed);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
}

void ThreadStats::failed(const std::string& code) {
  ++by_code[code];
  errors_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace gabion::bench
