// A thread of the simulated world: what is posted to its executor runs one after the other, each piece when the thread is not
// paused and has finished the one before. A drive's thread with a cost is a slow drive; a node's thread that pauses is a node
// that stands still (SIGSTOP, a long swap, a live migration) and knows nothing of it. Must outlive what runs on it.
#pragma once

#include <algorithm>

#include "tests/support/sim.h"

namespace gabion::sim {

class SimThread;

// Satisfies Asio's executor requirements.
class SimThreadExecutor {
 public:
  explicit SimThreadExecutor(SimThread& thread) : thread_(&thread) {}
  friend bool operator==(const SimThreadExecutor& a, const SimThreadExecutor& b) noexcept { return a.thread_ == b.thread_; }
  friend bool operator!=(const SimThreadExecutor& a, const SimThreadExecutor& b) noexcept { return a.thread_ != b.thread_; }
  boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept;
  static constexpr boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) noexcept {
    return boost::asio::execution::blocking.never;
  }
  template <class F>
  void execute(F f) const;

 private:
  SimThread* thread_;
};

class SimThread {
 public:
  explicit SimThread(SimWorld& world) : world_(world) {}
  SimThread(const SimThread&) = delete;
  Executor executor() { return SimThreadExecutor(*this); }
  SimWorld& world() { return world_; }
  void pause_for(Duration duration) { free_at_ns_ = std::max(free_at_ns_, world_.now_ns() + nanoseconds(duration)); }
  void set_cost(Duration of_each) { cost_ns_ = nanoseconds(of_each); }
  void post(std::function<void()> work) {
    free_at_ns_ = std::max(free_at_ns_, world_.now_ns()) + cost_ns_;
    world_.at(free_at_ns_, std::move(work));
  }

 private:
  static std::uint64_t nanoseconds(Duration duration) { return static_cast<std::uint64_t>(duration.count()); }

  SimWorld& world_;
  std::uint64_t free_at_ns_ = 0;
  std::uint64_t cost_ns_ = 0;
};

inline boost::asio::execution_context& SimThreadExecutor::query(boost::asio::execution::context_t) const noexcept {
  return thread_->world();
}
template <class F>
void SimThreadExecutor::execute(F f) const {
  thread_->post([shared = std::make_shared<F>(std::move(f))] { std::move (*shared)(); });
}

}  // namespace gabion::sim
