// How much repair takes when clients are there, when they are not, and when they are slow for reasons of their own.
#include "gateway/data/pace.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/support/sim.h"

namespace gabion::test {
namespace {

using gateway::data::Pace;
using namespace std::chrono_literals;

// Lanes that work on blocks of 20 ms each, and clients that read every 5 ms and are slowed down by each block.
class World {
 public:
  explicit World(std::size_t most) : pace(world.clock(), {.most = most}) {}
  ~World() {
    stopping_ = true;
    world.run(gate_.close());
  }
  void move_blocks(unsigned lanes) {
    for (unsigned i = 0; i < lanes; ++i) spawn(world.executor(), gate_, "lane", lane());
  }
  void read(Pace::Where where) { spawn(world.executor(), gate_, "client", client(where)); }

  sim::SimWorld world{1};
  Pace pace;
  Duration alone = 1ms;
  double slowed_by_each_block = 0;
  bool reading = true;
  unsigned working = 0, working_most = 0;
  std::uint64_t blocks = 0;
  Duration last_read{};

 private:
  task<void> lane() {
    while (!stopping_) {
      const auto turn = co_await pace.turn();
      working_most = std::max(working_most, ++working);
      co_await world.clock().sleep(20ms);
      --working;
      ++blocks;
    }
  }
  task<void> client(Pace::Where where) {
    while (!stopping_) {
      co_await world.clock().sleep(5ms);
      const double slowed = static_cast<double>(alone.count()) * (1 + slowed_by_each_block * working);
      last_read = Duration(static_cast<Duration::rep>(slowed));
      if (reading) pace.client_read(where, last_read);
    }
  }

  Gate gate_;
  bool stopping_ = false;
};

TEST_CASE("without clients as many blocks are moved at once as there may be, after a moment") {
  World w(8);
  w.move_blocks(12);
  w.world.run_for(100ms);
  CHECK(w.working_most == 1);
  w.world.run_for(2s);
  CHECK(w.working == 8);
  CHECK(w.working_most == 8);
}

TEST_CASE("clients that are not slowed down do not hold up what is moved") {
  World w(8);
  w.read(Pace::Where::gateway);
  w.world.run_for(2s);
  w.move_blocks(12);
  w.world.run_for(6s);
  CHECK(w.pace.level() == 8);
}

TEST_CASE("what is moved gives way until clients wait little longer than usual, and takes what is left") {
  for (const Pace::Where where : {Pace::Where::gateway, Pace::Where::drive}) {
    World w(16);
    w.slowed_by_each_block = 0.1;  // with 16 blocks at once a read would take 2.6 times as long
    w.alone = 3ms;
    w.read(where);
    w.world.run_for(2s);
    w.move_blocks(16);
    w.world.run_for(20s);
    std::uint64_t slow = 0;
    const std::uint64_t before = w.blocks;
    for (int i = 0; i < 1000; ++i) {
      w.world.run_for(10ms);
      if (w.last_read > w.alone * 3 / 2) ++slow;
    }
    CHECK(slow < 10);
    CHECK(w.blocks - before > 500);  // more than one at a time, of 20 ms each, for 10 s
  }
}

TEST_CASE("when one block at a time is too much there are rests, and never none is moved") {
  World w(16);
  w.slowed_by_each_block = 3;
  w.read(Pace::Where::gateway);
  w.world.run_for(2s);
  w.move_blocks(16);
  w.world.run_for(5s);
  const std::uint64_t before = w.blocks;
  w.world.run_for(20s);
  CHECK(w.pace.level() <= 1);
  CHECK(w.blocks - before > 20);
  CHECK(w.blocks - before < 700);
}

TEST_CASE("clients that are slow for other reasons hold up what is moved for a while alone") {
  World w(8);
  w.read(Pace::Where::gateway);
  w.world.run_for(2s);
  w.move_blocks(8);
  w.world.run_for(6s);
  REQUIRE(w.pace.level() == 8);
  w.alone = 9ms;
  w.world.run_for(2s);
  CHECK(w.pace.level() < 1);
  w.world.run_for(20s);
  CHECK(w.pace.level() == 8);
}

TEST_CASE("when clients go away, what is moved takes all again") {
  World w(8);
  w.slowed_by_each_block = 3;
  w.read(Pace::Where::gateway);
  w.world.run_for(2s);
  w.move_blocks(8);
  w.world.run_for(5s);
  REQUIRE(w.pace.level() <= 1);
  w.reading = false;
  w.world.run_for(6s);
  CHECK(w.pace.level() == 8);
}

}  // namespace
}  // namespace gabion::test
