// A simulated cluster of three machines whose metadata is divided again and again while clients write and read, and machines,
// drives and the network fail. What must hold:
//   once          a command that was acknowledged happened once, also when it was sent again, to whichever group
//   there         what was acknowledged is read from then on, and is in exactly one group at the end
//   equal         in the end all members of a group have the same state
// The first broken promise is kept as a text. The same seed gives the same run.
#pragma once

#include <map>
#include <set>

#include "tests/sim/raft/split_machine.h"

namespace gabion::metadata::test {

struct SplitTroubles {
  bool messages = true;
  bool partitions = true;
  bool crashes = true;
  bool restarts = true;
  bool pauses = true;
};

class SplitCluster {
 public:
  SplitCluster(std::uint64_t seed, SplitTroubles troubles);
  ~SplitCluster();

  // Clients write, and the keys are divided at each of the places in turn, while the nemesis strikes; then the troubles end, and
  // all must be well. False when it does not stop, and then the cluster must not be destroyed.
  bool live(std::vector<std::string> places, Duration lasts);

  const std::string& failure() const { return failure_; }
  std::size_t acknowledged() const { return written_.size(); }
  std::size_t reads() const { return reads_; }
  std::size_t splits() const { return splits_; }
  std::size_t crashes() const { return crashes_; }

 private:
  struct Owner {  // of the keys from `start` on
    std::string start;
    GroupId group = kRootGroup;
  };

  void broken(std::string what);
  // Who has which groups, and how far.
  std::string describe();
  bool step();
  template <class Condition>
  bool run_until(Condition condition, Duration limit);
  void spawn_task(task<void> work) { spawn(world_.executor(), gate_, "simulated task", std::move(work)); }

  void start_machine(SplitMachine& machine);
  void stop_machine(SplitMachine& machine);
  void cut_machine(SplitMachine& machine);
  task<void> do_start(SplitMachine& machine);
  task<void> do_stop(SplitMachine& machine);
  task<void> do_bury(SplitMachine& machine);
  void strike();
  void heal();

  // Asks members of the groups (none: of all there are) in turn until one decides, and tells which group that was; the answer of
  // one that died meanwhile does not count. Nothing when the run is over.
  template <class Value>
  using Decided = std::optional<std::pair<GroupId, Value>>;
  template <class Value, class Ask>
  task<Decided<Value>> ask_until(std::vector<GroupId> groups, Ask ask);
  task<Decided<CommandResult>> commit(std::vector<GroupId> groups, Command command);
  std::vector<GroupId> all_groups() const;
  task<void> client(int number);
  // Once, in whichever group.
  task<bool> write(std::string key);
  // As whoever meets a group that was not told of the bucket.
  task<void> open_bucket(GroupId group);
  task<void> read_back(std::string key);
  task<void> divide_all(std::vector<std::string> places);
  task<bool> divide(std::string place, GroupId child);
  task<void> trim(GroupId group);

  bool settled();
  bool equal();
  task<void> check_all();
  std::string new_id();

  sim::SimWorld world_;
  SeededRng choices_;
  sim::SimNetwork network_;
  const SplitTroubles troubles_;
  std::vector<std::unique_ptr<SplitMachine>> machines_;
  std::set<NodeId> busy_;  // starting or stopping
  GroupId last_group_ = kRootGroup;
  std::map<GroupId, std::string> starts_;  // of the groups' keys
  BucketId bucket_ = 0;
  std::map<std::string, bool> written_;  // acknowledged keys
  std::size_t reads_ = 0, splits_ = 0, crashes_ = 0;
  bool writing_ = true, dividing_ = false, over_ = false, checked_ = false;
  int clients_ = 0;
  std::uint64_t keys_ = 0;
  std::string failure_;
  Gate gate_, closing_;
};

}  // namespace gabion::metadata::test
