#include <algorithm>

#include "common/check.h"
#include "metadata/group.h"

namespace gabion::metadata {
namespace {

constexpr std::size_t kCommandMax = 4 * MiB;
constexpr std::size_t kWaitingBytesMax = 32 * MiB;
constexpr std::size_t kBatchBytesMax = MiB;
constexpr std::size_t kBatchMax = 1024;

}  // namespace

LocalGroup::LocalGroup(MirroredLog& log, Applier& applier, Executor executor, Clock& clock, GroupMetrics& metrics)
    : log_(log), applier_(applier), executor_(std::move(executor)), clock_(clock), metrics_(metrics) {}

void LocalGroup::start() { spawn(executor_, gate_, "metadata commit loop", run()); }

task<void> LocalGroup::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.set();
  co_await gate_.close();
}

task<Result<void>> LocalGroup::read_barrier(Context) {
  // One process: what was acknowledged has been applied.
  co_return Result<void>();
}

task<Result<std::string>> LocalGroup::propose(Context ctx, std::string command, Purpose purpose) {
  if (command.size() > kCommandMax) co_return Error(Errc::too_large, "a metadata command is larger than 4 MiB");
  auto executor = co_await asio::this_coro::executor;
  Proposal proposal(ctx, std::move(command), purpose, std::move(executor));
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
            wake = std::exchange(idle_, false);
          }
        }
        if (refusal) {
          proposal.result = *std::move(refusal);
          asio::post(proposal.executor, proposal.resume);
        }
        if (wake) work_.set();
      },
      asio::use_awaitable);
  co_return std::move(proposal.result);
}

task<bool> LocalGroup::between_rounds(std::function<task<void>()> work) {
  auto done = std::make_shared<Event>();
  {
    const std::lock_guard lock(mutex_);
    if (ended_) co_return false;
    interludes_.emplace_back(std::move(work), done);
    idle_ = false;
  }
  work_.set();
  co_await done->wait();
  co_return true;
}

task<void> LocalGroup::run() {
  for (;;) {
    co_await run_interludes();
    auto batch = take_batch();
    if (!batch.empty()) {
      co_await commit(std::move(batch));
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty() && interludes_.empty()) {
        if (stopping_) {
          ended_ = true;
          co_return;
        }
        idle_ = true;
      } else {
        continue;
      }
    }
    co_await work_.wait();
  }
}

task<void> LocalGroup::run_interludes() {
  for (;;) {
    std::function<task<void>()> work;
    std::shared_ptr<Event> done;
    {
      const std::lock_guard lock(mutex_);
      if (interludes_.empty()) co_return;
      std::tie(work, done) = std::move(interludes_.front());
      interludes_.pop_front();
    }
    co_await work();
    done->set();
  }
}

std::vector<LocalGroup::Proposal*> LocalGroup::take_batch() {
  std::vector<Proposal*> batch;
  std::size_t bytes = 0;
  const std::lock_guard lock(mutex_);
  while (!waiting_.empty() && batch.size() < kBatchMax) {
    const std::size_t size = waiting_.front()->command.size();
    if (!batch.empty() && bytes + size > kBatchBytesMax) break;
    bytes += size;
    batch.push_back(waiting_.front());
    waiting_.pop_front();
  }
  waiting_bytes_ -= bytes;
  return batch;
}

void LocalGroup::fail_all(const std::vector<Proposal*>& batch, const Error& error) {
  for (Proposal* proposal : batch) proposal->result = error;
}

void LocalGroup::refuse(std::vector<Proposal*>& batch, const std::function<bool(const Proposal&)>& which, const Error& error) {
  std::vector<Proposal*> refused;
  std::erase_if(batch, [&which, &refused](Proposal* proposal) {
    if (!which(*proposal)) return false;
    refused.push_back(proposal);
    return true;
  });
  fail_all(refused, error);
  complete(refused);
}

task<void> LocalGroup::commit(std::vector<Proposal*> batch) {
  const TimePoint start = clock_.now();
  refuse(batch, [start](const Proposal& proposal) { return proposal.ctx.deadline <= start; },
         Error(Errc::deadline, "the deadline passed before the command was committed"));
  if (batch.empty()) co_return;
  const Room room = applier_.room();
  const bool spare = co_await log_.hold_spare();
  refuse(batch, [room, spare](const Proposal& proposal) {
           return room == Room::none || (proposal.purpose == Purpose::takes_space && (room == Room::reserve || !spare));
         }, Error(Errc::exhausted, "a drive that holds metadata is full"));
  if (batch.empty()) co_return;
  if (lost_) {
    fail_all(batch, *lost_);
    complete(batch);
    co_return;
  }
  std::vector<std::string> commands;
  commands.reserve(batch.size());
  for (Proposal* proposal : batch) commands.push_back(std::move(proposal->command));
  const std::uint64_t first = log_.last_index() + 1;
  auto appended = co_await log_.append(commands);
  if (!appended) {
    fail_all(batch, appended.error());
    complete(batch);
    co_return;
  }
  auto results = co_await applier_.apply(first, commands);
  if (!results) {
    // It is in the log, so it will have happened once there is a state again.
    fail_all(batch, Error(Errc::unknown_outcome, results.error().message));
    if (results.error().code != Errc::unknown_outcome) lost_.emplace(Errc::unavailable, results.error().message);
  } else {
    GABION_CHECK(results->size() == batch.size(), "each command has one result");
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i]->result = std::move((*results)[i]);
  }
  metrics_.commands.add(batch.size());
  metrics_.rounds.add();
  metrics_.round_seconds.observe(clock_.now() - start);
  complete(batch);
}

void LocalGroup::complete(const std::vector<Proposal*>& batch) {
  std::vector<std::pair<Executor, std::vector<std::function<void()>>>> by_executor;
  for (Proposal* proposal : batch) {
    auto it = std::find_if(by_executor.begin(), by_executor.end(),
                           [proposal](const auto& entry) { return entry.first == proposal->executor; });
    if (it == by_executor.end()) it = by_executor.insert(by_executor.end(), {proposal->executor, {}});
    it->second.push_back(std::move(proposal->resume));
  }
  // A proposal is gone as soon as it resumes, so nothing below touches one.
  for (auto& [executor, resumes] : by_executor) {
    asio::post(executor, [list = std::move(resumes)] {
      for (const auto& resume : list) resume();
    });
  }
}

}  // namespace gabion::metadata
