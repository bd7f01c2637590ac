// From a proposal to its result: proposals that wait become one entry, the entry is committed by the library, and what applying
// it decided goes back to whoever proposed.
#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "metadata/mutation.h"
#include "metadata/raft/group.h"

namespace gabion::metadata::raft {
namespace {

constexpr std::size_t kCommandMax = 4 * MiB;
constexpr std::size_t kWaitingBytesMax = 32 * MiB;
constexpr std::size_t kBatchBytesMax = MiB;
constexpr std::size_t kBatchMax = 1024;
constexpr std::size_t kWindowAlone = 1;  // while one is written the next one fills: more entries would only be smaller
constexpr std::size_t kWindow = 4;
constexpr Duration kInstallRetry = std::chrono::seconds(1);
constexpr Duration kDrainPoll = std::chrono::milliseconds(2);

}  // namespace

task<Result<std::string>> NodeGroup::propose(Context ctx, std::string command, Purpose purpose) {
  if (command.size() > kCommandMax) co_return Error(Errc::too_large, "a metadata command is larger than 4 MiB");
  auto executor = co_await asio::this_coro::executor;
  Proposal proposal(ctx, std::move(executor));
  proposal.command = std::move(command);
  proposal.purpose = purpose;
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [this, &proposal](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        proposal.resume = [shared] { std::move (*shared)(); };
        bool wake = false;
        std::optional<Error> refusal;
        {
          const std::lock_guard lock(mutex_);
          if (stopping_) refusal.emplace(Errc::cancelled, "the metadata service is stopping");
          else if (waiting_bytes_ + proposal.command.size() > kWaitingBytesMax) {
            refusal.emplace(Errc::exhausted, "too many metadata commands wait");
          } else {
            waiting_.push_back(&proposal);
            waiting_bytes_ += proposal.command.size();
            wake = !std::exchange(submit_posted_, true);
          }
        }
        if (refusal) {
          proposal.result = *std::move(refusal);
          asio::post(proposal.executor, proposal.resume);
        }
        if (wake) post_submit();
      },
      asio::use_awaitable);
  co_return std::move(proposal.result);
}

void NodeGroup::post_submit() {
  if (!gate_.enter()) return;
  asio::post(executor_, [this] {
    submit_waiting();
    gate_.leave();
  });
}

void NodeGroup::submit_waiting() {
  if (submitting_) return;
  submitting_ = true;
  for (;;) {
    if (failure_) {
      refuse_waiting(Error(Errc::unavailable, failure_->message));
      break;
    }
    if (!library_.leads()) {
      refuse_waiting(Error(Errc::not_leader, "this node does not lead the group"));
      break;
    }
    // These wait, for whoever calls this again.
    if (library_.transferring() || in_flight_.size() >= (only_voter_ ? kWindowAlone : kWindow)) break;
    if (journal_.full()) {
      journal_.try_now();
      break;
    }
    auto batch = take_batch();
    if (batch.empty()) break;
    if (!journal_.has_spare() && !std::exchange(looked_for_spare_, false)) {
      put_back(std::move(batch));
      if (!std::exchange(looking_for_spare_, true)) spawn(executor_, gate_, "space for the metadata log", look_for_spare());
      break;
    }
    submit(std::move(batch));
  }
  submitting_ = false;
}

task<void> NodeGroup::look_for_spare() {
  co_await journal_.hold_spare();
  looking_for_spare_ = false;
  looked_for_spare_ = true;
  submit_waiting();
}

void NodeGroup::refuse(std::vector<Proposal*>& batch, const std::function<bool(const Proposal&)>& which, const Error& error) {
  std::vector<Proposal*> refused;
  std::erase_if(batch, [&which, &refused](Proposal* proposal) {
    if (!which(*proposal)) return false;
    refused.push_back(proposal);
    return true;
  });
  for (Proposal* proposal : refused) proposal->result = error;
  complete(refused);
}

std::vector<NodeGroup::Proposal*> NodeGroup::take_batch() {
  std::vector<Proposal*> batch;
  std::size_t bytes = 0;
  {
    const std::lock_guard lock(mutex_);
    while (!waiting_.empty() && batch.size() < kBatchMax) {
      Proposal* proposal = waiting_.front();
      if (!batch.empty() && bytes + proposal->command.size() > kBatchBytesMax) break;
      waiting_.pop_front();
      waiting_bytes_ -= proposal->command.size();
      bytes += proposal->command.size();
      batch.push_back(proposal);
    }
    submit_posted_ = !waiting_.empty();
  }
  const TimePoint time = clock_.now();
  refuse(batch, [time](const Proposal& proposal) { return proposal.ctx.deadline <= time; },
         Error(Errc::deadline, "the deadline passed before the command was committed"));
  return batch;
}

void NodeGroup::put_back(std::vector<Proposal*> batch) {
  const std::lock_guard lock(mutex_);
  for (Proposal* proposal : batch) waiting_bytes_ += proposal->command.size();
  waiting_.insert(waiting_.begin(), batch.begin(), batch.end());
  submit_posted_ = true;
}

void NodeGroup::submit(std::vector<Proposal*> proposals) {
  const Room room = state_.room();
  const bool tight = journal_.tight();
  refuse(proposals, [room, tight](const Proposal& proposal) {
           return room == Room::none || (proposal.purpose == Purpose::takes_space && (room == Room::reserve || tight));
         }, Error(Errc::exhausted, "a drive that holds metadata is full"));
  if (proposals.empty()) return;
  Batch batch;
  batch.start = clock_.now();
  batch.proposals = std::move(proposals);
  batch.commands.reserve(batch.proposals.size());
  for (Proposal* proposal : batch.proposals) batch.commands.push_back(std::move(proposal->command));
  const auto index = library_.propose(encode_commands(batch.commands));
  if (!index) {
    for (Proposal* proposal : batch.proposals) proposal->result = index.error();
    complete(batch.proposals);
  } else {
    in_flight_.emplace(*index, std::move(batch));
  }
  observe();
}

void NodeGroup::refuse_waiting(const Error& error) {
  std::deque<Proposal*> refused;
  {
    const std::lock_guard lock(mutex_);
    refused.swap(waiting_);
    waiting_bytes_ = 0;
    submit_posted_ = false;
  }
  if (refused.empty()) return;
  const std::vector<Proposal*> list(refused.begin(), refused.end());
  for (Proposal* proposal : list) proposal->result = error;
  complete(list);
}

void NodeGroup::tell(Batch& batch, const Result<std::string>& result) {
  std::erase(batch.proposals, nullptr);
  for (Proposal* proposal : batch.proposals) proposal->result = result;
  complete(std::exchange(batch.proposals, {}));
}

void NodeGroup::tell_in_flight(const Error& error) {
  for (auto& [index, batch] : in_flight_) tell(batch, error);
}

void NodeGroup::on_full() {
  tell_in_flight(Error(Errc::unknown_outcome, "a drive of the metadata log is full"));
  refuse_waiting(Error(Errc::exhausted, "a drive of the metadata log is full"));
}

// What is under way may take as long as there is no majority. Those who wait for it need not.
void NodeGroup::expire(TimePoint time) {
  std::vector<Proposal*> expired;
  for (auto& [index, batch] : in_flight_) {
    for (Proposal*& proposal : batch.proposals) {
      if (proposal == nullptr || proposal->ctx.deadline > time) continue;
      proposal->result = Error(Errc::unknown_outcome, "the deadline passed while the command was being committed");
      expired.push_back(std::exchange(proposal, nullptr));
    }
  }
  complete(expired);
  expired.clear();
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](Proposal* proposal) {
      if (proposal->ctx.deadline > time) return false;
      waiting_bytes_ -= proposal->command.size();
      expired.push_back(proposal);
      return true;
    });
  }
  for (Proposal* proposal : expired) {
    proposal->result = Error(Errc::deadline, "the deadline passed before the command was committed");
  }
  complete(expired);
}

void NodeGroup::proposed(std::uint64_t index, bool committed) {
  if (committed) return;  // apply() came before, so that its result is on the way
  const auto it = in_flight_.find(index);
  if (it == in_flight_.end()) return;
  Result<std::string> lost = Error(Errc::unknown_outcome, "the leadership was lost while the command was being committed");
  if (mutated(Mutation::refuse_lost)) lost = Error(Errc::not_leader, "this node does not lead the group any more");
  if (mutated(Mutation::acknowledge_lost)) lost = std::string("0");
  tell(it->second, lost);
  in_flight_.erase(it);
}

void NodeGroup::pass_over(std::uint64_t index) {
  while (next_committed_ < index) committed_.emplace_back().index = next_committed_++;
}

void NodeGroup::apply(std::uint64_t index, std::string_view data) {
  if (index < next_committed_) return;  // the state has it
  pass_over(index);
  ++next_committed_;
  Committed& entry = committed_.emplace_back();
  entry.index = index;
  entry.command = true;
  entry.ours = library_.leads() && in_flight_.contains(index);
  if (!entry.ours) entry.data = data;
  committed_bytes_ += entry.data.size();
}

task<void> NodeGroup::apply_all() {
  while (!closing_) {
    if (to_install_) {
      const auto install = *std::exchange(to_install_, std::nullopt);
      co_await install_state(install.first, install.second);
    } else if (!committed_.empty()) {
      Committed entry = std::move(committed_.front());
      committed_.pop_front();
      committed_bytes_ -= entry.data.size();
      co_await apply_one(std::move(entry));
    } else {
      apply_idle_ = true;
      co_await apply_work_.wait();
    }
  }
}

task<void> NodeGroup::apply_one(Committed entry) {
  Batch batch;
  if (const auto it = in_flight_.find(entry.index); entry.ours && it != in_flight_.end()) {
    batch = std::move(it->second);
    in_flight_.erase(it);
  }
  if (failure_) {
    tell(batch, Error(Errc::unknown_outcome, failure_->message));
    co_return;
  }
  if (entry.command && !entry.ours) {
    auto commands = decode_commands(entry.data);
    if (!commands) {
      fail(commands.error());
      co_return;
    }
    batch.commands = *std::move(commands);
  }
  const std::size_t count = batch.commands.size();
  auto results = co_await state_.apply(entry.index, std::move(batch.commands));
  if (!results) {
    // It is committed, so it will have happened once there is a state again.
    tell(batch, Error(Errc::unknown_outcome, results.error().message));
    if (results.error().code != Errc::unknown_outcome) {
      fail(Error(Errc::unavailable, results.error().message));
      co_return;
    }
  } else {
    GABION_CHECK(results->size() == count, "each command has one result");
    for (std::size_t i = 0; i < batch.proposals.size(); ++i) {
      if (batch.proposals[i] != nullptr) batch.proposals[i]->result = std::move((*results)[i]);
    }
  }
  set_applied(entry.index);
  if (count != 0) {
    metrics_.commands.add(count);
    metrics_.rounds.add();
    if (entry.ours) metrics_.round_seconds.observe(clock_.now() - batch.start);
  }
  std::erase(batch.proposals, nullptr);
  complete(batch.proposals);
  submit_waiting();
}

void NodeGroup::set_applied(std::uint64_t index) {
  {
    const std::lock_guard lock(mutex_);
    applied_ = status_.applied = index;
  }
  alone_.store(leads_ && only_voter_ && index >= read_floor_, std::memory_order_release);
  std::erase_if(applied_waits_, [index](const auto& wait) {
    if (wait.first > index) return false;
    wait.second->set();
    return true;
  });
  finish_readers();
}

task<void> NodeGroup::wait_applied(std::uint64_t index) {
  if (applied_ >= index || failure_) co_return;
  Event applied;
  applied_waits_.emplace_back(index, &applied);
  co_await applied.wait();
}

void NodeGroup::install(NodeId from, const Snapshot& snapshot) {
  // All that waits to be applied is in the snapshot too.
  committed_.clear();
  committed_bytes_ = 0;
  sizes_.clear();
  memory_ = 0;
  // Also what this node proposed: nobody applies it here, so that its results are lost.
  const auto beyond = in_flight_.upper_bound(snapshot.index);
  for (auto it = in_flight_.begin(); it != beyond; it = in_flight_.erase(it)) {
    tell(it->second, Error(Errc::unknown_outcome, "the state of another member takes the place of this one"));
  }
  first_in_memory_ = snapshot.index + 1;
  next_committed_ = snapshot.index + 1;
  to_install_.emplace(from, snapshot);
  if (std::exchange(apply_idle_, false)) apply_work_.set();
}

// There is no way to tell the library that it did not work, so it is tried until it does, from whoever leads by then.
task<void> NodeGroup::install_state(NodeId from, Snapshot snapshot) {
  while (usable() && !closing_) {
    Result<void> installed;
    {
      const auto turn = co_await state_turn_.take();
      // A state that has it all already may be ahead of the other one, which has not applied what it knows of yet.
      if (state_.applied() < snapshot.index) installed = co_await state_.install(from, snapshot.index);
    }
    if (closing_ || failure_) co_return;
    if (installed) {
      next_committed_ = std::max(next_committed_, state_.applied() + 1);
      set_applied(state_.applied());
      journal_.write_snapshot(id_, snapshot, [this] {
        if (!usable()) return;
        library_.installed();
        follow();
      });
      co_return;
    }
    LOG(warn, "metadata", "the state of another member cannot be installed yet", field("group", id_),
        field("from", to_string(from)), field("error", installed.error().message));
    co_await clock_.sleep(kInstallRetry);
    if (const NodeId leader = library_.leader(); leader != NodeId{} && leader != self_) from = leader;
  }
}

task<void> NodeGroup::drain() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  // A group of several may have lost its majority.
  const TimePoint end = clock_.now() + 2 * timing_.election;
  for (;;) {
    submit_waiting();
    if (!usable() || in_flight_.empty() || journal_.full() || (!only_voter_ && clock_.now() >= end)) co_return;
    co_await clock_.sleep(kDrainPoll);
  }
}

template <class T>
void NodeGroup::complete(const std::vector<T*>& done) {
  std::vector<std::pair<Executor, std::vector<std::function<void()>>>> by_executor;
  for (T* waiter : done) {
    auto it = std::find_if(by_executor.begin(), by_executor.end(),
                           [waiter](const auto& entry) { return entry.first == waiter->executor; });
    if (it == by_executor.end()) it = by_executor.insert(by_executor.end(), {waiter->executor, {}});
    it->second.push_back(std::move(waiter->resume));
  }
  // A waiter is gone as soon as it resumes, so nothing below touches one.
  for (auto& [executor, resumes] : by_executor) {
    asio::post(executor, [list = std::move(resumes)] {
      for (const auto& resume : list) resume();
    });
  }
}

template void NodeGroup::complete(const std::vector<Proposal*>& done);
template void NodeGroup::complete(const std::vector<Reader*>& done);

}  // namespace gabion::metadata::raft
