// task<T> is the coroutine type of every asynchronous function: task<Result<T>> f(arguments by value).
// A task runs on the executor it was spawned on; awaiting another task stays there. References passed to a task must
// outlive it; coroutine parameters are taken by value so that nothing dangles.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>

namespace gabion {

namespace asio = boost::asio;

using Executor = asio::any_io_executor;

template <class T = void>
using task = asio::awaitable<T>;

}  // namespace gabion
