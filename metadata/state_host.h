// StateHost keeps the state of a group on this node: it opens the best copy among the metadata drives, brings it up to date
// from the log, applies entries to it, copies it to the other drives from time to time so that the log can be cut, moves to
// another drive when its own fails, and takes the state of another member when the log cannot bring it up to date. Before a
// command that divides the group is applied, it has the SplitHost make the state of the new group.
// What returns a task runs on the commit executor; the rest is thread-safe.
#pragma once

#include "metadata/log.h"
#include "metadata/raft/raft.h"
#include "metadata/state_fetch.h"
#include "metadata/state_machine.h"
#include "metadata/state_storage.h"
#include "metadata/turn.h"

namespace gabion::metadata {

// What reads go by, published together.
struct StateView {
  std::shared_ptr<KvStore> store;
  std::shared_ptr<const GroupRange> range;
};

// Of the node: where the groups come from that are split off.
class SplitHost {
 public:
  virtual ~SplitHost() = default;
  // The parent's state is open on `drive` of `storage`, and the split is the next command it applies. When this returns, the
  // child has been founded here with its half, durably, if this node is one of its founders. May be asked again for the same.
  virtual task<Result<void>> prepare(SplitRange split, StateStorage& storage, std::size_t drive) = 0;
  // It was applied.
  virtual void divided(GroupId parent, GroupId child) = 0;
  // All that was ever split off here is on all drives that work. Before, a copy of the parent must not be past the split: with
  // it alone, nobody could make the child's state again.
  virtual bool may_copy(GroupId parent) const = 0;
  // The node stops, and no split waits for space any more.
  virtual bool is_ending() const = 0;
};

struct StateCopyStatus {
  bool healthy = false;
  bool primary = false;  // the one that is open
  std::uint64_t covered = 0;  // all entries up to here are durable in it
  std::string error;
};

class StateHost final : public raft::ReplicatedState {
 public:
  struct Options {
    Options() = default;
    StateStorage* storage = nullptr;
    Executor readers;     // blocking, brief
    Executor background;  // blocking, long: checkpoints and their copies
    Clock* clock = nullptr;
    ClusterId cluster;
    raft::GroupId group = 0;
    StateFetch* fetch = nullptr;  // nullptr: there is nobody to get a state from
    SplitHost* splits = nullptr;
  };
  explicit StateHost(Options options);

  // Finds the drive with the newest state and opens it. open() then applies what the log is known to have committed beyond it.
  task<Result<void>> load();
  task<Result<void>> open(MirroredLog& log, raft::EntryReader& entries);
  // A drive has no copy from which it could go on, so it should get one soon.
  bool copy_needed() const;

  std::uint64_t applied() const override;
  std::uint64_t commands() const;  // how many were applied
  task<Result<std::vector<std::string>>> apply(std::uint64_t index, std::vector<std::string> commands) override;
  task<Result<std::uint64_t>> persist() override;
  task<Result<void>> install(NodeId from, std::uint64_t index) override;
  bool is_first_copy_due() const override;
  Room room() override;

  // What to read from, which has all that was ever applied here, or nullptr while there is none. It stays readable while the
  // pointer is held, as far as its drive works; what was read counts if is_current() afterwards: else rows may be gone that
  // another group has by now.
  std::shared_ptr<const StateView> current() const;
  bool is_current(const StateView& view) const { return range_.load(std::memory_order_acquire) == view.range.get(); }
  // The same, when the move to another drive that is under way is over.
  task<std::shared_ptr<const StateView>> settled();
  task<Result<PinnedState>> pin();
  // The drive has a copy that somebody else made.
  void note_copy(std::size_t drive, std::uint64_t index);
  // The drive is gone, and fail_drive() follows.
  void note_lost(std::size_t drive, std::string why) { set_failed(drive, std::move(why)); }
  // The drive is gone. Moves to another one when the state was there.
  task<Result<void>> fail_drive(std::size_t drive, std::string why);
  // `seen` cannot be read: moves away from it, unless that was done already.
  task<Result<void>> move_away(std::shared_ptr<const StateView> seen, std::string why);
  std::vector<StateCopyStatus> status() const;

 private:
  struct Opened {
    Opened() = default;
    std::shared_ptr<KvStore> store;
    std::unique_ptr<StateMachine> machine;
  };
  struct Checkpoint {
    Checkpoint() = default;
    bool begun = false;
    std::size_t primary = 0;
    std::uint64_t index = 0;
    std::vector<std::size_t> drives;
    std::vector<Result<void>> results;
    Result<void> flushed;
  };
  task<Result<void>> open_best();
  static Result<Opened> open_one(StateStorage& storage, std::size_t drive);
  // Applies what the log has up to `last`. An error of the state sets its drive failed; one of the log does not.
  task<Result<void>> replay(std::uint64_t last);
  task<Result<void>> move(std::uint64_t last);
  // Gives up the copies on drives that the log has given up.
  task<Result<void>> follow_log();
  task<Result<void>> fail_now(std::size_t drive, std::string why);
  Result<std::vector<std::string>> apply_now(std::uint64_t index, const std::vector<std::string>& commands);
  bool divides(const std::vector<std::string>& commands);
  // The same where one of the commands may divide the group.
  task<Result<std::vector<std::string>>> apply_dividing(std::uint64_t index, std::vector<std::string> commands);
  // Applies one command.
  task<Result<std::string>> divide(std::string command);
  task<Result<void>> prepare(SplitRange split);
  // Flushes and copies while commands are applied; finish() records what came of it.
  task<Checkpoint> make_checkpoint();
  task<void> finish_checkpoint(Checkpoint checkpoint);
  task<Result<void>> replace(std::size_t drive, StateImport& import, std::uint64_t index);
  void set_failed(std::size_t drive, std::string why);
  void set_applied();
  void publish();  // with the mutex
  // Also for those who read from it; tells when the last of them is done.
  std::weak_ptr<KvStore> close_state();
  Error nothing_left() const;
  std::uint64_t covered_by_all() const;

  const Options options_;
  StateStorage& storage_;
  Turn turn_;  // of the state machine
  MirroredLog* log_ = nullptr;
  raft::EntryReader* entries_ = nullptr;
  std::shared_ptr<KvStore> opened_;  // what the machine works on
  std::unique_ptr<StateMachine> machine_;
  std::uint64_t reached_ = 0;  // the highest entry that was ever applied or must be
  std::atomic<std::uint64_t> divisions_{0};  // that were applied, or are about to be

  mutable std::mutex mutex_;
  std::shared_ptr<const StateView> view_;  // of opened_, once it is up to date
  std::atomic<const GroupRange*> range_{nullptr};  // of view_
  std::size_t primary_ = 0;
  std::uint64_t applied_ = 0;
  std::uint64_t commands_ = 0;
  std::vector<StateCopyStatus> copies_;
};

}  // namespace gabion::metadata
