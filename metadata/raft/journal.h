// Journal keeps the Raft logs of all groups of this node in its mirrored log. Records are queued and written in their order, all
// that wait as one batch, so that one sync serves every group. Who must not speak before something is durable compares the
// position that queueing it gave with durable().
//
// The journal knows where each entry is, not what it says: entries are in memory only as long as the library wants them, and
// are read back for a state that goes on from an older copy.
// A full drive makes it wait and try again; any other failed write ends it for good, without telling those who wait.
// One executor. The mirrored log must outlive it, and is used by nobody else meanwhile.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "common/async.h"
#include "common/clock.h"
#include "metadata/log.h"
#include "metadata/raft/library.h"
#include "metadata/turn.h"

namespace gabion::metadata::raft {

class Journal {
 public:
  // What of a group is not needed any more: the state has everything up to the snapshot. Entries before `first` may go.
  struct Cut {
    Cut() = default;
    Snapshot snapshot;
    std::uint64_t first = 1;
  };

  // What is told on the executor.
  struct Listener {
    Listener() = default;
    std::function<void()> durable;  // a batch is
    std::function<void()> full;     // another attempt to write found a full drive
    std::function<void()> failed;   // once
  };

  // Reads the whole log.
  static task<Result<std::unique_ptr<Journal>>> open(MirroredLog& log, Executor executor, Clock& clock, Listener listener);
  // Queues what is still to be written, waits for it, and ends.
  task<void> close();

  bool knows(GroupId group) const { return images_.contains(group); }
  // What the log had of the group, or what it was founded with; to be taken once.
  Recovered take(GroupId group);
  // The group begins as if it had been cut behind `base`. Durable after the next flush().
  void found(GroupId group, const HardState& hard, const Snapshot& base);
  std::vector<GroupId> groups() const;  // that are known, ascending
  EntryReader& entries(GroupId group);

  // Queues a record. `done` is called when it is durable, before the listener hears of it.
  std::uint64_t write_hard_state(GroupId group, const HardState& hard);
  std::uint64_t write_truncate(GroupId group, std::uint64_t from);
  std::uint64_t write_entry(GroupId group, std::uint64_t index, const EntryView& entry, std::function<void()> done);
  std::uint64_t write_snapshot(GroupId group, const Snapshot& snapshot, std::function<void()> done);
  std::uint64_t queued() const { return queued_; }
  std::uint64_t durable() const { return durable_; }

  // A drive has no room, and what is queued waits for it. try_now() does not wait until it is tried again anyway.
  bool full() const { return full_; }
  void try_now() { retry_.set(); }
  // Space for another segment of the log, without which nothing should be added that does not lead to more space.
  bool has_spare() const { return log_.has_spare(); }
  bool tight() const { return log_.tight(); }
  task<void> hold_spare();
  const std::optional<Error>& failure() const { return failure_; }
  std::uint64_t bytes() const { return log_.bytes(); }

  // Returns when everything queued before is durable, or the journal has failed.
  task<void> flush();
  // Writes down what is needed no more, and drops whole segments that have nothing else.
  task<Result<void>> cut(std::map<GroupId, Cut> cuts);
  task<void> fail_drive(std::size_t drive, std::string why);

 private:
  friend class JournalReader;
  // Of a group, as the log has it on the drives.
  struct Image {
    HardState hard;
    std::optional<Snapshot> snapshot;
    std::uint64_t first = 1;
    std::deque<std::uint64_t> positions;  // in the mirrored log, of the entries from `first` on
    bool whole = true;  // nothing is missing that came before; while the log is loaded
    std::uint64_t last() const { return first + positions.size() - 1; }
    Result<void> apply(const Record& record, std::uint64_t position);
    void rebase(const GroupBase& base);
  };
  struct Queued {
    Queued() = default;
    std::string bytes;
    Record record;  // without an entry's data
    std::function<void()> done;
  };

  Journal(MirroredLog& log, Executor executor, Clock& clock) : log_(log), executor_(std::move(executor)), clock_(clock) {}
  task<Result<void>> load();
  Result<void> load_record(const LogEntry& entry, bool& whole);
  Result<void> load_base(const Record& record);
  Result<void> check(GroupId group, Image& image);
  std::uint64_t queue(std::string bytes, Record record, std::function<void()> done);
  task<void> write_all();
  std::vector<Queued> take_batch();
  task<Result<void>> write(std::vector<std::string> batch);
  task<void> retry_later();
  void fail(Error error);
  std::uint64_t oldest_needed() const;

  MirroredLog& log_;
  const Executor executor_;
  Clock& clock_;
  Listener listener_;
  Gate gate_;
  Event work_;
  Event retry_;
  Turn turn_;  // of the mirrored log

  std::map<GroupId, Image> images_;
  std::map<GroupId, Recovered> recovered_;  // until taken
  std::map<GroupId, std::unique_ptr<EntryReader>> readers_;
  std::deque<Queued> waiting_;
  std::uint64_t queued_ = 0;
  std::uint64_t durable_ = 0;
  std::deque<std::pair<std::uint64_t, Event*>> flushes_;
  std::optional<Error> failure_;
  bool full_ = false;
  bool closing_ = false;
};

}  // namespace gabion::metadata::raft
