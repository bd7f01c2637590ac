#include <catch2/catch_test_macros.hpp>

#include "tests/support/data_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here

struct Slot {
  std::optional<Result<MemoryBudget::Lease>> result;
};

task<void> acquire_into(MemoryBudget& memory, std::size_t bytes, Slot& slot, Context ctx = {}) {
  slot.result = co_await memory.acquire(ctx, bytes);
}

struct BudgetWorld {
  explicit BudgetWorld(std::size_t capacity) : memory(world.clock(), capacity) {}
  ~BudgetWorld() {
    world.run(gate.close());
    world.run(memory.close());
  }
  void start(std::size_t bytes, Slot& slot, Context ctx = {}) {
    spawn(world.executor(), gate, "acquire", acquire_into(memory, bytes, slot, ctx));
    world.run_for(Duration(1));
  }
  sim::SimWorld world{1};
  MemoryBudget memory;
  Gate gate;
};

TEST_CASE("memory is granted in the order of arrival, and small requests do not overtake") {
  BudgetWorld w(100);
  Slot a, b, c, d;
  w.start(60, a);
  w.start(50, b);
  w.start(10, c);
  w.start(40, d);
  REQUIRE(a.result);
  CHECK(!b.result);
  CHECK(!c.result);  // would fit, but b was first
  CHECK(!w.memory.try_acquire(1));
  a.result.reset();
  w.world.run_for(Duration(1));
  CHECK((b.result && c.result && d.result));
  CHECK(w.memory.used() == 100);
  CHECK(w.memory.used_max() == 100);
}

TEST_CASE("who waits too long for memory is refused, and those behind are served") {
  BudgetWorld w(100);
  Slot a, b, c;
  w.start(60, a);
  w.start(50, b);
  w.start(40, c);
  w.world.run_for(MemoryBudget::kPatience - std::chrono::seconds(1));
  CHECK(!b.result);
  CHECK(!c.result);
  w.world.run_for(std::chrono::seconds(2));
  REQUIRE(b.result);
  CHECK(b.result->error().code == Errc::exhausted);
  REQUIRE(c.result);
  CHECK(c.result->has_value());
  CHECK(w.memory.refused() == 1);
}

TEST_CASE("a deadline before the patience ends the wait for memory") {
  BudgetWorld w(100);
  Slot a, b;
  w.start(100, a);
  Context ctx;
  ctx.deadline = w.world.clock().now() + std::chrono::seconds(1);
  w.start(1, b, ctx);
  w.world.run_for(std::chrono::seconds(2));
  REQUIRE(b.result);
  CHECK(b.result->error().code == Errc::exhausted);
}

TEST_CASE("more than the whole budget is refused at once") {
  BudgetWorld w(100);
  Slot a;
  w.start(101, a);
  REQUIRE(a.result);
  CHECK(a.result->error().code == Errc::exhausted);
}

TEST_CASE("a buffer gives its memory back with its last reference, even after the budget is gone") {
  sim::SimWorld world(1);
  Bytes kept;
  {
    MemoryBudget memory(world.clock(), 10 * MiB);
    {
      auto lease = world.run(memory.acquire(Context(), MemoryBudget::footprint(3 * MiB)));
      REQUIRE(lease.has_value());
      const Buffer buffer = memory.allocate(std::move(*lease), 3 * MiB);
      kept = Bytes(buffer).slice(5, 10);
    }
    CHECK(memory.used() == 3 * MiB);
    world.run(memory.close());
  }
  std::memset(const_cast<std::byte*>(kept.data()), 7, kept.size());
  kept = {};
}

TEST_CASE("leases split and join without losing a byte") {
  sim::SimWorld world(1);
  MemoryBudget memory(world.clock(), 1000);
  auto lease = world.run(memory.acquire(Context(), 1000));
  REQUIRE(lease.has_value());
  {
    MemoryBudget::Lease part = lease->split(300);
    CHECK(lease->bytes() == 700);
    CHECK(memory.used() == 1000);
    lease->absorb(part.split(100));
  }
  CHECK(memory.used() == 800);
  lease->reset();
  CHECK(memory.used() == 0);
  world.run(memory.close());
}

task<void> upload_slowly(DataWorld& w, std::size_t bytes, int& refused, int& done) {
  auto writer = co_await w.store.write(Context(), std::nullopt);
  if (!writer) co_return;
  const std::string piece(bytes, 'x');
  for (int i = 0; i < 20; ++i) {
    const auto result = co_await (*writer)->append(as_bytes(piece));
    if (!result) {
      ++refused;
      co_return;
    }
    co_await w.world.clock().sleep(std::chrono::seconds(1));
  }
  if (co_await (*writer)->finish()) ++done;
}

TEST_CASE("2,000 slow uploads stay within the budget: some wait, the rest are refused, and idle ones cost nothing") {
  DataWorldOptions options;
  options.memory = 64 * MiB;
  DataWorld w(options);
  std::vector<std::unique_ptr<Writer>> idle;
  for (int i = 0; i < 2000; ++i) {
    auto writer = w.world.run(w.store.write(Context(), std::nullopt));
    REQUIRE(writer.has_value());
    idle.push_back(std::move(*writer));
  }
  CHECK(w.memory.used() == 0);
  Gate gate;
  int refused = 0, done = 0;
  for (int i = 0; i < 2000; ++i) spawn(w.world.executor(), gate, "upload", upload_slowly(w, 20'000, refused, done));
  w.world.run(gate.close());
  CHECK(w.memory.used_max() <= 64 * MiB);
  CHECK(refused > 0);
  CHECK(done > 0);
  CHECK(refused + done == 2000);
  w.settle();
  CHECK(w.memory.used() == 0);
}

TEST_CASE("readers stay within the budget, and all of them end") {
  DataWorldOptions options;
  options.memory = 32 * MiB;
  DataWorld w(options);
  const std::string content = random_text(w.world.rng(), 2 * kBlockBytes);
  const auto id = w.put("key", content);
  w.settle();
  for (auto& drive : w.drives) drive->faults.delay_max = std::chrono::milliseconds(5);
  std::vector<task<Result<std::string>>> reads;
  for (int i = 0; i < 50; ++i) reads.push_back(read_all(w.store, id, w.metadata.at(id), 0, content.size()));
  const auto results = w.world.run(gather(std::move(reads)));
  for (const auto& result : results) {
    REQUIRE(result.has_value());
    CHECK((*result == content));
  }
  CHECK(w.memory.used_max() <= 32 * MiB);
  w.settle();
  CHECK(w.memory.used() == 0);
}

}  // namespace
}  // namespace gabion::test
