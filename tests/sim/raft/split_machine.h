// A simulated machine with the real metadata of a node: its log on simulated drives, the states of its groups in memory, and what
// of both survives when the power fails.
#pragma once

#include "metadata/local_metadata.h"
#include "metadata/memory_kv.h"
#include "metadata/state_transfer.h"
#include "tests/support/sim_network.h"
#include "tests/support/sim_thread.h"

namespace gabion::metadata::test {

class SplitMachine {
 public:
  struct Options {
    std::size_t drives = 2;
    std::uint64_t checkpoint_log_bytes = 16 * KiB;
    std::uint64_t entry_memory_bytes = 8 * KiB;
    std::vector<raft::Member> founders;
    std::function<bool(GroupId)> exists;
    std::function<std::string(GroupId)> start_of;
  };
  // One run of the process. What uses the metadata enters `work`, which is closed before the metadata stops.
  struct Life {
    std::unique_ptr<StateFetcher> fetcher;
    std::unique_ptr<LocalMetadata> metadata;
    std::unique_ptr<StateSource> source;
    bool up = false;
    bool stopping = false;
    bool dead = false;  // what it says now reaches nobody
    Gate work;
  };

  SplitMachine(NodeId id, sim::SimWorld& world, sim::SimNetwork& network, Rng& choices, Options options);

  NodeId id() const { return id_; }
  task<Result<void>> start();
  // Not to be cut while it stops; a drive may lose power by itself.
  task<void> stop();
  // The power fails, now. bury() ends what is left of the process.
  void cut();
  task<void> bury(sim::Crash how);

  bool off() const { return life_ == nullptr; }
  bool alive() const { return life_ != nullptr && !life_->dead; }
  bool stopping() const { return life_ != nullptr && life_->stopping; }
  // A drive's power failed by itself, in the middle of an operation.
  bool power_lost() const;
  std::shared_ptr<Life> life() const { return life_ && life_->up && !life_->dead ? life_ : nullptr; }
  sim::SimThread& processor() { return processor_; }
  sim::SimThread& background() { return background_; }  // of checkpoints
  sim::SimDisk& disk(std::size_t drive) { return *disks_[drive]; }
  std::size_t drives() const { return disks_.size(); }
  DriveId drive_id(std::size_t drive) const { return drive_ids_[drive]; }
  // What a drive holds of a group, or will.
  MemoryImage& image(GroupId group, std::size_t drive);
  // The state of a group, as text; empty while none is open.
  std::string dump(GroupId group);

 private:
  LocalMetadataOptions metadata_options(Life& life);
  void open_source(Life& life);
  void lose_power(sim::Crash how);

  const NodeId id_;
  sim::SimWorld& world_;
  sim::SimNetwork& network_;
  const Options options_;
  SeededRng rng_;
  sim::SimThread processor_, background_;
  std::vector<std::unique_ptr<sim::SimThread>> threads_;
  std::vector<std::unique_ptr<sim::SimDisk>> disks_;
  std::vector<DriveId> drive_ids_;
  std::shared_ptr<MemoryImages> images_ = std::make_shared<MemoryImages>();
  MemoryStates* states_ = nullptr;  // of the running process
  LocalMetadataMetrics metrics_;
  bool new_ = true;
  std::shared_ptr<Life> life_;
};

}  // namespace gabion::metadata::test
