// Runs one task to its end on an io_context of the calling thread, for tests of real I/O.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "common/async.h"

namespace gabion::test {

// An io_context for as long as a task runs. It is used again and not destroyed: a thread of a drive that has just posted
// the last completion may still be inside the post when the task is done.
class BorrowedIo {
 public:
  BorrowedIo() {
    const std::lock_guard lock(mutex());
    if (idle().empty()) {
      io_ = std::make_unique<asio::io_context>(1);
    } else {
      io_ = std::move(idle().back());
      idle().pop_back();
      io_->restart();
    }
  }
  ~BorrowedIo() {
    const std::lock_guard lock(mutex());
    idle().push_back(std::move(io_));
  }
  BorrowedIo(const BorrowedIo&) = delete;
  BorrowedIo& operator=(const BorrowedIo&) = delete;
  asio::io_context& operator*() const { return *io_; }

 private:
  static std::mutex& mutex() {
    static std::mutex instance;
    return instance;
  }
  static std::vector<std::unique_ptr<asio::io_context>>& idle() {
    static std::vector<std::unique_ptr<asio::io_context>> instance;
    return instance;
  }
  std::unique_ptr<asio::io_context> io_;
};

template <class T>
T run(task<T> work) {
  const BorrowedIo borrowed;
  asio::io_context& io = *borrowed;
  std::optional<T> result;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr exception, T value) {
    if (exception) escaped_exception("test", exception);
    result.emplace(std::move(value));
  });
  io.run();
  GABION_CHECK(result.has_value(), "the task can never finish");
  return std::move(*result);
}

inline void run(task<void> work) {
  const BorrowedIo borrowed;
  asio::io_context& io = *borrowed;
  bool done = false;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr exception) {
    if (exception) escaped_exception("test", exception);
    done = true;
  });
  io.run();
  GABION_CHECK(done, "the task can never finish");
}

}  // namespace gabion::test
