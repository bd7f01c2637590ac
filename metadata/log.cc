#include "metadata/log.h"

#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "metadata/mutation.h"

namespace gabion::metadata {
namespace {

std::string describe(const Error& error) { return std::string(to_string(error.code)) + ": " + error.message; }

Error stopped() {
  return {Errc::unavailable, "the metadata log lost too many of its drives and takes nothing more until a restart"};
}

}  // namespace

MirroredLog::MirroredLog(const LogOptions& options) : required_(options.required), segment_bytes_(options.segment_bytes) {
  replicas_.reserve(options.drives.size());
  for (const LogDrive& drive : options.drives) replicas_.emplace_back(drive, segment_bytes_);
}

task<MirroredLog::Outcome> MirroredLog::run_one(Executor executor, LogReplica& files, std::size_t replica,
                                                Operation operation) {
  auto call = [&files, &operation] { return operation(files); };
  auto result = co_await offload(std::move(executor), std::move(call));
  co_return Outcome(replica, std::move(result));
}

task<std::vector<MirroredLog::Outcome>> MirroredLog::run_all(Operation operation, std::size_t at_most) {
  std::vector<task<Outcome>> running;
  for (std::size_t i = 0; i < replicas_.size() && running.size() < at_most; ++i) {
    Replica& replica = replicas_[i];
    if (replica.healthy) running.push_back(run_one(replica.executor, *replica.files, i, operation));
  }
  auto outcomes = co_await gather(std::move(running));
  co_return outcomes;
}

std::size_t MirroredLog::healthy_count() const {
  return static_cast<std::size_t>(std::count_if(replicas_.begin(), replicas_.end(), [](const Replica& r) { return r.healthy; }));
}

bool MirroredLog::enough() const { return healthy_count() >= std::max<std::size_t>(1, std::min(required_, replicas_.size())); }

bool MirroredLog::healthy(std::size_t drive) const {
  const std::lock_guard lock(status_mutex_);
  return replicas_[drive].healthy;
}

std::vector<LogReplicaStatus> MirroredLog::status() const {
  const std::lock_guard lock(status_mutex_);
  std::vector<LogReplicaStatus> out;
  for (const Replica& replica : replicas_) out.push_back({replica.id, replica.healthy, replica.error});
  return out;
}

void MirroredLog::set_failed(std::size_t replica, std::string why) {
  LOG(error, "metadata", "a replica of the metadata log has failed", field("drive", replicas_[replica].id.to_hex()),
      field("error", why));
  const std::lock_guard lock(status_mutex_);
  replicas_[replica].healthy = false;
  replicas_[replica].error = std::move(why);
}

task<Result<void>> MirroredLog::append(const std::vector<std::string>& commands) {
  std::string batch;
  std::uint64_t index = next_index_;
  for (const std::string& command : commands) {
    RecordHeader header;
    header.index = index++;
    header.epoch = epoch_;
    header.committed = committed_;
    append_record(batch, id_, header, command);
  }
  return append_batch(std::move(batch), commands.size());
}

task<Result<void>> MirroredLog::append_batch(std::string batch, std::size_t count) {
  if (broken_ || !enough()) co_return stopped();
  const std::uint64_t tail_size = segments_.rbegin()->second;
  if (tail_size > kSegmentHeaderSize && tail_size + batch.size() > segment_bytes_) CO_CHECK(co_await roll());

  const std::uint64_t offset = segments_.rbegin()->second;
  const std::string_view bytes = batch;
  std::vector<std::size_t> failed;
  const std::size_t at_most = mutated(Mutation::acknowledge_after_one) ? 1 : SIZE_MAX;
  auto outcomes = co_await run_all([offset, bytes](LogReplica& files) { return files.append(offset, bytes); }, at_most);
  if (auto error = settle(std::move(outcomes), failed)) {
    auto cut = [offset](LogReplica& files) { return files.cut_tail(offset); };
    co_return co_await take_back(std::move(cut), std::move(failed), *std::move(error));
  }
  if (!failed.empty()) co_await exclude(std::move(failed));
  segments_.rbegin()->second += batch.size();
  bytes_ += batch.size();
  next_index_ += count;
  if (!enough()) {
    broken_ = true;
    co_return Error(Errc::unknown_outcome, "too few drives of the metadata log work");
  }
  committed_ = next_index_ - 1;
  co_return Result<void>();
}

task<Result<void>> MirroredLog::roll() {
  const std::uint64_t first = next_index_;
  const std::uint64_t previous = segments_.rbegin()->first;
  const std::string header = segment_header(id_, first);
  spare_ = false;
  std::vector<std::size_t> failed;
  auto outcomes = co_await run_all([first, &header](LogReplica& files) { return files.roll(first, header); });
  if (auto error = settle(std::move(outcomes), failed)) {
    auto undo = [first, previous](LogReplica& files) { return files.unroll(first, previous); };
    co_return co_await take_back(std::move(undo), std::move(failed), *std::move(error));
  }
  if (!failed.empty()) co_await exclude(std::move(failed));
  if (!enough()) {
    broken_ = true;
    co_return stopped();
  }
  segments_.emplace(first, header.size());
  bytes_ += header.size();
  co_return Result<void>();
}

task<bool> MirroredLog::hold_spare() {
  if (spare_ || broken_ || !enough()) co_return true;
  std::vector<std::size_t> failed;
  auto outcomes = co_await run_all([](LogReplica& files) { return files.hold_spare(); });
  tight_ = settle(std::move(outcomes), failed).has_value();
  spare_ = !tight_;
  if (!failed.empty()) co_await exclude(std::move(failed));
  co_return spare_;
}

std::optional<Error> MirroredLog::settle(std::vector<Outcome> outcomes, std::vector<std::size_t>& failed) {
  std::optional<Error> full;
  for (Outcome& outcome : outcomes) {
    if (outcome.result) continue;
    if (outcome.result.error().code == Errc::exhausted) {
      full = outcome.result.error();
    } else if (!mutated(Mutation::keep_failed_replica)) {
      set_failed(outcome.replica, describe(outcome.result.error()));
      failed.push_back(outcome.replica);
    }
  }
  return full;
}

task<Error> MirroredLog::take_back(Operation operation, std::vector<std::size_t> failed, Error why) {
  auto outcomes = co_await run_all(std::move(operation));
  for (Outcome& outcome : outcomes) {
    if (outcome.result) continue;
    set_failed(outcome.replica, describe(outcome.result.error()));
    failed.push_back(outcome.replica);
  }
  if (!failed.empty()) co_await exclude(std::move(failed));
  if (healthy_count() != 0) co_return why;
  broken_ = true;
  co_return Error(Errc::unknown_outcome, "all drives of the metadata log have failed");
}

task<void> MirroredLog::exclude(std::vector<std::size_t> failed) {
  co_await write_members();
  if (healthy_count() == 0) co_return;  // nobody goes on, so nobody is left behind
  const Members others = members();
  for (const std::size_t i : failed) {
    Replica& replica = replicas_[i];
    if (!replica.files) continue;
    // The epoch shows that it is stale wherever one of the others is found; this shows it where none is.
    auto told = co_await run_one(replica.executor, *replica.files, i,
                                 [&others](LogReplica& files) { return files.leave_behind(others); });
    if (!told.result) LOG(debug, "metadata", "the failed replica cannot be told", field("drive", replica.id.to_hex()));
  }
}

Members MirroredLog::members() const {
  Members out;
  out.log = id_;
  out.epoch = epoch_;
  out.committed = committed_;
  for (const Replica& replica : replicas_) {
    if (replica.healthy) out.drives.push_back(replica.id);
  }
  return out;
}

task<void> MirroredLog::write_members() {
  for (bool changed = true; changed && healthy_count() != 0;) {
    changed = false;
    ++epoch_;
    const Members agreed = members();
    auto outcomes = co_await run_all([&agreed](LogReplica& files) { return files.write_members(agreed); });
    for (Outcome& outcome : outcomes) {
      if (outcome.result) continue;
      set_failed(outcome.replica, describe(outcome.result.error()));
      changed = true;
    }
  }
}

std::uint64_t MirroredLog::last_of_segment(std::uint64_t first) const {
  const auto next = segments_.upper_bound(first);
  return next == segments_.end() ? last_index() : next->first - 1;
}

task<Result<MergedSegment>> MirroredLog::read_merged(std::uint64_t first, std::uint64_t last) {
  std::vector<SegmentSource> sources;
  MergedSegment merged;
  Error error(Errc::unavailable, "no drive of the metadata log works");
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    Replica& replica = replicas_[i];
    if (!replica.healthy) continue;
    auto content = std::make_shared<std::string>();
    auto outcome = co_await run_one(replica.executor, *replica.files, i, [first, content](LogReplica& files) -> Result<void> {
      TRY(*content, files.read_segment(first));
      return {};
    });
    if (!outcome.result) {
      error = outcome.result.error();
      continue;
    }
    SegmentSource source;
    source.content = std::move(*content);
    source.believed = last;
    source.member = true;
    source.records = scan_segment(source.content, id_, first);
    sources.push_back(std::move(source));
    // Only what one replica lacks is looked for on the next.
    merged = merge_segment(sources, id_, first, last);
    if (merged.damaged.empty()) co_return merged;
  }
  if (sources.empty()) co_return error;
  co_return merged;
}

task<Result<std::vector<LogEntry>>> MirroredLog::read(std::uint64_t from) {
  CO_TRY(auto scanned, co_await scan(from));
  std::uint64_t expected = from;
  for (const LogEntry& entry : scanned.entries) {
    if (entry.index != expected) break;
    ++expected;
  }
  if (expected != scanned.next) {
    co_return Error(Errc::corrupt, fmt::format("entry {} of the metadata log is damaged on every drive that has it", expected));
  }
  co_return std::move(scanned.entries);
}

task<Result<MirroredLog::Scanned>> MirroredLog::scan(std::uint64_t from) {
  Scanned scanned;
  scanned.next = from;
  if (from > last_index()) co_return scanned;
  GABION_CHECK(from >= first_index(), "log entries that were dropped are read");
  const std::uint64_t first = std::prev(segments_.upper_bound(from))->first;
  scanned.next = last_of_segment(first) + 1;
  CO_TRY(const auto merged, co_await read_merged(first, scanned.next - 1));
  for (const ScannedRecord& record : merged.records) {
    if (record.header.index < from) continue;
    std::string payload = merged.content.substr(record.offset + kRecordHeaderSize, record.payload_size);
    scanned.entries.push_back({record.header.index, std::move(payload)});
  }
  co_return scanned;
}

task<void> MirroredLog::truncate(std::uint64_t index) {
  while (segments_.size() > 1 && std::next(segments_.begin())->first <= index) {
    const auto [first, size] = *segments_.begin();
    // A segment that stays is found and dropped after the next opening.
    auto outcomes = co_await run_all([first](LogReplica& files) { return files.remove_segment(first); });
    for (const Outcome& outcome : outcomes) {
      if (!outcome.result) LOG(warn, "metadata", "an old log segment stays", field("error", outcome.result.error().message));
    }
    segments_.erase(segments_.begin());
    bytes_ -= size;
  }
}

task<void> MirroredLog::fail(std::size_t drive, std::string why) {
  if (!replicas_[drive].healthy) co_return;
  set_failed(drive, std::move(why));
  std::vector<std::size_t> failed(1, drive);
  co_await exclude(std::move(failed));
  if (!enough()) broken_ = true;
}

task<void> MirroredLog::close() {
  if (!broken_ && healthy_count() != 0) co_await write_members();
}

}  // namespace gabion::metadata
