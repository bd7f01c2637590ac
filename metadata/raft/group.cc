#include "metadata/raft/group.h"

#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "metadata/mutation.h"

namespace gabion::metadata::raft {
namespace {

constexpr std::uint64_t kAloneMemoryMax = 2 * MiB;
constexpr std::uint64_t kEntryOverhead = 128;  // what the library and we need for one, beside its bytes
constexpr std::size_t kCommittedBytesMax = 64 * MiB;
constexpr std::size_t kOutgoingBytesMax = 16 * MiB;

}  // namespace

NodeGroup::NodeGroup(GroupId id, ReplicatedState& state, const RaftNodeOptions& options, Journal& journal)
    : id_(id),
      self_(options.self),
      executor_(options.executor),
      clock_(*options.clock),
      rng_(*options.rng),
      transport_(options.transport),
      metrics_(*options.metrics),
      timing_(options.timing),
      memory_max_(options.entry_memory_bytes),
      state_(state),
      journal_(journal),
      library_(*this, options.self, options.timing) {}

NodeGroup::~NodeGroup() = default;

Result<void> NodeGroup::start(Recovered recovered) {
  first_in_memory_ = recovered.first;
  for (const Entry& entry : recovered.entries) {
    sizes_.push_back(entry.data.size() + kEntryOverhead);
    memory_ += sizes_.back();
  }
  applied_ = state_.applied();
  next_committed_ = mutated(Mutation::apply_again) ? 1 : applied_ + 1;
  spawn(executor_, gate_, "metadata apply loop", apply_all());
  TRY_OK(library_.start(std::move(recovered)));
  started_ = true;
  follow();
  if (failure_) return *failure_;
  return {};
}

task<void> NodeGroup::catch_up_alone() {
  if (leads_ && only_voter_) co_await wait_applied(library_.passed());
}

void NodeGroup::tick() {
  if (!usable()) return;
  const TimePoint time = clock_.now();
  campaign_again(time);
  library_.tick();
  follow();
  trim_memory();
  expire(time);
  expire_readers(time);
  if (round_ && time - asked_ >= timing_.heartbeat) ask_round();
}

void NodeGroup::campaign() { campaigns_until_ = clock_.now() + 2 * timing_.election; }

// The others may not have opened the group yet, and do not hear what is asked before they have.
void NodeGroup::campaign_again(TimePoint time) {
  if (!campaigns_until_) return;
  if (time >= *campaigns_until_ || leads_ || library_.leader() != NodeId{}) campaigns_until_.reset();
  else library_.campaign();
}

void NodeGroup::receive(NodeId from, const std::string& bytes) {
  if (!usable()) return;
  const auto message = decode_message(bytes);
  if (!message) {
    LOG(warn, "metadata", "a message is dropped", field("from", to_string(from)), field("error", message.error().message));
    return;
  }
  heard_[from] = clock_.now();
  switch (message->kind) {
    case Message::Kind::ping: return on_ping(from, *message);
    case Message::Kind::ping_result: return on_ping_result(from, *message);
    case Message::Kind::append_entries:
      // The leader sends it again; what is committed must not pile up here.
      if (!message->entries.empty() && committed_bytes_ > kCommittedBytesMax) return;
      break;
    default: break;
  }
  library_.receive(from, *message);
  follow();
}

// The node has left the group until it is opened again: it neither votes nor answers.
void NodeGroup::fail(const Error& error) {
  if (failure_) return;
  LOG(error, "metadata", "this node leaves the group until it is started again", field("group", id_),
      field("error", error.message));
  failure_ = error;
  outgoing_.clear();
  outgoing_bytes_ = 0;
  tell_in_flight(Error(Errc::unknown_outcome, error.message));
  refuse_waiting(Error(Errc::unavailable, error.message));
  fail_readers(Error(Errc::unavailable, error.message));
  for (auto& [index, event] : std::exchange(applied_waits_, {})) event->set();
  publish();
}

// --- What the library asks for ---

void NodeGroup::write_hard_state(const HardState& hard) {
  journal_.write_hard_state(id_, mutated(Mutation::forget_vote) ? HardState{hard.term, NodeId{}} : hard);
}

void NodeGroup::write_truncate(std::uint64_t from) {
  while (!sizes_.empty() && first_in_memory_ + sizes_.size() > from) {
    memory_ -= sizes_.back();
    sizes_.pop_back();
  }
  journal_.write_truncate(id_, from);
}

void NodeGroup::write_entries(std::uint64_t first, const std::vector<EntryView>& entries) {
  if (sizes_.empty()) first_in_memory_ = first;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    sizes_.push_back(entries[i].data.size() + kEntryOverhead);
    memory_ += sizes_.back();
    std::function<void()> done;
    if (i + 1 == entries.size()) {
      done = [this] {
        if (!usable()) return;
        library_.persisted();
        follow();
      };
    }
    journal_.write_entry(id_, first + i, entries[i], std::move(done));
  }
}

void NodeGroup::send(NodeId to, const Message& message) {
  if (transport_ == nullptr || failure_) return;
  std::string bytes = encode_message(message);
  const bool early = (mutated(Mutation::send_vote_early) && message.kind == Message::Kind::vote_result) ||
                     (mutated(Mutation::acknowledge_early) && message.kind == Message::Kind::append_result);
  if (journal_.durable() == journal_.queued() || early) {
    transport_->send(to, id_, std::move(bytes));
    return;
  }
  outgoing_bytes_ += bytes.size() + kEntryOverhead;
  outgoing_.push_back({journal_.queued(), to, std::move(bytes)});
  // While a drive of the log is full nothing becomes durable, and messages may be lost.
  while (outgoing_bytes_ > kOutgoingBytesMax) pop_outgoing();
}

void NodeGroup::on_durable() {
  while (!outgoing_.empty() && outgoing_.front().position <= journal_.durable()) {
    const Outgoing message = pop_outgoing();
    transport_->send(message.to, id_, message.bytes);
  }
  submit_waiting();
}

NodeGroup::Outgoing NodeGroup::pop_outgoing() {
  Outgoing message = std::move(outgoing_.front());
  outgoing_.pop_front();
  outgoing_bytes_ -= message.bytes.size() + kEntryOverhead;
  return message;
}

std::uint64_t NodeGroup::entries_to_keep(std::uint64_t index) {
  const std::uint64_t room = only_voter_ ? kAloneMemoryMax / 8 : memory_max_ / 2;
  std::uint64_t bytes = memory_;
  std::uint64_t first = first_in_memory_;
  for (const std::uint64_t size : sizes_) {
    if (bytes <= room || first >= index) break;
    bytes -= size;
    ++first;
  }
  cut_to_ = first;
  return index - first + 1;
}

void NodeGroup::trim_memory() {
  if (memory_ <= (only_voter_ ? kAloneMemoryMax : memory_max_)) return;
  if (!library_.cut()) return;
  follow();
}

// --- What the library did ---

void NodeGroup::follow() {
  observe();
  submit_waiting();
}

void NodeGroup::observe() {
  for (; first_in_memory_ < cut_to_ && !sizes_.empty(); ++first_in_memory_) {
    memory_ -= sizes_.front();
    sizes_.pop_front();
  }
  cut_to_ = 0;
  if (next_committed_ <= library_.passed() && !library_.installing()) pass_over(library_.passed() + 1);
  follow_members();
  follow_leadership();
  if (apply_idle_ && !committed_.empty()) {
    apply_idle_ = false;
    apply_work_.set();
  }
  publish();
}

void NodeGroup::follow_members() {
  const auto version = library_.members_version();
  if (members_version_ == version) return;
  members_version_ = version;
  members_ = library_.members();
  only_voter_ = std::all_of(members_.begin(), members_.end(), [this](const Member& member) {
    return (member.role == MemberRole::voter) == (member.node == self_);
  });
}

void NodeGroup::follow_leadership() {
  const bool leads = library_.leads();
  const std::uint64_t term = library_.term();
  if (leads && (!leads_ || leads_in_term_ != term)) {
    // Whatever predecessors committed is up to here, if not known to be committed yet.
    read_floor_ = library_.last_index();
    leads_in_term_ = term;
    fail_readers(Error(Errc::not_leader, "the leadership changed"));
    LOG(info, "metadata", "this node leads the group", field("group", id_), field("term", term));
    // A group that was founded with a state: what it answers and decides rests on a majority that has this state.
    if (library_.last_index() == kBaseIndex && library_.snapshot()) {
      read_floor_ = kBaseIndex + 1;
      (void)library_.barrier([](int) {});
    }
    // The log of a leader has all that was ever committed, and nothing else was applied.
    if (applied_ > read_floor_) {
      fail(Error(Errc::corrupt, fmt::format("the metadata log ends with entry {}, and the state has entry {}",
                                            library_.last_index(), applied_)));
    }
  }
  if (!leads && leads_) {
    fail_readers(Error(Errc::not_leader, "this node does not lead the group any more"));
    LOG(info, "metadata", "this node does not lead the group any more", field("group", id_), field("term", term));
  }
  leads_ = leads;
  alone_.store(leads && only_voter_ && applied_ >= read_floor_, std::memory_order_release);
  if (leads && round_ && only_voter_) confirm(self_);
  if (leads) start_round();
}

void NodeGroup::publish() {
  const std::lock_guard lock(mutex_);
  status_.group = id_;
  status_.leads = leads_ && !failure_;
  status_.leader = failure_ ? NodeId{} : leads_ ? self_ : library_.leader();
  status_.term = library_.term();
  status_.last_index = library_.last_index();
  status_.committed = library_.committed();
  status_.applied = applied_;
  if (status_.members != members_) status_.members = members_;
  status_.matched.clear();
  if (!leads_) return;
  for (const Member& member : members_) {
    status_.matched.push_back(member.node == self_ ? library_.last_stored() : library_.matched(member.node));
  }
}

GroupStatus NodeGroup::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

task<Result<std::optional<Journal::Cut>>> NodeGroup::make_durable() {
  // A state that is being replaced is durable when it is there.
  if (!started_ || library_.installing()) co_return std::optional<Journal::Cut>();
  if (usable()) {
    (void)library_.cut();
    follow();
  }
  const auto snapshot = library_.snapshot();
  if (snapshot) co_await wait_applied(snapshot->index);
  const auto turn = co_await state_turn_.take();
  std::uint64_t durable = state_.applied();
  if (!mutated(Mutation::cut_log_early)) {
    CO_TRY(durable, co_await state_.persist());
  }
  if (failure_ || !snapshot || snapshot->index > durable) co_return std::optional<Journal::Cut>();
  Journal::Cut cut;
  cut.snapshot = *snapshot;
  cut.first = only_voter_ || sizes_.empty() ? snapshot->index + 1 : std::min(first_in_memory_, snapshot->index + 1);
  co_return std::optional<Journal::Cut>(std::move(cut));
}

task<void> NodeGroup::close() {
  closing_ = true;
  if (started_) library_.close();
  if (!failure_) failure_.emplace(Errc::cancelled, "the metadata service is stopping");
  tell_in_flight(Error(Errc::unknown_outcome, "the metadata service is stopping"));
  refuse_waiting(Error(Errc::cancelled, "the metadata service is stopping"));
  fail_readers(Error(Errc::cancelled, "the metadata service is stopping"));
  for (auto& [index, event] : std::exchange(applied_waits_, {})) event->set();
  apply_work_.set();
  co_await gate_.close();
}

}  // namespace gabion::metadata::raft
