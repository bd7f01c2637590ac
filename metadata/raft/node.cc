#include "metadata/raft/node.h"

#include "common/check.h"
#include "common/log.h"
#include "metadata/raft/group.h"

namespace gabion::metadata::raft {
namespace {

// On full drives checkpoints come so often, as they cut the log and give its space back.
constexpr std::uint64_t kTightCheckpointBytes = MiB;

}  // namespace

RaftNode::RaftNode(RaftNodeOptions options) : options_(std::move(options)) {}

RaftNode::~RaftNode() { GABION_CHECK(stopped_ || !journal_, "a Raft node is destroyed while it runs"); }

task<Result<std::unique_ptr<RaftNode>>> RaftNode::open(RaftNodeOptions options) {
  GABION_CHECK(options.self != NodeId{} && options.clock != nullptr && options.rng != nullptr && options.log != nullptr &&
                   options.metrics != nullptr,
               "an option is missing");
  std::unique_ptr<RaftNode> node(new RaftNode(std::move(options)));
  RaftNode& self = *node;
  Journal::Listener listener;
  listener.durable = [&self] { self.on_durable(); };
  listener.full = [&self] {
    for (auto& [id, group] : self.groups_) group->on_full();
  };
  listener.failed = [&self] { self.fail(*self.journal_->failure()); };
  CO_TRY(node->journal_, co_await Journal::open(*self.options_.log, self.options_.executor, *self.options_.clock, listener));
  self.checkpoint_at_ = self.options_.checkpoint_log_bytes;
  spawn(self.options_.executor, self.gate_, "raft ticks", self.tick());
  spawn(self.options_.executor, self.gate_, "metadata checkpoints", self.make_checkpoints());
  co_return node;
}

EntryReader& RaftNode::entries(GroupId group) { return journal_->entries(group); }

bool RaftNode::knows(GroupId group) const { return journal_->knows(group); }

std::vector<GroupId> RaftNode::known() const { return journal_->groups(); }

task<Result<RaftGroup*>> RaftNode::open_group(GroupId id, ReplicatedState& state, std::vector<Member> founders) {
  GABION_CHECK(!groups_.contains(id), "a group is opened twice");
  if (unusable_.contains(id)) co_return Error(Errc::unavailable, "the group cannot be used before the next start");
  Recovered recovered = journal_->take(id);
  if (recovered.empty() && !founders.empty()) {
    // The first entry says who the members are; it is the same on each of them, and so is its term.
    recovered.hard.term = 1;
    recovered.entries.emplace_back(1, EntryType::members, encode_members_entry(founders));
    journal_->write_hard_state(id, recovered.hard);
    const Entry& first = recovered.entries.front();
    journal_->write_entry(id, 1, EntryView(first.term, first.type, first.data), {});
    co_await journal_->flush();
    if (journal_->failure()) co_return *journal_->failure();
  }
  auto made = std::make_unique<NodeGroup>(id, state, options_, *journal_);
  if (auto started = made->start(std::move(recovered)); !started) {
    unusable_.insert(id);
    co_await made->close();
    co_return started.error();
  }
  NodeGroup& group = *groups_.emplace(id, std::move(made)).first->second;
  co_await group.catch_up_alone();
  if (journal_->bytes() >= checkpoint_at_) checkpoint_soon();
  co_return &group;
}

// The log begins behind the base, so that nobody can play it on a state that does not have the base.
task<Result<void>> RaftNode::found(GroupId id, std::vector<Member> founders) {
  GABION_CHECK(!journal_->knows(id), "a group is founded twice");
  HardState hard;
  hard.term = 1;
  Snapshot base;
  base.index = base.members_index = kBaseIndex;
  base.term = hard.term;
  base.members = std::move(founders);
  journal_->found(id, hard, base);
  co_await journal_->flush();
  if (journal_->failure()) co_return *journal_->failure();
  co_return Result<void>();
}

void RaftNode::campaign(GroupId id) {
  if (const auto group = groups_.find(id); group != groups_.end()) group->second->campaign();
}

void RaftNode::receive(NodeId from, GroupId id, std::string message) {
  if (!gate_.enter()) return;
  asio::post(options_.executor, [this, from, id, bytes = std::move(message)] {
    const auto group = groups_.find(id);
    if (group != groups_.end()) group->second->receive(from, bytes);
    else if (options_.unknown_group && !stopping_) options_.unknown_group(id);
    gate_.leave();
  });
}

task<void> RaftNode::tick() {
  while (!stopping_) {
    co_await options_.clock->sleep(options_.timing.tick);
    if (stopping_) co_return;
    for (auto& [id, group] : groups_) group->tick();
  }
}

void RaftNode::on_durable() {
  for (auto& [id, group] : groups_) group->on_durable();
  if (journal_->bytes() >= (journal_->tight() ? tight_at_ : checkpoint_at_)) checkpoint_soon();
}

void RaftNode::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = error;
  }
  for (auto& [id, group] : groups_) group->fail(Error(Errc::unavailable, error.message));
}

std::optional<Error> RaftNode::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void RaftNode::checkpoint_soon() {
  checkpoint_at_ = tight_at_ = UINT64_MAX;  // until this one is done
  checkpoint_due_.set();
}

task<void> RaftNode::make_checkpoints() {
  for (;;) {
    co_await checkpoint_due_.wait();
    if (stopping_) co_return;
    if (auto made = co_await checkpoint(); !made) {
      LOG(error, "metadata", "the metadata state cannot be made durable", field("error", made.error().message));
    }
  }
}

// The youngest groups first. A group that was split off has its first state on one drive, until it is copied to the others;
// should the drive fail before, it is made again from the group it was split off and goes on with its own log, so that neither
// log must be cut until then.
task<Result<void>> RaftNode::checkpoint() {
  const auto turn = co_await checkpoint_turn_.take();
  std::map<GroupId, Journal::Cut> cuts;
  Result<void> result;
  const auto known = journal_->groups();
  bool held = false;
  for (auto id = known.rbegin(); id != known.rend(); ++id) {
    const auto group = groups_.find(*id);
    held = held || group == groups_.end();  // it is about to be opened
    if (group == groups_.end()) continue;
    auto durable = co_await group->second->make_durable();
    held = held || group->second->is_first_copy_due();
    if (!durable) result = durable.error();
    else if (*durable && !held) cuts.emplace(*id, std::move(**durable));
  }
  if (journal_->groups() != known) cuts.clear();  // one was split off meanwhile
  if (!cuts.empty() && !journal_->failure()) {
    if (auto cut = co_await journal_->cut(std::move(cuts)); !cut) result = cut;
  }
  checkpoint_at_ = journal_->bytes() + options_.checkpoint_log_bytes;
  tight_at_ = journal_->bytes() + kTightCheckpointBytes;
  options_.metrics->checkpoints.add();
  co_return result;
}

task<void> RaftNode::fail_log_drive(std::size_t drive, std::string why) { return journal_->fail_drive(drive, std::move(why)); }

task<void> RaftNode::hand_over(Duration within) {
  Context ctx;
  ctx.deadline = options_.clock->now() + within;
  Gate all;
  for (auto& [id, group] : groups_) spawn(options_.executor, all, "a leadership goes", group->hand_over(ctx));
  co_await all.close();
}

task<void> RaftNode::stop() {
  if (std::exchange(stopped_, true)) co_return;
  Gate drained;
  for (auto& [id, group] : groups_) spawn(options_.executor, drained, "proposals that wait", group->drain());
  co_await drained.close();
  stopping_ = true;
  checkpoint_due_.set();
  co_await gate_.close();
  (void)co_await checkpoint();
  for (auto& [id, group] : groups_) co_await group->close();
  co_await journal_->close();
}

}  // namespace gabion::metadata::raft
