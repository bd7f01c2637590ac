// RaftNode runs the Raft groups of this node over one journal, which is on the node's mirrored log. It gives the groups their
// ticks and messages, and sends nothing before what it rests on is durable.
//
//   auto node = co_await RaftNode::open(options);                          // loads the journal
//   auto group = co_await node->open_group(0, state, {{self}});           // founds it, or goes on where it was
//   co_await node->found(1, {{self}});                                    // or: with a state that is there already
//   transport calls node->receive(from, group, message)                   // on any thread
//   co_await node->stop();                                                 // before destruction
//
// Everything runs on `executor`, which must be one thread, except what says that it is thread-safe. The log, the transport,
// the states and the rest of the options must outlive the node. While it is open nobody else uses the log.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "metadata/log.h"
#include "metadata/raft/raft.h"
#include "metadata/turn.h"

namespace gabion::metadata::raft {

struct Timing {
  Duration tick = std::chrono::milliseconds(50);
  Duration heartbeat = std::chrono::milliseconds(100);
  Duration election = std::chrono::milliseconds(1000);  // randomised between this and twice as much
};

struct RaftNodeOptions {
  NodeId self{};
  Executor executor;
  Clock* clock = nullptr;
  Rng* rng = nullptr;
  MirroredLog* log = nullptr;
  Transport* transport = nullptr;  // nullptr: there are no other nodes
  GroupMetrics* metrics = nullptr;
  Timing timing;
  // A member of a group that is not open here has a message for this node. On the executor.
  std::function<void(GroupId)> unknown_group;
  // The states are made durable and the log is cut each time it has grown by this much.
  std::uint64_t checkpoint_log_bytes = 64 * MiB;
  // Entries that a group keeps in memory for members that are behind; others get a copy of the state. A group of one member
  // needs none and keeps next to none.
  std::uint64_t entry_memory_bytes = 32 * MiB;
};

class Journal;
class NodeGroup;

// Behind the first entry there might be, so that the library knows that entry to be missing.
inline constexpr std::uint64_t kBaseIndex = 2;

class RaftNode {
 public:
  static task<Result<std::unique_ptr<RaftNode>>> open(RaftNodeOptions options);
  ~RaftNode();

  // The entries that the log has of a group, for a state that is behind; to be used on the executor.
  EntryReader& entries(GroupId group);
  // Whether the log has anything of the group; all of which it has.
  bool knows(GroupId group) const;
  std::vector<GroupId> known() const;

  // Starts the group. One that the log does not know is founded with `founders`, which must be the same on each of them;
  // with none it waits for a leader that adds this node. Returns when a group that this node leads alone has applied its log.
  // Where that fails for what the log has, the group is unusable until the node is opened again.
  task<Result<RaftGroup*>> open_group(GroupId group, ReplicatedState& state, std::vector<Member> founders);
  bool is_unusable(GroupId group) const { return unusable_.contains(group); }

  // Founds a group that has a state before it has a log: the state holds everything up to entry kBaseIndex, the same on each of
  // the founders. Who has no such state gets one from who leads the group. Durable; open_group() follows.
  task<Result<void>> found(GroupId group, std::vector<Member> founders);
  // Tries at once, and for a while again and again, to be the first leader of an open group.
  void campaign(GroupId group);

  // A message of another member. Anything that cannot be one is dropped. Thread-safe.
  void receive(NodeId from, GroupId group, std::string message);

  // Makes the states durable and cuts the log behind them: now, or before long.
  task<Result<void>> checkpoint();
  void checkpoint_soon();
  // Takes a drive of the log out, as after a failed sync.
  task<void> fail_log_drive(std::size_t drive, std::string why);
  // The log took something it cannot take back or is lost: this node is no member any more until it is opened again.
  // Thread-safe.
  std::optional<Error> failure() const;

  // Lets other members lead what this node leads, as far as they can take it over within that time.
  task<void> hand_over(Duration within);

  // Proposals that wait are still committed where that needs nobody else, new ones are refused. Makes the states durable.
  task<void> stop();

 private:
  explicit RaftNode(RaftNodeOptions options);
  task<void> tick();
  task<void> make_checkpoints();
  void on_durable();
  void fail(const Error& error);

  RaftNodeOptions options_;
  std::unique_ptr<Journal> journal_;
  std::map<GroupId, std::unique_ptr<NodeGroup>> groups_;
  std::set<GroupId> unusable_;
  Gate gate_;
  Turn checkpoint_turn_;
  Event checkpoint_due_;
  std::uint64_t checkpoint_at_ = 0;  // bytes of the log
  std::uint64_t tight_at_ = 0;       // and when it finds no space for another segment
  bool stopping_ = false;
  bool stopped_ = false;

  mutable std::mutex mutex_;
  std::optional<Error> failure_;
};

}  // namespace gabion::metadata::raft
