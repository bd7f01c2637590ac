// Raft as the rest of the metadata sees it; which library does it is known in this folder alone. A RaftNode runs all groups
// of this node: one executor, one log for all of them, one Transport. A RaftGroup is one of them: it decides the order of
// commands, says what is committed, and changes its members.
//
// Source: Ongaro, "Consensus: Bridging Theory and Practice", with pre-vote, leadership transfer (3.10), ReadIndex (6.4)
// and one membership change at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/context.h"
#include "common/ids.h"
#include "common/result.h"
#include "metadata/group.h"
#include "metadata/state_storage.h"

namespace gabion::metadata::raft {

// Group 0 holds the cluster; data groups count from 1.
using GroupId = std::uint32_t;

enum class MemberRole { voter, standby, spare };  // standby: gets the log and has no vote; spare: gets nothing

struct Member {
  NodeId node{};
  MemberRole role = MemberRole::voter;
  friend bool operator==(const Member&, const Member&) = default;
};

struct GroupStatus {
  GroupId group = 0;
  NodeId leader{};  // as far as this member knows; none: 0
  bool leads = false;
  std::uint64_t term = 0;
  std::uint64_t last_index = 0, committed = 0, applied = 0;
  std::vector<Member> members;
  // Of the leader alone: how far each member is, in the order of `members`.
  std::vector<std::uint64_t> matched;
};

// Carries messages to other members. May lose, delay, double and reorder them. Called on the node's executor; never waits.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void send(NodeId to, GroupId group, std::string message) = 0;
};

// An entry of the log: commands that were proposed together, or none where Raft needed an entry for itself.
struct LoggedEntry {
  std::uint64_t index = 0;
  std::vector<std::string> commands;
};

// What the log has of a group, for a state that goes on from an older copy of itself. On the node's executor.
class EntryReader {
 public:
  virtual ~EntryReader() = default;
  virtual std::uint64_t first() const = 0;  // the oldest entry there is; what is before it must be in the state
  // Everything up to here was known to be committed when the log was opened.
  virtual std::uint64_t committed_at_open() const = 0;
  // Entries from `from` on, some of them at least. Only those that are known to be committed may be applied.
  virtual task<Result<std::vector<LoggedEntry>>> read(std::uint64_t from) = 0;
};

// What a group's committed commands are applied to, in order. On the node's executor; apply() and install() one at a time, and
// persist() while commands are applied, but not while a state is installed.
class ReplicatedState {
 public:
  virtual ~ReplicatedState() = default;
  // Everything up to this log index is applied already, as the state itself remembers; entries up to it are skipped.
  virtual std::uint64_t applied() const = 0;
  // Applies the commands of the entry `index`, and gives their results in order. unknown_outcome: applied, and the results are
  // lost. Any other error: there is no state any more, and the node leaves the group until it is opened again.
  virtual task<Result<std::vector<std::string>>> apply(std::uint64_t index, std::vector<std::string> commands) = 0;
  // Makes everything applied so far durable and gives its index: the log may then be cut behind it.
  virtual task<Result<std::uint64_t>> persist() = 0;
  // A drive that works has nothing of the state yet.
  virtual bool is_first_copy_due() const { return false; }
  // What the place of the state has room for.
  virtual Room room() { return Room::ample; }
  // Replaces the state by the one of `from`, which holds at least everything up to `index`. Durable and swapped in whole.
  virtual task<Result<void>> install(NodeId from, std::uint64_t index) = 0;
};

// Group with what only a replicated one has. propose() and read_barrier() answer not_leader anywhere but at the leader.
// unknown_outcome: the leadership was lost while the command was under way. Thread-safe; calls resume on the caller's executor.
class RaftGroup : public Group {
 public:
  virtual GroupStatus status() const = 0;
  // Each is durable when it returns. One at a time: conflict when another is under way. Leader only.
  virtual task<Result<void>> add(Context ctx, NodeId node) = 0;      // as a standby, which is brought up to date
  virtual task<Result<void>> promote(Context ctx, NodeId node) = 0;  // waits until it is up to date, then it votes
  virtual task<Result<void>> remove(Context ctx, NodeId node) = 0;
  virtual task<Result<void>> transfer(Context ctx, NodeId to) = 0;
};

}  // namespace gabion::metadata::raft
