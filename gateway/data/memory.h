// MemoryBudget bounds the bytes that the data path holds in this process: block buffers of writers, read buffers of
// readers. Who wants more than is free waits, in the order of arrival, and is refused (exhausted, which S3 answers with
// SlowDown) when its patience or its deadline is over. Freed buffers are kept for a while, as fresh pages cost more than
// sealing does. Thread-safe. Leases and buffers may outlive it. Call close() before destruction; the
// executors of tasks that waited run until it has returned.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "common/bytes.h"
#include "common/context.h"
#include "common/result.h"
#include "gateway/data/alarms.h"

namespace gabion::gateway::data {

class MemoryBudget {
 private:
  struct State;

 public:
  static constexpr Duration kPatience = std::chrono::seconds(10);
  // Freed buffers that are kept; this much is held on top of the budget at the most.
  static constexpr std::size_t kPooledMax = 32 * MiB;

  MemoryBudget(Clock& clock, std::size_t capacity, Duration patience = kPatience);

  // A right to hold some bytes. Given back when destroyed.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept { *this = std::move(other); }
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { reset(); }
    std::size_t bytes() const { return bytes_; }
    // Takes a part of this lease.
    Lease split(std::size_t bytes);
    // Adds another lease of the same budget to this one.
    void absorb(Lease other);
    void reset();

   private:
    friend class MemoryBudget;
    Lease(std::shared_ptr<State> state, std::size_t bytes) : state_(std::move(state)), bytes_(bytes) {}
    std::shared_ptr<State> state_;
    std::size_t bytes_ = 0;
  };

  // What a buffer of this size takes out of the budget: sizes are rounded up a little, so that buffers can be reused.
  static std::size_t footprint(std::size_t bytes);

  task<Result<Lease>> acquire(Context ctx, std::size_t bytes);
  // Without waiting, and never before those who wait.
  std::optional<Lease> try_acquire(std::size_t bytes);
  // Uninitialised memory. The lease, at least footprint(size), is given back with the last reference to the memory.
  Buffer allocate(Lease lease, std::size_t size);

  std::size_t capacity() const;
  std::size_t used() const;
  std::size_t used_max() const;  // the most ever used
  std::size_t waiting() const;
  std::uint64_t refused() const;
  task<void> close() { co_await alarms_.close(); }

 private:
  struct Waiter;
  struct WaitGuard;

  Clock& clock_;
  const Duration patience_;
  Alarms alarms_;
  std::shared_ptr<State> state_;
};

}  // namespace gabion::gateway::data
