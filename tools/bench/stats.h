// What one thread of the load generator counts. The thread that owns it writes; the progress line reads the
// atomics at any time, and everything else is read after the thread has ended.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "common/clock.h"
#include "tools/bench/histogram.h"

namespace gabion::bench {

struct OperationStats {
  Histogram latency;  // nanoseconds
  std::uint64_t bytes = 0;
  std::uint64_t keys = 0;  // listed
};

class ThreadStats {
 public:
  void succeeded(const char* operation, Duration took, std::uint64_t bytes, std::uint64_t keys);
  void failed(const std::string& code);

  std::uint64_t operations() const { return operations_.load(std::memory_order_relaxed); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  std::uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }

  // By operation, GET or PUT and so on; and failures by code.
  std::map<std::string, OperationStats> by_operation;
  std::map<std::string, std::uint64_t> by_code;

 private:
  std::atomic<std::uint64_t> operations_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> errors_{0};
};

}  // namespace gabion::bench
