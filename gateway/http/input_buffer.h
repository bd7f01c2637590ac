// InputBuffer holds what a connection has received and not consumed yet, in one piece of memory. It is small
// while the connection is idle, because thousands are; it grows for long heads and while a large body flows,
// and shrinks again. How many may be large at once is bounded for each thread, so that slow uploads cannot
// add up. One thread.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>

#include "common/bytes.h"
#include "common/check.h"

namespace gabion::gateway::http {

// How many more buffers of a thread may be large.
struct LargeBufferQuota {
  std::size_t left = 128;
};

class InputBuffer {
 public:
  static constexpr std::size_t kIdleBytes =
      3 * KiB;  // the head of a signed request, and a body of 1 KiB with it
  static constexpr std::size_t kSmallBytes = 16 * KiB;  // heads, and bodies that are small or slow
  static constexpr std::size_t kLargeBytes = 256 * KiB;

  explicit InputBuffer(LargeBufferQuota& quota) : quota_(quota) {}
  ~InputBuffer() { return_quota(); }
  InputBuffer(const InputBuffer&) = delete;
  InputBuffer& operator=(const InputBuffer&) = delete;

  ByteView view() const { return {memory_.get() + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  // The bytes stay where they are until the next call of room() or shrink().
  void consume(std::size_t n) {
    GABION_CHECK(n <= size(), "more is consumed than is buffered");
    begin_ += n;
  }

  // Free space for the next read: at least one byte. The buffer gets at least this capacity, if the quota
  // allows it, and doubles when it is full.
  MutableBytes room(std::size_t capacity) {
    if (capacity >= kLargeBytes && !large_) capacity = take_quota() ? kLargeBytes : kSmallBytes;
    capacity = std::max({capacity, capacity_, size() == capacity_ ? 2 * capacity_ : 0});
    if (capacity > capacity_) {
      resize(capacity);
    } else if (begin_ == end_) {
      begin_ = end_ = 0;
    } else if (end_ == capacity_) {
      std::memmove(memory_.get(), memory_.get() + begin_, size());
      end_ -= std::exchange(begin_, 0);
    }
    offered_ = capacity_ - end_;
    return {memory_.get() + end_, offered_};
  }
  void commit(std::size_t n) {
    end_ += n;
    last_ = n;
  }
  // Whether the last read left nothing behind, as far as one can tell: the sender is faster than the reads
  // are large.
  bool was_filled() const { return last_ == offered_; }
  std::size_t last_read() const { return last_; }

  // Gives back memory beyond `capacity` if what is buffered fits.
  void shrink(std::size_t capacity) {
    if (capacity_ <= capacity || size() > capacity) return;
    resize(capacity);
    return_quota();
  }

 private:
  bool take_quota() {
    if (quota_.left == 0) return false;
    --quota_.left;
    large_ = true;
    return true;
  }
  void return_quota() {
    if (std::exchange(large_, false)) ++quota_.left;
  }
  void resize(std::size_t capacity) {
    auto fresh = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (!empty()) std::memcpy(fresh.get(), memory_.get() + begin_, size());
    end_ -= std::exchange(begin_, 0);
    memory_ = std::move(fresh);
    capacity_ = capacity;
  }

  LargeBufferQuota& quota_;
  bool large_ = false;  // counted in the quota
  std::unique_ptr<std::byte[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t offered_ = 0;  // by the last room()
  std::size_t last_ = 0;     // read into it
};

}  // namespace gabion::gateway::http
