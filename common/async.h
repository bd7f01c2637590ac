// The ways coroutines are started and joined, so that nothing outlives what it uses and nobody calls co_spawn by hand.
//   Gate      counts the background tasks of a service; close() waits for them. The destructor demands it is empty.
//   spawn     starts a task inside a gate.
//   offload   runs a blocking function on another executor and resumes on the caller's own.
//   run_on    awaits a task on another executor and resumes on the caller's own.
//   gather    runs tasks at once on the caller's executor and waits for all of them.
//   block_on  blocks a thread that runs no executor until a task elsewhere is done: for start-up and shut-down alone.
//   Event     lets one task wait until another (on any thread) says go.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <atomic>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/check.h"
#include "common/result.h"
#include "common/task.h"

namespace gabion {

// A task that throws has a bug. spawn() reports it through this, which logs and aborts.
[[noreturn]] void escaped_exception(std::string_view task_name, const std::exception_ptr& exception);

// A one-shot, resettable wake-up. set() may be called from any thread, any number of times. At most one task waits at a
// time. wait() returns at once when the event is set, and resets it.
class Event {
 public:
  void set() {
    Waiter waiter;
    {
      const std::lock_guard lock(mutex_);
      if (!waiter_) {
        set_ = true;
        return;
      }
      waiter = std::move(waiter_);
      waiter_ = nullptr;
    }
    waiter();
  }

  task<void> wait() {
    auto executor = co_await asio::this_coro::executor;
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        [this, executor](auto handler) {
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          auto resume = [executor, shared] { asio::post(executor, [shared] { std::move (*shared)(); }); };
          {
            const std::lock_guard lock(mutex_);
            if (!set_) {
              GABION_CHECK(!waiter_, "two tasks wait for one event");
              waiter_ = std::move(resume);
              return;
            }
            set_ = false;
          }
          resume();
        },
        asio::use_awaitable);
  }

 private:
  using Waiter = std::function<void()>;
  std::mutex mutex_;
  bool set_ = false;
  Waiter waiter_;
};

class Gate {
 public:
  ~Gate() { GABION_CHECK(state_->count.load() == 0, "a gate is destroyed while tasks are inside"); }
  // False once closing: the caller must not start.
  bool enter() {
    state_->count.fetch_add(1);
    if (!state_->closing.load()) return true;
    leave();
    return false;
  }
  void leave() {
    // Whoever closes may go on, and destroy the gate, as soon as the count is 0.
    const std::shared_ptr<State> state = state_;
    if (state->count.fetch_sub(1) == 1 && state->closing.load()) state->empty.set();
  }
  bool closing() const { return state_->closing.load(); }
  // No task enters any more; returns when the last one has left.
  task<void> close() {
    state_->closing.store(true);
    while (state_->count.load() != 0) co_await state_->empty.wait();
  }

 private:
  struct State {
    std::atomic<std::size_t> count{0};
    std::atomic<bool> closing{false};
    Event empty;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

// Starts `work` on `executor` inside `gate`. Returns false, and does not start, when the gate is closing.
inline bool spawn(const Executor& executor, Gate& gate, std::string_view name, task<void> work) {
  if (!gate.enter()) return false;
  asio::co_spawn(executor, std::move(work), [&gate, name](std::exception_ptr exception) {
    if (exception) escaped_exception(name, exception);
    gate.leave();
  });
  return true;
}

// Runs `function` (blocking, not a coroutine) on `executor`; resumes on the executor of the calling task.
template <class Function>
auto offload(Executor executor, Function function) -> task<std::invoke_result_t<Function&>> {
  using Value = std::invoke_result_t<Function&>;
  auto home = co_await asio::this_coro::executor;
  if constexpr (std::is_void_v<Value>) {
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        [&](auto handler) {
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          asio::post(executor, [shared, home, f = std::move(function)]() mutable {
            f();
            asio::post(home, [shared] { std::move (*shared)(); });
          });
        },
        asio::use_awaitable);
  } else {
    std::optional<Value> value;
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        [&](auto handler) {
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          asio::post(executor, [shared, home, &value, f = std::move(function)]() mutable {
            value.emplace(f());
            asio::post(home, [shared] { std::move (*shared)(); });
          });
        },
        asio::use_awaitable);
    co_return std::move(*value);
  }
}

// Awaits `work` on `executor`, then resumes on the executor of the calling task.
template <class T>
task<T> run_on(Executor executor, task<T> work) {
  co_return co_await asio::co_spawn(executor, std::move(work), asio::use_awaitable);
}

template <class T>
T block_on(Executor executor, task<T> work) {
  // Shared, as the caller goes on while the promise still wakes it.
  const auto done = std::make_shared<std::promise<T>>();
  auto future = done->get_future();
  if constexpr (std::is_void_v<T>) {
    asio::co_spawn(executor, std::move(work), [done](std::exception_ptr exception) {
      if (exception) escaped_exception("block_on", exception);
      done->set_value();
    });
  } else {
    asio::co_spawn(executor, std::move(work), [done](std::exception_ptr exception, T value) {
      if (exception) escaped_exception("block_on", exception);
      done->set_value(std::move(value));
    });
  }
  return future.get();
}

// Runs all tasks at once on the caller's executor; their values come back in the order given. Waits for every one.
template <class T>
task<std::vector<T>> gather(std::vector<task<T>> tasks) {
  struct State {
    std::vector<std::optional<T>> values;
    std::size_t left = 0;
    Event done;
  };
  auto executor = co_await asio::this_coro::executor;
  auto state = std::make_shared<State>();
  state->values.resize(tasks.size());
  state->left = tasks.size();
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    asio::co_spawn(executor, std::move(tasks[i]), [state, i](std::exception_ptr exception, std::optional<T> value) {
      if (exception) escaped_exception("gather", exception);
      state->values[i] = std::move(value);
      if (--state->left == 0) state->done.set();
    });
  }
  if (!tasks.empty()) co_await state->done.wait();
  std::vector<T> out;
  out.reserve(state->values.size());
  for (auto& value : state->values) out.push_back(std::move(*value));
  co_return out;
}

}  // namespace gabion
