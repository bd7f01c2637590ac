// DriveLife runs random operations against one simulated drive and against a model of what it promises, cuts the power,
// and compares. The model knows for every shard what may be read: one value once an operation was acknowledged, several
// while the outcome of an operation is open. Everything follows from the seed.
//
//   DriveLife life(seed, Mutation::none);
//   while (life.states() < 100 && !life.failure()) life.live_until_crash();
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/sim_drive.h"

namespace gabion::sim {

using Coverage = std::map<std::string, std::uint64_t>;

class DriveLife {
 public:
  DriveLife(std::uint64_t seed, chunkserver::Mutation mutation);

  // Random operations until the power fails at a random one of the disk's operations, then recovery, which may be cut
  // short too, then a check of everything.
  void live_until_crash();

  // A fixed script instead: `steps` operations with the power cut at operation `cut` of the disk, what was not synced
  // resolved as `how` says, and recovery cut at its operation `recovery_cut` if that is given. Returns whether the cut
  // was reached. One call per life.
  bool run_script(int steps, std::uint64_t cut, Crash how, std::optional<std::uint64_t> recovery_cut);

  std::uint64_t states() const { return states_; }  // crashes survived and checked
  const std::optional<std::string>& failure() const { return failure_; }
  std::uint64_t disk_operations() const { return drive_.disk.operations(); }
  // Changes with everything that was ever read.
  std::uint64_t trace() const { return trace_; }
  // Adds how often the rare things happened, so that a test can show that they did.
  void add_to(Coverage& coverage) const;

 private:
  using Value = std::shared_ptr<const std::string>;  // null: no such shard
  struct Change {
    chunkserver::ShardKey key;
    Value value;
  };

  void operate();
  void change_group();
  void read_one();
  void compact();
  void restart();
  void recover();
  void crash(Crash how);
  void check_all();
  void check_list(const std::map<chunkserver::ShardKey, Value>& seen);
  void check_status(const std::map<chunkserver::ShardKey, Value>& seen);
  std::optional<Value> read(const chunkserver::ShardKey& key);
  task<Result<void>> change(Change change);
  Change random_change();
  chunkserver::ShardKey random_key();
  Value random_value();
  void fail(const std::string& what);
  bool up() const { return drive_.disk.powered() && !failure_; }

  const std::uint64_t seed_;
  SimWorld world_;
  SeededRng rng_;  // of the operations, apart from the world's, so that a script does not depend on faults
  SimDrive drive_;
  std::map<chunkserver::ShardKey, std::vector<Value>> model_;
  std::uint64_t states_ = 0;
  std::uint64_t trace_ = 0;
  std::uint64_t rebuilt_ = 0;
  std::uint64_t torn_ = 0;
  std::uint64_t values_made_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace gabion::sim
