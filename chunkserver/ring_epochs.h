// RingEpochs is what one node knows of the ring's epoch: the one it acts by, and the newest that others spoke of. Requests
// and replies between nodes carry the sender's, so that whoever is behind learns of it with the next message.
// Thread-safe. on_newer() is called from any thread and must not block.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>

namespace gabion::chunkserver {

class RingEpochs {
 public:
  std::uint64_t acting() const { return acting_.load(std::memory_order_relaxed); }
  void act_by(std::uint64_t epoch) { raise(acting_, epoch); }

  std::uint64_t newest() const { return std::max(acting(), heard_.load(std::memory_order_relaxed)); }
  // A peer acts by this one.
  void hear(std::uint64_t epoch) {
    if (epoch <= newest() || !raise(heard_, epoch)) return;
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex_);
      wake = on_newer_;
    }
    if (wake) wake();
  }
  // Called when somebody acts by a newer ring than any that was heard of.
  void on_newer(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    on_newer_ = std::move(wake);
  }

 private:
  static bool raise(std::atomic<std::uint64_t>& value, std::uint64_t to) {
    std::uint64_t now = value.load(std::memory_order_relaxed);
    while (now < to) {
      if (value.compare_exchange_weak(now, to, std::memory_order_relaxed)) return true;
    }
    return false;
  }

  std::atomic<std::uint64_t> acting_{0};
  std::atomic<std::uint64_t> heard_{0};
  std::mutex mutex_;
  std::function<void()> on_newer_;
};

}  // namespace gabion::chunkserver
