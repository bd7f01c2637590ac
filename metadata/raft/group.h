// NodeGroup is this node's part in one group: it batches proposals into entries, applies what is committed, answers reads, and
// stands between the library and the journal, the transport and the state.
// propose(), read_barrier(), status() and the changes of members may be called on any thread; the rest is RaftNode's, on its
// executor. Everything it is made with must outlive it; close() it before destruction.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "metadata/raft/journal.h"
#include "metadata/raft/library.h"
#include "metadata/raft/node.h"

namespace gabion::metadata::raft {

class NodeGroup final : public RaftGroup, private Library::Host {
 public:
  NodeGroup(GroupId id, ReplicatedState& state, const RaftNodeOptions& options, Journal& journal);
  ~NodeGroup() override;

  // --- RaftNode's ---
  Result<void> start(Recovered recovered);
  // Returns when a group that this node leads alone has applied its log.
  task<void> catch_up_alone();
  void tick();
  void receive(NodeId from, const std::string& message);
  void on_durable();
  void on_full();
  void fail(const Error& error);
  // Makes the state durable, and tells what of the log that makes unnecessary. Nothing when that cannot be told now.
  task<Result<std::optional<Journal::Cut>>> make_durable();
  bool is_first_copy_due() const { return state_.is_first_copy_due(); }
  void campaign();
  // Where this node leads: lets a member lead that is there and has most of the log.
  task<void> hand_over(Context ctx);
  // Refuses new proposals; returns when those that wait are done, or cannot be for now.
  task<void> drain();
  task<void> close();

  // --- RaftGroup ---
  task<Result<std::string>> propose(Context ctx, std::string command, Purpose purpose) override;
  task<Result<void>> read_barrier(Context ctx) override;
  GroupStatus status() const override;
  task<Result<void>> add(Context ctx, NodeId node) override;
  task<Result<void>> promote(Context ctx, NodeId node) override;
  task<Result<void>> remove(Context ctx, NodeId node) override;
  task<Result<void>> transfer(Context ctx, NodeId to) override;

 private:
  // Somebody who waits on another executor.
  struct Waiter {
    Waiter(Context context, Executor waits_on) : ctx(context), executor(std::move(waits_on)) {}
    Context ctx;
    Executor executor;
    std::function<void()> resume;
  };
  struct Proposal : Waiter {
    using Waiter::Waiter;
    std::string command;
    Purpose purpose = Purpose::takes_space;
    Result<std::string> result = Error(Errc::internal, "a proposal without a result");
  };
  struct Reader : Waiter {
    using Waiter::Waiter;
    Result<void> result;
  };
  // The proposals of one entry. nullptr: it was told already.
  struct Batch {
    std::vector<Proposal*> proposals;
    std::vector<std::string> commands;
    TimePoint start;
  };
  struct Committed {
    std::uint64_t index = 0;
    std::string data;  // of another member's entry; of our own the batch has it
    bool ours = false;
    bool command = false;
  };
  // Readers that wait for one confirmation of the leadership.
  struct ReadRound {
    ReadRound(std::uint64_t which, std::uint64_t committed, std::vector<Reader*> who)
        : number(which), index(committed), readers(std::move(who)) {}
    std::uint64_t number;
    std::uint64_t index;  // what must be applied
    std::vector<Reader*> readers;
    std::vector<NodeId> confirmed;
  };
  struct Outgoing {
    std::uint64_t position = 0;  // goes when the journal is durable up to there
    NodeId to{};
    std::string bytes;
  };

  // --- Library::Host ---
  TimePoint now() const override { return clock_.now(); }
  std::uint64_t random() override { return rng_.next(); }
  void write_hard_state(const HardState& hard) override;
  void write_truncate(std::uint64_t from) override;
  void write_entries(std::uint64_t first, const std::vector<EntryView>& entries) override;
  void install(NodeId from, const Snapshot& snapshot) override;
  void send(NodeId to, const Message& message) override;
  void apply(std::uint64_t index, std::string_view data) override;
  void proposed(std::uint64_t index, bool committed) override;
  std::uint64_t entries_to_keep(std::uint64_t index) override;

  // After every call of the library: what changed?
  void follow();
  void observe();
  void follow_leadership();
  void follow_members();
  void publish();
  void trim_memory();
  void campaign_again(TimePoint time);
  Outgoing pop_outgoing();  // the oldest
  bool alone() const { return alone_.load(std::memory_order_acquire); }
  bool usable() const { return started_ && !failure_; }

  // Commits (group_commit.cc)
  template <class T>
  static void complete(const std::vector<T*>& done);
  void post_submit();
  void submit_waiting();
  std::vector<Proposal*> take_batch();
  void put_back(std::vector<Proposal*> batch);
  void submit(std::vector<Proposal*> batch);
  task<void> look_for_spare();
  // Completes those of the batch for which it holds with the error, and leaves the others in it.
  static void refuse(std::vector<Proposal*>& batch, const std::function<bool(const Proposal&)>& which, const Error& error);
  void refuse_waiting(const Error& error);
  void tell(Batch& batch, const Result<std::string>& result);
  void tell_in_flight(const Error& error);
  void expire(TimePoint time);
  void pass_over(std::uint64_t index);
  task<void> apply_all();
  task<void> apply_one(Committed entry);
  task<void> wait_applied(std::uint64_t index);
  void set_applied(std::uint64_t index);
  task<void> install_state(NodeId from, Snapshot snapshot);

  // Reads (group_read.cc)
  void add_reader(Reader* reader);
  void start_round();
  void ask_round();
  void on_ping(NodeId from, const Message& message);
  void on_ping_result(NodeId from, const Message& message);
  void confirm(NodeId by);
  void finish_readers();
  void fail_readers(const Error& error);
  void expire_readers(TimePoint time);

  // Changes of the members (group_members.cc)
  task<Result<void>> one_at_a_time(task<Result<void>> change);
  task<Result<void>> add_now(Context ctx, NodeId node);
  task<Result<void>> promote_now(Context ctx, NodeId node);
  task<Result<void>> remove_now(Context ctx, NodeId node);
  task<Result<void>> transfer_now(Context ctx, NodeId to);
  using Start = std::function<Result<void>(Library::Done)>;
  task<Result<void>> await_library(Context ctx, Start start);
  task<Result<void>> commit_barrier(Context ctx);
  std::optional<MemberRole> role_of(NodeId node) const;

  const GroupId id_;
  const NodeId self_;
  const Executor executor_;
  Clock& clock_;
  Rng& rng_;
  Transport* const transport_;
  GroupMetrics& metrics_;
  const Timing timing_;
  const std::uint64_t memory_max_;
  ReplicatedState& state_;
  Journal& journal_;
  Library library_;
  Gate gate_;

  // On the executor.
  bool started_ = false;
  bool closing_ = false;
  std::optional<Error> failure_;
  std::deque<Outgoing> outgoing_;
  std::size_t outgoing_bytes_ = 0;
  std::deque<std::uint64_t> sizes_;  // of the entries that the library has in memory
  std::uint64_t first_in_memory_ = 1;
  std::uint64_t memory_ = 0;
  std::uint64_t cut_to_ = 0;
  bool leads_ = false;
  std::uint64_t leads_in_term_ = 0;
  std::uint64_t read_floor_ = 0;  // committed by predecessors for all we know
  std::optional<std::pair<std::uint64_t, std::uint64_t>> members_version_;
  std::vector<Member> members_;
  bool only_voter_ = false;
  std::map<NodeId, TimePoint> heard_;  // when there was a message of a member
  std::optional<TimePoint> campaigns_until_;
  std::map<std::uint64_t, Batch> in_flight_;  // by index
  std::deque<Committed> committed_;
  std::size_t committed_bytes_ = 0;
  std::uint64_t next_committed_ = 1;
  std::optional<std::pair<NodeId, Snapshot>> to_install_;
  Turn state_turn_;  // of what replaces the whole state and of what copies it
  bool submitting_ = false;
  bool looking_for_spare_ = false;
  bool looked_for_spare_ = false;  // for the next entry
  Event apply_work_;
  bool apply_idle_ = true;
  std::vector<std::pair<std::uint64_t, Event*>> applied_waits_;
  std::vector<Reader*> new_readers_;
  std::optional<ReadRound> round_;
  std::vector<ReadRound> confirmed_rounds_;  // wait for their index to be applied
  std::uint64_t rounds_ = 0;
  TimePoint asked_;
  bool changing_ = false;

  std::atomic<bool> alone_{false};  // leads without other voters, and has applied what its predecessors left

  mutable std::mutex mutex_;
  std::deque<Proposal*> waiting_;
  std::size_t waiting_bytes_ = 0;
  bool submit_posted_ = false;
  bool stopping_ = false;
  GroupStatus status_;
  std::uint64_t applied_ = 0;
};

}  // namespace gabion::metadata::raft
