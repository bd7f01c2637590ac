// Library is one instance of libraft 0.22 with its disk and network replaced by a Host. What the library gets wrong with a
// custom back end is guarded against here, so that nothing else needs to know:
//   - completed requests are queued and never delivered: they are taken from the queue after each call
//   - an inbound snapshot while one is being taken or installed crashes it or leaks: dropped, the leader tries again
//   - entries with a change of members behind others are booked under a wrong index: such messages are taken apart
//   - an entry that is cut off and comes again while its first copy is still being written puts its two ideas of the log out
//     of step: entries are refused after a cut until everything under way is written
//   - a refused pre-vote echoes the candidate's own term, which can lock an election for ever: the real term is sent
//   - a message that its state does not expect overwrites a union: messages of the wrong role are dropped
//   - a refusal that comes late makes a leader ask for entries that it knows the member has, and send none any more: dropped
//   - a member that has nothing never gets a snapshot of index 1: no group is founded with one, see kBaseIndex
//   - a snapshot that is sent while a newer one is taken gets its index, and not its term: the term is put right
//   - a member that has cut its log refuses entries that begin before the cut, for ever: what it has is skipped
//   - a member commits its own entries behind those that a message confirms: what is said to be committed ends with them
//   - failed writes hang silently: a Host never reports one, it stops
// One thread. The host's functions are called from within the calls below and must not call back.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "metadata/raft/message.h"
#include "metadata/raft/node.h"

namespace gabion::metadata::raft {

// What the journal had of a group.
struct Recovered {
  Recovered() = default;
  HardState hard;
  std::optional<Snapshot> snapshot;
  std::uint64_t first = 1;  // index of the first entry
  std::deque<Entry> entries;
  // Only the entries from `new_first` on are left, `size` at most.
  void follow(std::uint64_t new_first, std::size_t size);
  bool empty() const { return hard == HardState() && !snapshot && entries.empty(); }
};

class Library {
 public:
  class Host {
   public:
    virtual ~Host() = default;
    virtual TimePoint now() const = 0;
    virtual std::uint64_t random() = 0;
    // Writes, in this order. For each write_entries() one persisted() follows when it is durable.
    virtual void write_hard_state(const HardState& hard) = 0;
    virtual void write_truncate(std::uint64_t from) = 0;
    virtual void write_entries(std::uint64_t first, const std::vector<EntryView>& entries) = 0;
    // The state is to become one that holds everything up to the snapshot, as `from` has it; installed() follows.
    virtual void install(NodeId from, const Snapshot& snapshot) = 0;
    // Goes out when everything written before is durable.
    virtual void send(NodeId to, const Message& message) = 0;
    // The command entry `index` is committed. Indexes that are passed over are of entries without commands.
    virtual void apply(std::uint64_t index, std::string_view data) = 0;
    // What became of propose(): committed, and then apply() was called before; or it may yet be, or not.
    virtual void proposed(std::uint64_t index, bool committed) = 0;
    // How many entries up to `index` shall stay in memory; the rest goes.
    virtual std::uint64_t entries_to_keep(std::uint64_t index) = 0;
  };
  enum class State { unavailable, follower, candidate, leader };
  using Done = std::function<void(int error)>;  // 0, or the library's number

  Library(Host& host, NodeId self, const Timing& timing);
  ~Library();  // close() it first

  Result<void> start(Recovered recovered);
  // Everything under way is told that it is cancelled.
  void close();

  void tick();
  void receive(NodeId from, const Message& message);
  void persisted();  // the oldest write_entries()
  void installed();
  // A follower that knows no leader, or a candidate, tries with the next tick to be elected. Without a majority's consent
  // beforehand nothing changes.
  void campaign();

  // The index of the entry, or the library's error number; proposed() follows.
  Result<std::uint64_t> propose(std::string_view data);
  // Errors of these are final and come before they return or through `done`, never both.
  Result<void> barrier(Done done);
  Result<void> add(NodeId node, Done done);
  Result<void> assign(NodeId node, MemberRole role, Done done);
  Result<void> remove(NodeId node, Done done);
  Result<void> transfer(NodeId to, Done done);

  // Drops entries that are committed from memory, as entries_to_keep() says; members that need them get a snapshot. False
  // when it is not possible at the moment. snapshot() is then what was dropped.
  bool cut();
  const std::optional<Snapshot>& snapshot() const;

  State state() const;
  bool leads() const { return state() == State::leader; }
  bool transferring() const;
  bool installing() const;
  std::uint64_t term() const;
  NodeId leader() const;
  std::uint64_t committed() const;
  std::uint64_t passed() const;  // committed and given to apply(), or passed over
  std::uint64_t last_index() const;
  std::uint64_t last_stored() const;
  std::vector<Member> members() const;
  // Changes whenever members() may have.
  std::pair<std::uint64_t, std::uint64_t> members_version() const;
  bool members_settled() const;  // no change of them is under way
  std::uint64_t matched(NodeId node) const;  // at the leader

  struct Impl;  // library_impl.h

 private:
  std::unique_ptr<Impl> impl_;
};

// The error that the library's number stands for.
Error library_error(int number);

}  // namespace gabion::metadata::raft
