#include "gateway/data/memory.h"

#include <fmt/format.h>

#include <new>

#include "common/check.h"
#include "common/text.h"

namespace gabion::gateway::data {
namespace {

constexpr std::size_t kPooledFrom = 64 * KiB;  // smaller buffers come from the allocator and go back to it

std::byte* allocate_aligned(std::size_t bytes) {
  return static_cast<std::byte*>(::operator new(bytes, std::align_val_t{64}));
}
void free_aligned(std::byte* memory) { ::operator delete(memory, std::align_val_t{64}); }

}  // namespace

struct MemoryBudget::Waiter {
  std::size_t bytes = 0;
  bool granted = false;
  Event event;
};

struct MemoryBudget::State {
  explicit State(std::size_t total) : capacity(total) {}
  ~State() {
    for (auto& [size, list] : pool) {
      for (std::byte* memory : list) free_aligned(memory);
    }
  }

  void release(std::size_t bytes) {
    std::vector<std::shared_ptr<Waiter>> woken;
    {
      const std::lock_guard lock(mutex);
      used -= bytes;
      woken = grant();
    }
    for (const auto& waiter : woken) waiter->event.set();
  }
  // Serves the first waiters as far as the free bytes go: nobody overtakes, so nobody starves. The lock is held.
  std::vector<std::shared_ptr<Waiter>> grant() {
    std::vector<std::shared_ptr<Waiter>> woken;
    while (!waiters.empty() && used + waiters.front()->bytes <= capacity) {
      take(waiters.front()->bytes);
      waiters.front()->granted = true;
      woken.push_back(std::move(waiters.front()));
      waiters.pop_front();
    }
    return woken;
  }
  void take(std::size_t bytes) {
    used += bytes;
    used_max = std::max(used_max, used);
  }
  std::byte* take_memory(std::size_t size) {
    {
      const std::lock_guard lock(mutex);
      const auto it = pool.find(size);
      if (it != pool.end() && !it->second.empty()) {
        std::byte* memory = it->second.back();
        it->second.pop_back();
        pooled -= size;
        return memory;
      }
    }
    return allocate_aligned(size);
  }
  void return_memory(std::byte* memory, std::size_t size) {
    {
      const std::lock_guard lock(mutex);
      if (size >= kPooledFrom && pooled + size <= kPooledMax) {
        pool[size].push_back(memory);
        pooled += size;
        return;
      }
    }
    free_aligned(memory);
  }

  const std::size_t capacity;
  std::mutex mutex;
  std::size_t used = 0;
  std::size_t used_max = 0;
  std::uint64_t refused = 0;
  std::list<std::shared_ptr<Waiter>> waiters;
  std::map<std::size_t, std::vector<std::byte*>> pool;
  std::size_t pooled = 0;
};

// Takes a waiter out of the queue however its task ends.
struct MemoryBudget::WaitGuard {
  WaitGuard(std::shared_ptr<State> s, std::shared_ptr<Waiter> w) : state(std::move(s)), waiter(std::move(w)) {}
  WaitGuard(const WaitGuard&) = delete;
  WaitGuard& operator=(const WaitGuard&) = delete;
  ~WaitGuard() {
    if (!waiter) return;
    bool granted = false;
    {
      const std::lock_guard lock(state->mutex);
      granted = waiter->granted;
      if (!granted) state->waiters.remove(waiter);
    }
    state->release(granted ? waiter->bytes : 0);  // those behind it may fit now
  }
  // True when the bytes were granted: they are the caller's then.
  bool claim() {
    const std::lock_guard lock(state->mutex);
    if (!waiter->granted) return false;
    waiter.reset();
    return true;
  }
  std::shared_ptr<State> state;
  std::shared_ptr<Waiter> waiter;
};

MemoryBudget::Lease& MemoryBudget::Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  reset();
  state_ = std::move(other.state_);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

MemoryBudget::Lease MemoryBudget::Lease::split(std::size_t bytes) {
  GABION_CHECK(bytes <= bytes_, "a lease is split into parts that add up to it");
  bytes_ -= bytes;
  return {state_, bytes};
}

void MemoryBudget::Lease::absorb(Lease other) {
  if (!state_) state_ = other.state_;
  bytes_ += std::exchange(other.bytes_, 0);
}

void MemoryBudget::Lease::reset() {
  if (state_ && bytes_ != 0) state_->release(bytes_);
  state_.reset();
  bytes_ = 0;
}

MemoryBudget::MemoryBudget(Clock& clock, std::size_t capacity, Duration patience)
    : clock_(clock), patience_(patience), alarms_(clock), state_(std::make_shared<State>(capacity)) {}

std::size_t MemoryBudget::footprint(std::size_t bytes) {
  if (bytes < kPooledFrom) return bytes;
  // Sixteen sizes to each power of two: at most 1/16 is wasted.
  const std::size_t step = std::bit_floor(bytes) / 16;
  return (bytes + step - 1) / step * step;
}

task<Result<MemoryBudget::Lease>> MemoryBudget::acquire(Context ctx, std::size_t bytes) {
  auto state = state_;
  auto waiter = std::make_shared<Waiter>();
  waiter->bytes = bytes;
  {
    const std::lock_guard lock(state->mutex);
    if (bytes > state->capacity) {
      co_return Error(Errc::exhausted, fmt::format("one request needs {} of memory and the budget is {}",
                                                   format_size(bytes), format_size(state->capacity)));
    }
    if (state->waiters.empty() && state->used + bytes <= state->capacity) {
      state->take(bytes);
      co_return Lease(state, bytes);
    }
    state->waiters.push_back(waiter);
  }
  WaitGuard guard(state, waiter);
  const TimePoint limit = std::min(clock_.now() + patience_, ctx.deadline);
  alarms_.at(co_await asio::this_coro::executor, limit, std::shared_ptr<Event>(waiter, &waiter->event));
  for (;;) {
    co_await waiter->event.wait();
    if (guard.claim()) co_return Lease(state, bytes);
    if (clock_.now() < limit) continue;
    const std::lock_guard lock(state->mutex);
    ++state->refused;
    break;
  }
  co_return Error(Errc::exhausted, "the memory budget for request data is used up; try again later");
}

std::optional<MemoryBudget::Lease> MemoryBudget::try_acquire(std::size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  if (!state_->waiters.empty() || state_->used + bytes > state_->capacity) return std::nullopt;
  state_->take(bytes);
  return Lease(state_, bytes);
}

Buffer MemoryBudget::allocate(Lease lease, std::size_t size) {
  const std::size_t rounded = footprint(size);
  GABION_CHECK(lease.bytes() >= rounded, "memory is allocated only against a lease");
  std::byte* memory = state_->take_memory(rounded);
  auto held = std::make_shared<Lease>(std::move(lease));
  auto give_back = [state = state_, held, rounded](std::byte* p) {
    state->return_memory(p, rounded);
    held->reset();
  };
  return Buffer(std::shared_ptr<std::byte>(memory, std::move(give_back)), size);
}

std::size_t MemoryBudget::capacity() const { return state_->capacity; }
std::size_t MemoryBudget::used() const {
  const std::lock_guard lock(state_->mutex);
  return state_->used;
}
std::size_t MemoryBudget::used_max() const {
  const std::lock_guard lock(state_->mutex);
  return state_->used_max;
}
std::size_t MemoryBudget::waiting() const {
  const std::lock_guard lock(state_->mutex);
  return state_->waiters.size();
}
std::uint64_t MemoryBudget::refused() const {
  const std::lock_guard lock(state_->mutex);
  return state_->refused;
}

}  // namespace gabion::gateway::data
