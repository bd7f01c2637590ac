// A simulated cluster of machines with one Raft group, clients that write and read through whichever member they find, and the
// oracle that watches. The nemesis and the scenarios do things to it. The same seed gives the same run.
#pragma once

#include "tests/sim/raft/machine.h"

namespace gabion::metadata::raft::test {

struct ClusterOptions {
  std::uint64_t seed = 1;
  std::size_t founders = 3;
  std::size_t spares = 0;  // machines that run and wait to be added
  MachineOptions machine;
  Duration think = std::chrono::milliseconds(20);  // of a client between operations, at most
};

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options);
  ~Cluster();

  sim::SimWorld& world() { return world_; }
  sim::SimNetwork& network() { return network_; }
  Rng& choices() { return choices_; }
  Oracle& oracle() { return oracle_; }
  Duration election() const { return options_.machine.timing.election; }
  std::size_t size() const { return machines_.size(); }
  Machine& machine(std::size_t i) { return *machines_[i]; }
  Machine& machine(NodeId node) { return *machines_[static_cast<std::size_t>(node) - 1]; }

  // --- Machines ---
  // Starting and stopping take their time; neither does anything to a machine where the other is under way.
  void start(NodeId node);
  void start_all();
  void stop(NodeId node);
  // The power fails at once; what was not synced meets its fate, and the machine is off soon after.
  void cut(NodeId node, sim::Crash how);
  void wipe(NodeId node);
  bool off(NodeId node) { return machine(node).off(); }
  // The member that leads in the highest term, as members themselves see it.
  std::optional<NodeId> leader();

  // --- Clients ---
  void start_clients(std::size_t n);
  void stop_clients();
  // One command through one member.
  task<Result<std::string>> propose(NodeId node, KvCommand command, Duration allowed);
  task<Result<std::uint64_t>> read(NodeId node, std::string key, Duration allowed);
  KvCommand put(const std::string& key);  // a new value

  // --- Time ---
  // One event, and what follows from it. False: nothing is left to happen, or the oracle has seen enough.
  bool step();
  void run_for(Duration duration);
  template <class Condition>
  bool run_until(Condition condition, Duration limit) {
    const std::uint64_t end = world_.now_ns() + static_cast<std::uint64_t>(limit.count());
    while (!condition()) {
      if (world_.now_ns() > end || !step()) return condition();
    }
    return true;
  }
  void spawn_task(task<void> work) { spawn(world_.executor(), gate_, "simulated task", std::move(work)); }
  // Runs the task to its end. False when that takes longer, and then the world must not go on.
  bool run(task<void> work, Duration limit = std::chrono::seconds(120));

  // --- The end ---
  // No faults any more: all machines run, and all links work. The group must come to serve, and all members to be equal.
  // What is not so is a broken promise.
  void converge();
  // Everything stops. False when something hangs, and then the cluster must not be destroyed.
  bool close();

 private:
  task<void> client(std::size_t number);
  task<void> client_put(NodeId node, std::string key);
  task<void> client_swap(NodeId node, std::string key);
  task<void> client_get(NodeId node, std::string key);
  task<void> bury(NodeId node, sim::Crash how);
  task<void> do_start(NodeId node);
  task<void> do_stop(NodeId node);
  task<void> do_close();
  task<void> probe();
  std::string describe();
  bool equal();
  NodeId client_choice();
  std::string registers_key();
  Duration patience();
  std::vector<Member> founders() const;

  const ClusterOptions options_;
  sim::SimWorld world_;
  SeededRng choices_;
  SeededRng client_choices_;
  sim::SimNetwork network_;
  Oracle oracle_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<bool> wiped_;
  std::set<NodeId> busy_;  // starting or stopping
  Gate gate_;
  bool clients_stop_ = false;
  bool served_ = false;  // a probe
  std::uint64_t numbers_ = 0;
  std::uint64_t swap_operations_ = 0;
  std::map<std::string, std::uint64_t> seen_;  // by clients, to have something to expect
  std::uint64_t steps_ = 0;
};

}  // namespace gabion::metadata::raft::test
