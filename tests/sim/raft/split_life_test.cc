// Lives of a cluster whose groups are divided while it is used: whatever machines, drives and the network do meanwhile, no
// command is lost or done twice. GABION_SIM_SEED repeats one, GABION_SIM_SEEDS sets how many are lived.
#include <catch2/catch_test_macros.hpp>

#include "tests/sim/metadata/quiet.h"
#include "tests/sim/raft/lives.h"
#include "tests/sim/raft/split_cluster.h"
#include "tests/unit/metadata/commands.h"

namespace gabion::metadata::test {
namespace {

using namespace std::chrono_literals;

struct Total {
  std::size_t acknowledged = 0, reads = 0, splits = 0, crashes = 0, lives = 0;
};

Total live_all(std::uint64_t usual, const std::function<SplitTroubles(Rng&)>& troubles) {
  be_quiet();
  Total total;
  for (const std::uint64_t seed : raft::test::seeds(usual)) {
    SeededRng choices(seed * 31 + 7);
    auto cluster = std::make_unique<SplitCluster>(seed, troubles(choices));
    const bool closed = cluster->live({"m", "t", "f"}, 8s);
    const std::string failure = !cluster->failure().empty() ? cluster->failure() : closed ? "" : "it does not stop";
    total.acknowledged += cluster->acknowledged();
    total.reads += cluster->reads();
    total.splits += cluster->splits();
    total.crashes += cluster->crashes();
    ++total.lives;
    if (!failure.empty()) static_cast<void>(cluster.release());  // something in it may still wait, so it must stay
    INFO("GABION_SIM_SEED=" << seed << ": " << failure);
    REQUIRE(failure.empty());
  }
  WARN(fmt::format("{} lives: {} commands acknowledged, {} reads, {} splits, {} crashes", total.lives, total.acknowledged,
                   total.reads, total.splits, total.crashes));
  return total;
}

SplitTroubles none(Rng&) { return {false, false, false, false, false}; }
SplitTroubles all(Rng&) { return {}; }
SplitTroubles some(Rng& choices) {
  const auto armed = [&choices] { return choices.below(2) == 0; };
  SplitTroubles troubles;
  troubles.messages = armed();
  troubles.partitions = armed();
  troubles.crashes = armed();
  troubles.restarts = armed();
  troubles.pauses = armed();
  return troubles;
}

// A single machine, which is to divide its group at "m".
struct Alone {
  explicit Alone(std::uint64_t seed) : world(seed), network(world), choices(seed) {
    SplitMachine::Options options;
    options.founders.push_back({NodeId{1}, raft::MemberRole::voter});
    options.exists = [](GroupId) { return true; };
    machine = std::make_unique<SplitMachine>(NodeId{1}, world, network, choices, options);
  }
  void start() { REQUIRE(world.run(run_on(machine->processor().executor(), machine->start())).has_value()); }
  void begin() {
    start();
    bucket = world.run(metadata().root().commit(soon(), create_bucket("b"))).value().bucket().id();
    for (const std::string key : {"a", "b", "n", "z"}) {
      REQUIRE(world.run(metadata().root().commit(soon(), put(bucket, key, key))).has_value());
    }
  }
  LocalMetadata& metadata() { return *machine->life()->metadata; }
  Context soon() {
    Context ctx;
    ctx.deadline = world.clock().now() + 2s;
    return ctx;
  }
  Command split_range() {
    Command command;
    std::string at;
    append_be64(at, bucket);
    command.mutable_split_range()->set_at(at + "m");
    command.mutable_split_range()->set_child(1);
    return command;
  }
  static task<void> divide(Alone& alone, std::shared_ptr<SplitMachine::Life> life, bool& done) {
    if (!life->work.enter()) co_return;
    done = (co_await life->metadata->root().commit(alone.soon(), alone.split_range())).has_value();
    life->work.leave();
  }
  std::string read(LocalGroup& from, const std::string& key) {
    const auto object = world.run(from.object(soon(), bucket, key, Metadata::With::manifest));
    return object ? object->manifest.inline_data() : std::string(to_string(object.error().code));
  }

  sim::SimWorld world;
  sim::SimNetwork network;
  SeededRng choices;
  std::unique_ptr<SplitMachine> machine;
  BucketId bucket = 0;
  Gate gate;
};

// Copies the states so many events after the split was proposed, and then loses their drive. The other one takes no copy of the
// child, which so is made again from what the parent has there. `late`: after the split was applied, the copies are taken that
// were begun before. True when the split was over before.
bool divide_and_copy(std::size_t events, bool late) {
  Alone alone(5);
  alone.machine->image(1, 1).refuses_copies = true;
  alone.begin();
  bool done = false;
  spawn(alone.world.executor(), alone.gate, "a split", Alone::divide(alone, alone.machine->life(), done));
  for (std::size_t i = 0; i < events && !done; ++i) alone.world.step();
  const bool over = done;
  if (late) alone.machine->background().pause_for(20ms);
  alone.world.run(alone.metadata().checkpoint());
  alone.world.run(alone.gate.close());
  CHECK(done);
  const auto lost = alone.world.run(alone.metadata().fail_drive(alone.machine->drive_id(0), "it was pulled out"));
  INFO((lost ? std::string() : lost.error().message));
  REQUIRE(lost.has_value());
  alone.world.run_for(1s);
  REQUIRE(alone.metadata().find(1) != nullptr);
  CHECK(alone.read(alone.metadata().root(), "b") == "b");
  CHECK(alone.read(*alone.metadata().find(1), "n") == "n");
  alone.world.run(run_on(alone.machine->processor().executor(), alone.machine->stop()));
  return over;
}

// Cuts the power so many events after the split was proposed. True when the split was over by then.
bool divide_and_cut(std::size_t events) {
  Alone alone(5);
  alone.begin();
  bool done = false;
  spawn(alone.world.executor(), alone.gate, "a split", Alone::divide(alone, alone.machine->life(), done));
  for (std::size_t i = 0; i < events && !done; ++i) alone.world.step();
  const bool over = done;
  alone.machine->cut();
  alone.world.run(run_on(alone.machine->processor().executor(),
                         alone.machine->bury(sim::kCrashes[events % std::size(sim::kCrashes)])));
  alone.world.run(alone.gate.close());

  alone.start();
  const auto again = alone.world.run(alone.metadata().root().commit(alone.soon(), alone.split_range()));
  REQUIRE(again.has_value());
  CHECK(again->outcome() == APPLIED);
  LocalGroup* child = nullptr;
  for (int i = 0; i < 200 && (child == nullptr || !child->raft().status().leads); ++i) {
    alone.world.run_for(10ms);
    child = alone.metadata().find(1);
  }
  REQUIRE(child != nullptr);
  for (const std::string key : {"a", "b"}) CHECK(alone.read(alone.metadata().root(), key) == key);
  for (const std::string key : {"n", "z"}) CHECK(alone.read(*child, key) == key);
  CHECK(alone.read(alone.metadata().root(), "n") == to_string(Errc::moved));
  CHECK(alone.read(*child, "a") == to_string(Errc::moved));
  alone.world.run(run_on(alone.machine->processor().executor(), alone.machine->stop()));
  return over;
}

}  // namespace

TEST_CASE("whenever the states are copied during a split, no half is lost with the drive that both are on") {
  be_quiet();
  for (const bool late : {false, true}) {
    std::size_t events = 0;
    while (!divide_and_copy(events, late)) {
      INFO("after " << events << " events");
      REQUIRE(++events < 5000);
    }
    CHECK(events > 20);
  }
}

TEST_CASE("at whichever moment of a split the power fails, both halves are there afterwards") {
  be_quiet();
  std::size_t events = 0;
  while (!divide_and_cut(events)) {
    INFO("after " << events << " events");
    REQUIRE(++events < 5000);
  }
  CHECK(events > 20);
}

TEST_CASE("groups are divided while clients write, and nothing is lost or done twice") {
  const Total total = live_all(3, none);
  CHECK(total.splits == 3 * total.lives);
  CHECK(total.acknowledged > 200 * total.lives);
}

TEST_CASE("groups are divided in some troubles, and nothing is lost or done twice") {
  const Total total = live_all(120, some);
  CHECK(total.splits == 3 * total.lives);
  if (total.lives < 20) return;
  CHECK(total.crashes > total.lives / 2);
}

TEST_CASE("groups are divided in all troubles at once, and nothing is lost or done twice") { live_all(60, all); }

}  // namespace gabion::metadata::test
