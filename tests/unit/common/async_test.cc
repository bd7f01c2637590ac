#include <catch2/catch_test_macros.hpp>

#include <boost/asio/thread_pool.hpp>
#include <thread>

#include "common/async.h"
#include "tests/support/run.h"
#include "tests/support/sim.h"

namespace gabion {
namespace {

task<int> delayed(Clock& clock, int value) {
  co_await clock.sleep(std::chrono::milliseconds(10 - value));
  co_return value;
}

task<std::vector<int>> gather_some(Clock& clock) {
  std::vector<task<int>> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(delayed(clock, i));
  co_return co_await gather(std::move(tasks));
}

TEST_CASE("gather returns the values in the order given, whatever order they finish in") {
  sim::SimWorld world(1);
  CHECK(world.run(gather_some(world.clock())) == std::vector<int>{0, 1, 2, 3, 4});
  CHECK(world.now_ns() == 10'000'000);
}

task<std::pair<std::thread::id, std::thread::id>> hop(Executor pool) {
  const auto elsewhere = co_await offload(pool, [] { return std::this_thread::get_id(); });
  co_return std::pair(elsewhere, std::this_thread::get_id());
}

TEST_CASE("offload runs elsewhere and resumes at home") {
  asio::thread_pool pool(1);
  asio::io_context io(1);
  std::optional<std::pair<std::thread::id, std::thread::id>> ids;
  asio::co_spawn(io, hop(pool.get_executor()),
                 [&](std::exception_ptr, std::pair<std::thread::id, std::thread::id> got) { ids = got; });
  io.run();
  REQUIRE(ids);
  CHECK(ids->first != std::this_thread::get_id());
  CHECK(ids->second == std::this_thread::get_id());
}

task<void> wait_then_count(Event& event, int& count) {
  co_await event.wait();
  ++count;
}

task<void> close_gate(Gate& gate, bool& closed) {
  co_await gate.close();
  closed = true;
}

TEST_CASE("a gate closes only when its tasks have left, and lets none in afterwards") {
  sim::SimWorld world(1);
  Gate gate;
  Event event;
  int count = 0;
  bool closed = false;
  REQUIRE(spawn(world.executor(), gate, "waiter", wait_then_count(event, count)));
  asio::co_spawn(world.executor(), close_gate(gate, closed), [](std::exception_ptr) {});
  while (world.step()) {
  }
  CHECK_FALSE(closed);
  CHECK_FALSE(spawn(world.executor(), gate, "late", wait_then_count(event, count)));
  event.set();
  while (world.step()) {
  }
  CHECK(closed);
  CHECK(count == 1);
}

}  // namespace
}  // namespace gabion
