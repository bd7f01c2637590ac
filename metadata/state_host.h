// StateHost keeps the state of the group: it opens the best copy among the metadata drives, brings it up to date from the log,
// applies commands to it, copies it to the other drives from time to time so that the log can be cut, and moves to another
// drive when its own fails.
// load(), open(), apply(), fail_drive(), move_away() and finish_checkpoint() run on the commit executor, one at a time; the rest
// is thread-safe.
#pragma once

#include "metadata/group.h"
#include "metadata/state_machine.h"
#include "metadata/state_storage.h"

namespace gabion::metadata {

struct StateCopyStatus {
  bool healthy = false;
  bool primary = false;  // the one that is open
  std::uint64_t covered = 0;  // all commands up to here are durable in it
  std::string error;
};

class StateHost final : public Applier {
 public:
  // A checkpoint is due each time the log has grown by `checkpoint_log_bytes`.
  StateHost(StateStorage& storage, Executor background, std::uint64_t checkpoint_log_bytes);

  // Finds the drive with the newest state and opens it. open() then replays what the log has beyond it.
  task<Result<std::uint64_t>> load();
  task<Result<void>> open(MirroredLog& log);

  task<Result<std::vector<std::string>>> apply(std::uint64_t first_index, const std::vector<std::string>& commands) override;
  Room room() override { return storage_.room(primary_); }

  // The store to read from. It stays readable while the pointer is held, as far as its drive works.
  std::shared_ptr<KvStore> current() const;
  // The drive is gone. Moves to another one when the state was there.
  task<Result<void>> fail_drive(std::size_t drive, std::string why);
  // `seen` cannot be read: moves away from it, unless that was done already.
  task<Result<void>> move_away(std::shared_ptr<KvStore> seen, std::string why);

  // Wakes whoever makes the checkpoints.
  Event& checkpoint_due() { return checkpoint_due_; }
  // make_checkpoint() works while commands are applied; finish_checkpoint() records what came of it and cuts the log.
  struct Checkpoint {
    Checkpoint() = default;
    std::size_t primary = 0;
    std::uint64_t index = 0;
    std::vector<std::size_t> drives;
    std::vector<Result<void>> results;
    Result<void> flushed;
  };
  task<Checkpoint> make_checkpoint();
  task<void> finish_checkpoint(Checkpoint checkpoint);

  std::uint64_t applied() const;
  std::vector<StateCopyStatus> status() const;

 private:
  struct Opened {
    Opened() = default;
    std::shared_ptr<KvStore> store;
    std::unique_ptr<StateMachine> machine;
  };
  task<Result<void>> open_best();
  static Result<Opened> open_one(StateStorage& storage, std::size_t drive);
  // Applies what the log has up to `last`. An error of the state sets its drive failed; one of the log does not.
  task<Result<void>> replay(std::uint64_t last);
  task<Result<void>> move(std::uint64_t last);
  // Gives up the copies on drives that the log has given up.
  task<Result<void>> follow_log();
  Result<std::vector<std::string>> apply_now(std::uint64_t first_index, const std::vector<std::string>& commands);
  void set_failed(std::size_t drive, std::string why);
  void set_applied();
  Error nothing_left() const;
  std::uint64_t covered_by_all() const;

  StateStorage& storage_;
  const Executor background_;
  const std::uint64_t checkpoint_log_bytes_;
  std::uint64_t checkpoint_at_ = 0;  // bytes of the log
  std::uint64_t tight_at_ = 0;       // and when it finds no space for another segment
  Event checkpoint_due_;
  MirroredLog* log_ = nullptr;
  std::unique_ptr<StateMachine> machine_;

  mutable std::mutex mutex_;
  std::shared_ptr<KvStore> store_;
  std::size_t primary_ = 0;
  std::uint64_t applied_ = 0;
  std::vector<StateCopyStatus> copies_;
};

}  // namespace gabion::metadata
