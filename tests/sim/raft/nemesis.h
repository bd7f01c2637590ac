// The nemesis does to a cluster, at random, what machines, drives, networks and operators do. Each seed arms only some kinds of
// trouble, so that some runs go deep into one of them.
#pragma once

#include "tests/sim/raft/cluster.h"

namespace gabion::metadata::raft::test {

struct Troubles {
  static Troubles none();
  std::vector<bool*> all();
  bool messages = true;     // lost, doubled, late, clogged
  bool partitions = true;
  bool crashes = true;      // power cuts at any disk operation, of one machine or all of them
  bool restarts = true;     // clean ones
  bool pauses = true;
  bool slow_drives = true;
  bool full_drives = true;
  bool failed_syncs = true;
  bool damage = true;       // to the log on one of a machine's drives
  bool transfers = true;
  bool membership = true;   // members come and go; a machine that is none is wiped
  bool contests = true;     // elections in which voters crash
  bool clocks = true;       // that run slow or fast
};

class Nemesis {
 public:
  Nemesis(Cluster& cluster, const Troubles& troubles) : cluster_(cluster), troubles_(troubles) {}
  // Some of the troubles, as the seed says.
  static Troubles some(Rng& choices);
  void rage(Duration duration);
  std::string list() const;  // what is armed

 private:
  bool strike();
  void disturb_messages();
  void partition();
  void crash();
  std::size_t weak_drive(const Machine& machine) const;
  void damage_and_start(NodeId node);
  void contest();
  void change_members();
  void transfer();
  void tend();  // what supervisors and operators do about it
  NodeId any() { return NodeId(static_cast<std::uint32_t>(choose(cluster_.size()) + 1)); }
  Duration share(Duration of) { return Duration(static_cast<std::int64_t>(choose(static_cast<std::uint64_t>(of.count()) + 1))); }
  // Unless the nemesis has ended by then.
  void after(Duration duration, std::function<void()> what);
  std::uint64_t choose(std::uint64_t below) { return cluster_.choices().below(below); }

  Cluster& cluster_;
  const Troubles troubles_;
  std::map<NodeId, std::uint64_t> off_until_;
  bool raging_ = false;
};

}  // namespace gabion::metadata::raft::test
