// What went wrong in other systems, and what the study of the library found, arranged on purpose. The oracle watches each
// scenario as it watches the lives, and each ends with a group that serves and members that are equal.
#include <catch2/catch_test_macros.hpp>

#include "tests/sim/metadata/quiet.h"
#include "tests/sim/raft/lives.h"

namespace gabion::metadata::raft::test {
namespace {

using namespace std::chrono_literals;
using metadata::test::be_quiet;

enum class Change { add, promote, remove, transfer };

// A cluster that a scenario does things to.
class Stage {
 public:
  Stage(std::uint64_t seed, std::size_t founders, std::size_t spares = 0, std::optional<MachineOptions> machine = std::nullopt) {
    be_quiet();
    ClusterOptions options;
    options.seed = seed;
    options.founders = founders;
    options.spares = spares;
    if (machine) options.machine = *machine;
    options.machine.timing.tick = 20ms;
    options.machine.timing.heartbeat = 60ms;
    options.machine.timing.election = 300ms;
    cluster_ = std::make_unique<Cluster>(options);
  }
  Cluster& operator*() { return *cluster_; }
  Cluster* operator->() { return cluster_.get(); }

  NodeId leader(Duration limit = 20s) {
    cluster_->run_until([this] { return cluster_->leader().has_value(); }, limit);
    const auto leads = cluster_->leader();
    if (!leads) cluster_->oracle().broken("nobody leads");
    return leads.value_or(NodeId{1});
  }
  // A leader among these that is in a newer term than anybody else.
  std::optional<NodeId> leader_other_than(NodeId old, Duration limit = 20s) {
    cluster_->run_until([&] { return cluster_->leader() && *cluster_->leader() != old; }, limit);
    const auto leads = cluster_->leader();
    return leads && *leads != old ? leads : std::nullopt;
  }
  // Proposed, and not waited for.
  void propose(NodeId node, int n, Duration allowed = 2s) {
    const auto one = [](Cluster& cluster, NodeId at, KvCommand command, Duration limit) -> task<void> {
      static_cast<void>(co_await cluster.propose(at, std::move(command), limit));
    };
    for (int i = 0; i < n; ++i) cluster_->spawn_task(one(*cluster_, node, cluster_->put("stage"), allowed));
  }
  // Commands through whoever leads, until this many are acknowledged.
  bool commit(std::size_t n, Duration limit = 60s) {
    const std::size_t goal = cluster_->oracle().acknowledgements() + n;
    const auto keep_on = [](Cluster& cluster, std::size_t until) -> task<void> {
      while (cluster.oracle().acknowledgements() < until) {
        const auto leads = cluster.leader();
        Result<std::string> done = Error(Errc::not_leader, "nobody");
        if (leads) done = co_await cluster.propose(*leads, cluster.put("stage"), 500ms);
        if (!done) co_await cluster.world().clock().sleep(20ms);
      }
    };
    return cluster_->run(keep_on(*cluster_, goal), limit);
  }
  // A change of the members, asked for again until the leader of the moment has made it.
  bool change(Change what, NodeId node, Duration limit = 60s) {
    return cluster_->run(change_until_done(*cluster_, what, node), limit);
  }
  std::vector<Member> members() {
    const auto life = cluster_->machine(leader()).life();
    return life ? life->group->status().members : std::vector<Member>();
  }
  bool cut_and_wait(NodeId node, sim::Crash how) {
    cluster_->cut(node, how);
    return cluster_->run_until([&] { return cluster_->off(node); }, 60s);
  }
  bool stop_and_wait(NodeId node) {
    cluster_->stop(node);
    return cluster_->run_until([&] { return cluster_->off(node); }, 60s);
  }
  void start_and_wait(NodeId node) {
    cluster_->start(node);
    cluster_->run_until([&] { return cluster_->machine(node).life() != nullptr; }, 20s);
  }

  void finish() {
    if (!cluster_->oracle().failure()) cluster_->converge();
    const bool closed = cluster_->close();
    const std::string failure = cluster_->oracle().failure().value_or(closed ? "" : "it does not stop");
    if (!closed) static_cast<void>(cluster_.release());
    INFO(failure);
    REQUIRE(failure.empty());
  }

 private:
  static task<void> change_until_done(Cluster& cluster, Change what, NodeId node) {
    for (;;) {
      const auto leads = cluster.leader();
      const auto life = leads ? cluster.machine(*leads).life() : nullptr;
      if (life && done(*life, what, node)) co_return;
      if (life) {
        Context ctx;
        ctx.deadline = cluster.world().clock().now() + 5s;
        Result<void> ignored;
        if (what == Change::add) ignored = co_await life->group->add(ctx, node);
        if (what == Change::promote) ignored = co_await life->group->promote(ctx, node);
        if (what == Change::remove) ignored = co_await life->group->remove(ctx, node);
        if (what == Change::transfer) ignored = co_await life->group->transfer(ctx, node);
      }
      co_await cluster.world().clock().sleep(50ms);
    }
  }
  static bool done(const Life& life, Change what, NodeId node) {
    const GroupStatus status = life.group->status();
    if (what == Change::transfer) return status.leader == node;
    const auto at = std::find_if(status.members.begin(), status.members.end(), [&](const Member& m) { return m.node == node; });
    if (what == Change::remove) return at == status.members.end();
    return at != status.members.end() && (what == Change::add || at->role == MemberRole::voter);
  }

  std::unique_ptr<Cluster> cluster_;
};

MachineOptions small_logs() {
  MachineOptions options;
  options.log_segment_bytes = 4 * KiB;
  options.checkpoint_log_bytes = 6 * KiB;
  options.entry_memory_bytes = 2 * KiB;
  return options;
}

}  // namespace

TEST_CASE("a group of one grows to three, whose new members get its state") {
  Stage stage(1, 1, 2, small_logs());
  stage->start_all();
  stage.leader();
  REQUIRE(stage.commit(400));
  stage->start_clients(3);
  for (const NodeId node : {NodeId{2}, NodeId{3}}) {
    REQUIRE(stage.change(Change::add, node));
    REQUIRE(stage.change(Change::promote, node));
  }
  CHECK(stage.members().size() == 3);
  CHECK(stage->oracle().installs() >= 1);
  stage->run_for(2s);
  // Each of the three can go, and the others hold everything.
  REQUIRE(stage.cut_and_wait(NodeId{1}, sim::Crash::drop_all));
  REQUIRE(stage.commit(20));
  stage.finish();
}

TEST_CASE("a power cut at any operation of a drive loses nothing acknowledged by a group of one") {
  for (std::uint64_t operation = 0; operation < 120; ++operation) {
    Stage stage(operation + 1, 1, 0, small_logs());
    stage->start_all();
    stage.leader();
    stage->start_clients(2);
    stage->run_for(150ms);
    stage->machine(NodeId{1}).disk(operation % 2).cut_power_after(operation);
    stage->run_for(1500ms);
    INFO("operation " << operation);
    stage.finish();
  }
}

TEST_CASE("a power cut at any operation of a drive loses nothing acknowledged by a group of three") {
  for (std::uint64_t operation = 0; operation < 40; ++operation) {
    Stage stage(operation + 1, 3, 0, small_logs());
    stage->start_all();
    stage.leader();
    stage->start_clients(3);
    stage->run_for(150ms);
    // Of all at once, each at its own moment.
    for (std::uint32_t i = 1; i <= 3; ++i) stage->machine(NodeId{i}).disk(operation % 2).cut_power_after(operation + i * 3);
    stage->run_for(1500ms);
    INFO("operation " << operation);
    stage.finish();
  }
}

TEST_CASE("a damaged log on all drives of a member keeps it from starting, and it is replaced") {
  Stage stage(5, 3);
  stage->start_all();
  stage.leader();
  REQUIRE(stage.commit(50));
  const NodeId victim{2};
  REQUIRE(stage.stop_and_wait(victim));
  for (std::size_t drive = 0; drive < 2; ++drive) {
    sim::SimDisk& disk = stage->machine(victim).disk(drive);
    for (const std::string& path : disk.files()) {
      // The third record of each segment, well before its end.
      if (path.ends_with(".log") && disk.file_size(path) > 600) REQUIRE(disk.flip_bit(path, 500, 3));
    }
  }
  Result<void> started;
  const auto start = [](Machine& machine, Result<void>& result) -> task<void> { result = co_await machine.start({}); };
  REQUIRE(stage->run(start(stage->machine(victim), started)));
  REQUIRE(!started.has_value());
  CHECK(started.error().code == Errc::corrupt);
  REQUIRE(stage.commit(20));
  REQUIRE(stage.change(Change::remove, victim));
  stage->wipe(victim);
  stage.start_and_wait(victim);
  REQUIRE(stage.change(Change::add, victim));
  REQUIRE(stage.change(Change::promote, victim));
  // Now one of the others may go.
  REQUIRE(stage.cut_and_wait(NodeId{1}, sim::Crash::drop_all));
  REQUIRE(stage.commit(20));
  stage.finish();
}

TEST_CASE("entries of old terms are not committed by counting members") {
  // Figure 8 of the Raft paper, again and again: leaders that got their entries to some, none or all before they are cut off.
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Stage stage(seed, seed % 2 == 0 ? 3 : 5);
    stage->start_all();
    NodeId leads = stage.leader();
    for (int round = 0; round < 8 && !stage->oracle().failure(); ++round) {
      stage.propose(leads, 3);
      stage->run_for(std::chrono::microseconds(stage->choices().below(6000)));
      stage->network().isolate(leads);
      stage.propose(leads, 2);
      if (stage->choices().below(3) == 0) stage.cut_and_wait(leads, sim::Crash::drop_all);
      const auto next = stage.leader_other_than(leads, 5s);
      stage->network().heal();
      if (stage->off(leads)) stage->start(leads);
      if (stage->choices().below(2) == 0) stage->run_for(std::chrono::milliseconds(stage->choices().below(400)));
      leads = next.value_or(stage.leader());
    }
    INFO("seed " << seed);
    stage.finish();
  }
}

TEST_CASE("a member's own tail is not counted as the leader's") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Stage stage(seed, 3);
    stage->start_all();
    const NodeId first = stage.leader();
    stage->network().isolate(first);
    stage.propose(first, 4);  // nobody else will ever see these
    const auto second = stage.leader_other_than(first);
    REQUIRE(second.has_value());
    const NodeId third{6 - static_cast<std::uint32_t>(first) - static_cast<std::uint32_t>(*second)};
    // The first is back with its tail, and the third does not hear the new leader.
    stage->network().heal();
    stage->network().cut(*second, third);
    stage->run_for(std::chrono::microseconds(stage->choices().below(120'000)));
    stage.propose(*second, 3);
    stage->run_for(std::chrono::microseconds(stage->choices().below(20'000)));
    stage.cut_and_wait(*second, sim::Crash::drop_all);
    stage->network().heal();
    REQUIRE(stage.commit(3));
    INFO("seed " << seed);
    stage.finish();
  }
}

TEST_CASE("states that are installed meet checkpoints of the member's own") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    Stage stage(seed, 3, 0, small_logs());
    stage->start_all();
    stage.leader();
    stage->start_clients(5);
    for (int round = 0; round < 6 && !stage->oracle().failure(); ++round) {
      const NodeId behind{static_cast<std::uint32_t>(1 + stage->choices().below(3))};
      stage->network().isolate(behind);
      stage->run_for(2500ms);
      stage->network().heal();
      stage->run_for(std::chrono::milliseconds(stage->choices().below(800)));
      if (stage->choices().below(3) == 0) stage.cut_and_wait(behind, sim::Crash::random);
      stage->start_all();
    }
    INFO("seed " << seed);
    CHECK(stage->oracle().installs() > 0);
    stage.finish();
  }
}

TEST_CASE("who proposed what a state that is installed has already is told so") {
  Stage stage(3, 3, 0, small_logs());
  stage->start_all();
  const NodeId first = stage.leader();
  REQUIRE(stage.commit(5));
  const auto life = stage->machine(first).life();
  life->state->hold(true);
  std::size_t told = 0;
  const auto propose = [](Cluster& cluster, NodeId node, std::size_t& count) -> task<void> {
    static_cast<void>(co_await cluster.propose(node, cluster.put("stage"), std::chrono::hours(24)));
    ++count;
  };
  constexpr std::size_t kProposed = 4;
  for (std::size_t i = 0; i < kProposed; ++i) {  // an entry each
    stage->spawn_task(propose(*stage, first, told));
    stage->run_for(30ms);
  }
  CHECK(life->group->status().committed >= life->group->status().applied + kProposed);
  stage->network().isolate(first);
  REQUIRE(stage.leader_other_than(first).has_value());
  REQUIRE(stage.commit(400));
  const std::size_t installs = stage->oracle().installs();
  stage->network().heal();
  stage->run_for(3s);
  life->state->hold(false);
  stage->run_for(5s);
  CHECK(stage->oracle().installs() > installs);
  CHECK(told == kProposed);
  stage.finish();
}

TEST_CASE("members that crash in the middle of elections vote once in a term") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Stage stage(seed, 5);
    stage->start_all();
    stage.leader();
    for (int round = 0; round < 10 && !stage->oracle().failure(); ++round) {
      if (const auto leads = stage->leader()) stage->network().isolate(*leads);
      stage->run_for(std::chrono::milliseconds(200 + stage->choices().below(500)));
      // Whoever has voted by now forgets what it did not write down.
      for (std::uint32_t i = 1; i <= 5; ++i) {
        if (stage->choices().below(2) == 0) stage->cut(NodeId{i}, sim::Crash::drop_all);
      }
      stage->network().heal();
      stage->run_for(std::chrono::milliseconds(stage->choices().below(50)));
      stage->start_all();
      stage->run_for(std::chrono::milliseconds(stage->choices().below(600)));
      stage->start_all();
    }
    INFO("seed " << seed);
    stage.finish();
  }
}

TEST_CASE("an election is not locked by terms that have drifted apart") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Stage stage(seed, 3);
    stage->start_all();
    stage.leader();
    // Pairs that elect without the third, in turns, and one-way links that make candidates nobody answers.
    for (int round = 0; round < 8; ++round) {
      const NodeId out{static_cast<std::uint32_t>(1 + stage->choices().below(3))};
      stage->network().heal();
      if (stage->choices().below(2) == 0) stage->network().isolate(out);
      else stage->network().cut(NodeId{static_cast<std::uint32_t>(1 + stage->choices().below(3))}, out);
      stage->run_for(std::chrono::milliseconds(500 + stage->choices().below(1500)));
    }
    INFO("seed " << seed);
    stage.finish();
  }
}

TEST_CASE("the leadership goes where it is sent, and the leader can be removed") {
  Stage stage(9, 3, 1);
  stage->start_all();
  stage.leader();
  stage->start_clients(3);
  for (const NodeId to : {NodeId{1}, NodeId{3}, NodeId{2}}) {
    REQUIRE(stage.change(Change::transfer, to));
    CHECK(stage.leader() == to);
    stage->run_for(300ms);
  }
  REQUIRE(stage.change(Change::add, NodeId{4}));
  REQUIRE(stage.change(Change::promote, NodeId{4}));
  const NodeId old = stage.leader();
  REQUIRE(stage.change(Change::remove, old));
  REQUIRE(stage.commit(20));
  CHECK(stage.leader() != old);
  CHECK(stage.members().size() == 3);
  stage.finish();
}

TEST_CASE("without a majority nothing is acknowledged or read, and nothing is lost") {
  Stage stage(10, 3);
  stage->start_all();
  const NodeId leads = stage.leader();
  REQUIRE(stage.commit(10));
  stage->network().isolate(leads);
  const std::size_t before = stage->oracle().acknowledgements();
  stage.propose(leads, 5, 1s);
  Result<std::uint64_t> seen;
  const auto look = [](Cluster& cluster, NodeId node, Result<std::uint64_t>& result) -> task<void> {
    result = co_await cluster.read(node, "stage", 1s);
  };
  REQUIRE(stage->run(look(*stage, leads, seen)));
  CHECK(!seen.has_value());
  CHECK(stage->oracle().acknowledgements() == before);
  stage.finish();
}

}  // namespace gabion::metadata::raft::test
