// A simulated machine: a processor that may stand still, drives that may be slow, full, torn or damaged, and what they hold. A
// Life is one run of the process on it: log, state, Raft.
#pragma once

#include "metadata/raft/node.h"
#include "tests/sim/raft/kv_state.h"
#include "tests/support/sim_network.h"
#include "tests/support/sim_thread.h"

namespace gabion::metadata::raft::test {

struct MachineOptions {
  std::size_t drives = 2;
  Timing timing;
  std::size_t log_segment_bytes = 16 * KiB;
  std::uint64_t checkpoint_log_bytes = 24 * KiB;
  std::uint64_t entry_memory_bytes = 16 * KiB;
  StateFlaw flaw = StateFlaw::none;
};

// A clock that runs fast or slow.
class DriftingClock final : public Clock {
 public:
  explicit DriftingClock(Clock& true_one) : true_one_(true_one), since_(true_one.now()), then_(since_) {}
  TimePoint now() const override { return then_ + scaled(true_one_.now() - since_, rate_); }
  WallMicros wall() const override { return true_one_.wall(); }
  task<void> sleep(Duration duration) override { return true_one_.sleep(scaled(duration, 1 / rate_)); }
  void set_rate(double rate) {
    then_ = now();
    since_ = true_one_.now();
    rate_ = rate;
  }

 private:
  static Duration scaled(Duration duration, double by) {
    return Duration(static_cast<std::int64_t>(static_cast<double>(duration.count()) * by));
  }
  Clock& true_one_;
  TimePoint since_, then_;
  double rate_ = 1;
};

struct Life {
  std::unique_ptr<MirroredLog> log;
  std::unique_ptr<KvState> state;
  GroupMetrics metrics;
  std::unique_ptr<RaftNode> node;
  RaftGroup* group = nullptr;  // nullptr: still opening
  bool dead = false;           // what it says now reaches nobody
  bool ended = false;
  Gate work;  // starting and stopping
};

class Machine {
 public:
  Machine(NodeId id, sim::SimWorld& world, sim::SimNetwork& network, Oracle& oracle, Rng& choices, const MachineOptions& options);

  NodeId id() const { return id_; }
  // The process starts. `founders` matters only the first time. An error is what the process would say and exit with.
  task<Result<void>> start(std::vector<Member> founders);
  // The process ends as it should.
  task<void> stop();
  // The power fails, now.
  void cut();
  // What is left of the process goes, and what the drives had not synced. After cut().
  task<void> bury(sim::Crash how);

  // The running process, if there is one that has come up.
  std::shared_ptr<Life> life() const { return life_ && life_->group != nullptr && !life_->dead ? life_ : nullptr; }
  bool off() const { return life_ == nullptr; }
  bool alive() const { return life_ != nullptr && !life_->dead; }
  // A drive's power failed by itself, in the middle of an operation.
  bool power_lost() const;

  sim::SimThread& processor() { return processor_; }
  DriftingClock& clock() { return clock_; }
  std::size_t drives() const { return disks_.size(); }
  sim::SimThread& drive_thread(std::size_t drive) { return *threads_[drive]; }
  sim::SimDisk& disk(std::size_t drive) { return *disks_[drive]; }
  // Off after a clean stop in which both copies of the log were well.
  bool stopped_whole() const { return off() && whole_; }
  // All it ever knew is gone; it is as new, but for its number.
  void wipe();
  const KvImage& durable() const { return durable_; }

 private:
  task<Result<void>> boot(std::shared_ptr<Life> life, std::vector<Member> founders);
  task<Result<void>> come_up(std::shared_ptr<Life> life, std::vector<Member> founders);
  static task<void> go_down(std::shared_ptr<Life> life);

  const NodeId id_;
  sim::SimWorld& world_;
  sim::SimNetwork& network_;
  Oracle& oracle_;
  const MachineOptions options_;
  SeededRng rng_;
  sim::SimThread processor_;
  DriftingClock clock_;
  std::vector<std::unique_ptr<sim::SimThread>> threads_;
  std::vector<std::unique_ptr<sim::SimDisk>> disks_;
  std::vector<DriveId> drive_ids_;
  KvImage durable_;
  bool new_ = true;
  bool whole_ = false;
  std::shared_ptr<Life> life_;
};

}  // namespace gabion::metadata::raft::test
