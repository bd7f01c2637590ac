// The threads of a node. Each IoThread is one io_context with one thread, named for debuggers; the pool serves blocking
// reads. Stopping lets what is queued run out only where stop() says so. Owned by the node; started once, stopped once.
// Work that is to give way to all other gets a niceness, as processes have it: 0 to 19.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/task.h"

namespace gabion::serve {

class IoThread {
 public:
  explicit IoThread(std::string name, int niceness = 0);
  ~IoThread();  // stops at once and joins
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;
  asio::io_context& context() { return context_; }
  Executor executor() { return context_.get_executor(); }

 private:
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

// Several of them under one name, for work that each connection brings to one of them.
class IoThreads {
 public:
  IoThreads(const std::string& name, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) threads_.push_back(std::make_unique<IoThread>(name + std::to_string(i)));
  }
  const std::vector<std::unique_ptr<IoThread>>& all() const { return threads_; }
  std::vector<Executor> executors() const {
    std::vector<Executor> out;
    for (const auto& thread : threads_) out.push_back(thread->executor());
    return out;
  }

 private:
  std::vector<std::unique_ptr<IoThread>> threads_;
};

}  // namespace gabion::serve
