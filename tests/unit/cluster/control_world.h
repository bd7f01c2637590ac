// The controller at the leader and the agents of the nodes, over channels that break, in simulated time.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include "common/log.h"
#include "metadata/cluster/agent.h"
#include "metadata/cluster/controller.h"
#include "tests/support/loopback_channel.h"
#include "tests/support/sim.h"
#include "tests/unit/cluster/fake_groups.h"
#include "tests/unit/cluster/states.h"

namespace gabion::metadata::cluster::test {

using gabion::test::LoopbackPeers;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class World;

struct Node {
  Node(World& world, NodeId self);
  task<Heartbeat> report();
  task<void> adopt(Metadata::VersionedClusterState current) {
    known = std::move(current);
    co_return;
  }

  World& world;
  NodeId self;
  LoopbackPeers peers;
  std::unique_ptr<Controller> controller;
  std::unique_ptr<Agent> agent;
  bool running = false;
  // What it tells.
  std::set<DriveId> failed;
  std::vector<JobReport> jobs;
  std::vector<std::uint64_t> pinned;
  std::uint64_t write_ring = 0, move_ring = 0;
  // What it was told.
  Metadata::VersionedClusterState known;
  Orders orders;
};

class World {
 public:
  explicit World(unsigned count, unsigned drives_each = 3, std::optional<erasure::Profile> configured = {},
                 Duration every = Duration(0))
      : metadata(sim.clock()), orphans_every(every) {
    log::set_level(log::Level::error);
    set_state(cluster_of(count, drives_each, configured));
    ClusterState now = state();
    finish_jobs(now);
    set_state(std::move(now));
    for (std::uint32_t n = 1; n <= count; ++n) nodes.push_back(std::make_unique<Node>(*this, NodeId{n}));
    for (auto& node : nodes) {
      for (auto& other : nodes) {
        if (node != other) node->peers.add(other->self, *other->controller);
      }
    }
    for (auto& node : nodes) start(*node);
    pass(seconds(2));
  }
  ~World() {
    for (auto& node : nodes) stop(*node);
  }
  void start(Node& node) {
    node.controller->start(sim.executor());
    node.agent->start(sim.executor());
    node.running = true;
  }
  void stop(Node& node) {
    if (!std::exchange(node.running, false)) return;
    sim.run(node.agent->stop());
    sim.run(node.controller->stop());
  }
  void lead(NodeId node) {
    leader = node;
    ++term;
  }
  // Keys from here on are another group's.
  void split(std::string_view key) {
    ClusterState next = state();
    const auto begun = begin_split(next, boundary_at(7, key));
    REQUIRE(begun.has_value());
    finish_split(next, begun->child());
    metadata.others[begun->child()] = metadata.others[begun->parent()];
    set_state(std::move(next));
  }
  void pass(Duration duration) { sim.run_for(duration); }
  ClusterState state() { return sim.run(metadata.cluster_state({}))->state; }
  void set_state(ClusterState next) {
    const auto current = sim.run(metadata.cluster_state({}));
    Command command;
    command.mutable_set_cluster_state()->set_expected_version(current ? current->version : 0);
    *command.mutable_set_cluster_state()->mutable_state() = std::move(next);
    REQUIRE(metadata.apply(std::move(command)).outcome() == APPLIED);
  }
  Node& node(std::uint32_t n) { return *nodes[n - 1]; }
  Controller& controller() { return *node(static_cast<std::uint32_t>(leader)).controller; }
  bool up(std::uint32_t n) {
    for (const NodeStatus& status : controller().nodes()) {
      if (status.node == NodeId{n}) return status.up;
    }
    return false;
  }
  // The node reports that it did its share.
  void finish(std::uint32_t n) {
    const auto& work = node(n).orders.rebalance;
    REQUIRE(work.has_value());
    JobReport report;
    report.set_job(work->job);
    report.set_share_index(work->index);
    report.set_share_count(work->count);
    report.set_finished(true);
    node(n).jobs = {report};
  }

  sim::SimWorld sim{1};
  FakeGroups metadata;
  const Duration orphans_every;
  NodeId leader{1};
  std::uint64_t term = 1;
  std::vector<std::unique_ptr<Node>> nodes;
};

inline Node::Node(World& w, NodeId id) : world(w), self(id), peers(id) {
  ControllerOptions control;
  control.self = self;
  control.metadata = &world.metadata;
  control.leader = [this] { return world.leader; };
  control.term = [this] { return world.term; };
  control.clock = &world.sim.clock();
  control.rng = &world.sim.rng();
  control.orphans_every = world.orphans_every;
  controller = std::make_unique<Controller>(std::move(control));
  AgentOptions options;
  options.self = self;
  options.metadata = &world.metadata;
  options.leader = [this] { return world.leader; };
  options.peers = &peers;
  options.controller = controller.get();
  options.clock = &world.sim.clock();
  options.report = [this] { return report(); };
  options.state_changed = [this](Metadata::VersionedClusterState current) { return adopt(std::move(current)); };
  options.orders = [this](const Orders& given) { orders = given; };
  agent = std::make_unique<Agent>(std::move(options));
}

inline task<Heartbeat> Node::report() {
  Heartbeat heartbeat;
  for (const DriveInfo& info : known.state.drives()) {
    if (NodeId{info.node()} != self) continue;
    DriveReport& drive = *heartbeat.add_drives();
    drive.set_id(info.id());
    drive.set_shard_bytes(1000);
    drive.set_failed(failed.contains(*DriveId::from_raw(info.id())));
  }
  for (const JobReport& job : jobs) *heartbeat.add_jobs() = job;
  for (const std::uint64_t id : pinned) heartbeat.add_pinned(id);
  heartbeat.set_ring_epoch(known.state.ring_epoch());
  heartbeat.set_oldest_write_ring(write_ring);
  heartbeat.set_oldest_move_ring(move_ring);
  co_return heartbeat;
}

}  // namespace gabion::metadata::cluster::test
