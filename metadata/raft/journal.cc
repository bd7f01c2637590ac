#include "metadata/raft/journal.h"

#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "metadata/mutation.h"

namespace gabion::metadata::raft {
namespace {

constexpr std::size_t kBatchBytesMax = 4 * MiB;
constexpr std::size_t kBatchMax = 1024;
constexpr Duration kFullRetry = std::chrono::milliseconds(100);

Record record_of(Record::Kind kind, GroupId group) {
  Record record;
  record.kind = kind;
  record.group = group;
  return record;
}

}  // namespace

std::uint64_t Journal::write_hard_state(GroupId group, const HardState& hard) {
  Record record = record_of(Record::Kind::hard_state, group);
  record.hard = hard;
  return queue(encode_hard_state(group, hard), std::move(record), {});
}

std::uint64_t Journal::write_truncate(GroupId group, std::uint64_t from) {
  Record record = record_of(Record::Kind::truncate, group);
  record.index = from;
  return queue(encode_truncate(group, from), std::move(record), {});
}

std::uint64_t Journal::write_entry(GroupId group, std::uint64_t index, const EntryView& entry, std::function<void()> done) {
  Record record = record_of(Record::Kind::entry, group);
  record.index = index;
  return queue(encode_entry(group, index, entry.term, entry.type, entry.data), std::move(record), std::move(done));
}

std::uint64_t Journal::write_snapshot(GroupId group, const Snapshot& snapshot, std::function<void()> done) {
  Record record = record_of(Record::Kind::snapshot, group);
  record.snapshot = snapshot;
  return queue(encode_snapshot(group, snapshot), std::move(record), std::move(done));
}

void Journal::found(GroupId group, const HardState& hard, const Snapshot& base) {
  write_hard_state(group, hard);
  write_snapshot(group, base, {});
  Recovered& begun = recovered_[group];
  begun.hard = hard;
  begun.snapshot = base;
  begun.first = base.index + 1;
}

std::uint64_t Journal::queue(std::string bytes, Record record, std::function<void()> done) {
  ++queued_;
  if (failure_ || closing_) return queued_;
  const bool idle = waiting_.empty();
  Queued& item = waiting_.emplace_back();
  item.bytes = std::move(bytes);
  item.record = std::move(record);
  item.done = std::move(done);
  if (idle) work_.set();
  return queued_;
}

std::vector<Journal::Queued> Journal::take_batch() {
  std::vector<Queued> batch;
  std::size_t bytes = 0;
  while (!waiting_.empty() && batch.size() < kBatchMax) {
    bytes += waiting_.front().bytes.size();
    if (!batch.empty() && bytes > kBatchBytesMax) break;
    batch.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return batch;
}

task<void> Journal::write_all() {
  for (;;) {
    auto batch = take_batch();
    if (batch.empty()) {
      if (closing_) co_return;
      co_await work_.wait();
      continue;
    }
    std::vector<std::string> payloads;
    payloads.reserve(batch.size());
    for (Queued& item : batch) payloads.push_back(std::move(item.bytes));
    for (Queued& item : batch) {
      if (mutated(Mutation::acknowledge_early) && item.done) std::exchange(item.done, nullptr)();
    }
    if (auto written = co_await write(std::move(payloads)); !written) {
      fail(written.error());
      co_return;
    }
    std::uint64_t position = log_.last_index() - batch.size();
    for (const Queued& item : batch) {
      auto applied = images_[item.record.group].apply(item.record, ++position);
      GABION_CHECK(applied.has_value(), "what is written to the journal fits what is there");
    }
    durable_ += batch.size();
    for (Queued& item : batch) {
      if (item.done) item.done();
    }
    listener_.durable();
    for (; !flushes_.empty() && flushes_.front().first <= durable_; flushes_.pop_front()) flushes_.front().second->set();
  }
}

// A drive that is full leaves the batch unwritten, so that it can be tried again.
task<Result<void>> Journal::write(std::vector<std::string> batch) {
  for (;;) {
    Result<void> appended;
    {
      const auto turn = co_await turn_.take();
      appended = co_await log_.append(batch);
    }
    const bool full = !appended && appended.error().code == Errc::exhausted;
    if (full && !full_) LOG(error, "metadata", "a drive of the metadata log is full", field("error", appended.error().message));
    full_ = full;
    if (!full || closing_) co_return appended;
    listener_.full();
    spawn(executor_, gate_, "a full drive", retry_later());
    co_await retry_.wait();
  }
}

task<void> Journal::retry_later() {
  co_await clock_.sleep(kFullRetry);
  retry_.set();
}

void Journal::fail(Error error) {
  LOG(error, "metadata", "the metadata log cannot be written any more", field("error", error.message));
  failure_ = std::move(error);
  waiting_.clear();
  listener_.failed();
  for (; !flushes_.empty(); flushes_.pop_front()) flushes_.front().second->set();
}

task<void> Journal::flush() {
  if (failure_ || durable_ == queued_) co_return;
  Event durable;
  flushes_.emplace_back(queued_, &durable);
  co_await durable.wait();
}

task<void> Journal::close() {
  closing_ = true;
  work_.set();
  retry_.set();
  co_await gate_.close();
}

task<void> Journal::hold_spare() {
  const auto turn = co_await turn_.take();
  co_await log_.hold_spare();
}

task<void> Journal::fail_drive(std::size_t drive, std::string why) {
  const auto turn = co_await turn_.take();
  co_await log_.fail(drive, std::move(why));
}

std::uint64_t Journal::oldest_needed() const {
  std::uint64_t oldest = log_.last_index();  // the base itself
  for (const auto& [group, image] : images_) {
    if (!image.positions.empty()) oldest = std::min(oldest, image.positions.front());
  }
  return oldest;
}

task<Result<void>> Journal::cut(std::map<GroupId, Cut> cuts) {
  const auto turn = co_await turn_.take();
  if (failure_) co_return *failure_;
  // Of what is on the drives, and not of what waits to be written: it comes after this.
  std::vector<GroupBase> bases;
  for (const auto& [group, image] : images_) {
    GroupBase& base = bases.emplace_back();
    base.group = group;
    base.hard = image.hard;
    base.snapshot = image.snapshot;
    base.first = image.first;
    base.last = image.last();
    const auto cut = cuts.find(group);
    if (cut == cuts.end() || cut->second.snapshot.index > image.last()) continue;
    if (image.snapshot && cut->second.snapshot.index < image.snapshot->index) continue;
    base.snapshot = cut->second.snapshot;
    base.first = std::clamp(cut->second.first, image.first, base.snapshot->index + 1);
  }
  std::vector<std::string> records(1, encode_base(bases));
  auto appended = co_await log_.append(records);
  if (!appended) {
    if (appended.error().code != Errc::exhausted) fail(appended.error());
    co_return appended;
  }
  for (const GroupBase& base : bases) images_[base.group].rebase(base);
  co_await log_.truncate(oldest_needed());
  co_return Result<void>();
}

}  // namespace gabion::metadata::raft
