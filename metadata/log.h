// MirroredLog is the command log of an unreplicated group: the same segments on every metadata drive that works, so that an
// acknowledged command survives as long as one of them does.
//
// A batch is acknowledged when all working replicas synced it and enough of them work. A write or sync that fails takes
// its replica out until it is opened again: the others first agree durably on a new epoch without it. At opening, only
// members of the newest epoch decide what the log holds; the others are made equal to them. Entries within it that are damaged
// on every drive stay so, for whoever knows whether they are still needed; a damaged end is not accepted.
// Runs on the executor of its caller (one task at a time), its file operations on those of the drives. status() is thread-safe.
#pragma once

#include <map>
#include <mutex>

#include "common/async.h"
#include "common/rng.h"
#include "metadata/log_merge.h"
#include "metadata/log_replica.h"

namespace gabion::metadata {

struct LogDrive {
  LogDrive(DriveId drive, Disk* where, Executor runs_on) : id(drive), disk(where), executor(std::move(runs_on)) {}
  DriveId id;
  Disk* disk;  // nullptr: the drive is missing
  Executor executor;
};

struct LogOptions {
  std::vector<LogDrive> drives;
  std::size_t required = 1;    // fewer working replicas (of those configured) refuse every append
  bool allow_new = false;      // start a new log when all drives are there and empty
  std::size_t segment_bytes = 8 * MiB;
};

struct LogEntry {
  std::uint64_t index = 0;
  std::string command;
};

struct LogReplicaStatus {
  DriveId drive;
  bool healthy = false;
  std::string error;  // why not
};

class MirroredLog {
 public:
  static task<Result<std::unique_ptr<MirroredLog>>> open(LogOptions options, Rng& rng);

  // Gives the commands the next indexes, in order. unavailable and exhausted: nothing happened. unknown_outcome: they may be
  // found after the next opening; nothing more is accepted until then.
  task<Result<void>> append(const std::vector<std::string>& commands);
  // Whether each working replica has the space for another segment; takes it where it can.
  task<bool> hold_spare();
  bool has_spare() const { return spare_; }
  // The last look found none.
  bool tight() const { return tight_; }
  // The entries from `from` on, as far as the segment that holds it goes; never empty unless `from` is past the end.
  task<Result<std::vector<LogEntry>>> read(std::uint64_t from);
  // The same without those that are damaged on every drive. `next`: where to go on.
  struct Scanned {
    Scanned() = default;
    std::vector<LogEntry> entries;
    std::uint64_t next = 0;
  };
  task<Result<Scanned>> scan(std::uint64_t from);
  // Drops whole segments whose entries are all below `index`.
  task<void> truncate(std::uint64_t index);
  // Takes a drive out, as after a failed sync.
  task<void> fail(std::size_t drive, std::string why);
  // Records durably that all was acknowledged, so that the next opening notices the slightest loss.
  task<void> close();

  const LogId& id() const { return id_; }
  std::uint64_t first_index() const { return segments_.begin()->first; }
  std::uint64_t last_index() const { return next_index_ - 1; }
  std::uint64_t bytes() const { return bytes_; }
  bool healthy(std::size_t drive) const;
  std::vector<LogReplicaStatus> status() const;

 private:
  friend class LogOpening;
  struct Replica {
    Replica(const LogDrive& drive, std::uint64_t segment_bytes) : id(drive.id), executor(drive.executor) {
      if (drive.disk != nullptr) files.emplace(*drive.disk, segment_bytes);
    }
    DriveId id;
    Executor executor;
    std::optional<LogReplica> files;
    bool healthy = false;
    std::string error;
  };
  struct Outcome {
    Outcome() = default;
    Outcome(std::size_t which, Result<void> what) : replica(which), result(std::move(what)) {}
    std::size_t replica = 0;
    Result<void> result;
  };
  using Operation = std::function<Result<void>(LogReplica&)>;

  explicit MirroredLog(const LogOptions& options);
  static task<Outcome> run_one(Executor executor, LogReplica& files, std::size_t replica, Operation operation);
  // Runs the operation on all healthy replicas (or the first few) at once.
  task<std::vector<Outcome>> run_all(Operation operation, std::size_t at_most = SIZE_MAX);
  std::size_t healthy_count() const;
  bool enough() const;
  void set_failed(std::size_t replica, std::string why);
  // After replicas failed: the others agree on a new epoch, and the failed ones are told so if they can be.
  task<void> exclude(std::vector<std::size_t> failed);
  // Agrees on the next epoch with those that work.
  task<void> write_members();
  Members members() const;
  task<Result<void>> append_batch(std::string batch, std::size_t count);
  task<Result<void>> roll();
  // Sorts what happened on the replicas: failed ones are set so. The error when the operation must be taken back.
  std::optional<Error> settle(std::vector<Outcome> outcomes, std::vector<std::size_t>& failed);
  // Undoes what was refused because of `why`, and gives the error for the caller.
  task<Error> take_back(Operation operation, std::vector<std::size_t> failed, Error why);
  task<Result<MergedSegment>> read_merged(std::uint64_t first, std::uint64_t last);
  std::uint64_t last_of_segment(std::uint64_t first) const;

  const std::size_t required_;
  const std::size_t segment_bytes_;
  std::vector<Replica> replicas_;
  mutable std::mutex status_mutex_;  // of `healthy` and `error`, which only the owner's executor changes

  LogId id_;
  std::uint64_t epoch_ = 0;
  std::uint64_t next_index_ = 1;
  std::uint64_t committed_ = 0;
  std::uint64_t bytes_ = 0;
  bool spare_ = false;   // there is space for another segment
  bool tight_ = false;
  bool broken_ = false;  // entries that were not acknowledged may be in it
  std::map<std::uint64_t, std::uint64_t> segments_;  // first index -> size; the last one is appended to
};

}  // namespace gabion::metadata
