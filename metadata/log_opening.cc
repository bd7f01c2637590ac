#include "metadata/log_opening.h"

#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "metadata/mutation.h"

namespace gabion::metadata {

task<Result<std::unique_ptr<MirroredLog>>> MirroredLog::open(LogOptions options, Rng& rng) {
  std::unique_ptr<MirroredLog> log(new MirroredLog(options));
  LogOpening opening(*log, options, rng);
  CO_CHECK(co_await opening.run());
  co_return log;
}

namespace {

std::string names_of(const std::vector<DriveId>& drives) {
  std::string out;
  for (const DriveId& drive : drives) out += (out.empty() ? "drive " : " or drive ") + drive.to_hex();
  return out;
}

}  // namespace

LogOpening::LogOpening(MirroredLog& log, const LogOptions& options, Rng& rng)
    : log_(log), options_(options), rng_(rng), findings_(options.drives.size()) {}

task<Result<void>> LogOpening::run() {
  co_await inspect();
  const auto any = [this](auto&& holds) { return std::any_of(findings_.begin(), findings_.end(), holds); };
  if (!any([](const Finding& f) { return f.inventory.has_value(); })) {
    co_return Error(Errc::unavailable, "no drive of the metadata log can be used: " + reasons());
  }
  if (!any([](const Finding& f) { return f.inventory && !f.inventory->empty(); })) co_return co_await create();
  CO_CHECK(choose_members());
  CO_CHECK(co_await load_tail());
  CO_CHECK(judge_tail());
  CO_CHECK(co_await equalize());
  co_return co_await join();
}

task<Result<void>> LogOpening::on(std::size_t replica, MirroredLog::Operation operation) {
  auto& target = log_.replicas_[replica];
  auto outcome = co_await MirroredLog::run_one(target.executor, *target.files, replica, std::move(operation));
  co_return std::move(outcome.result);
}

void LogOpening::give_up(std::size_t replica, const Error& error) {
  findings_[replica].inventory.reset();
  findings_[replica].member = false;
  findings_[replica].tail.clear();
  log_.set_failed(replica, error.message);
}

std::string LogOpening::reasons() const {
  std::string out;
  for (const auto& replica : log_.replicas_) {
    if (replica.error.empty()) continue;
    if (!out.empty()) out += "; ";
    out += "drive " + replica.id.to_hex() + ": " + replica.error;
  }
  return out;
}

task<void> LogOpening::inspect() {
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    if (!log_.replicas_[i].files) {
      give_up(i, Error(Errc::unavailable, "the drive is missing"));
      continue;
    }
    auto inventory = std::make_shared<LogReplica::Inventory>();
    auto result = co_await on(i, [inventory](LogReplica& files) -> Result<void> {
      TRY(*inventory, files.inspect());
      return {};
    });
    if (result) findings_[i].inventory = std::move(*inventory);
    else give_up(i, result.error());
  }
}

task<Result<void>> LogOpening::create() {
  if (!options_.allow_new) co_return Error(Errc::not_found, "there is no metadata log on any of the drives");
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    if (usable(i)) continue;
    co_return Error(
        Errc::unavailable,
        "no new metadata log is made while a drive that may have one cannot be used: " + reasons());
  }
  log_.id_ = LogId::random(rng_);
  for (auto& replica : log_.replicas_) replica.healthy = true;
  co_await log_.write_members();
  const std::string header = segment_header(log_.id_, 1);
  auto outcomes = co_await log_.run_all([&header](LogReplica& files) { return files.roll(1, header); });
  for (auto& outcome : outcomes) CO_CHECK(std::move(outcome.result));
  log_.segments_.emplace(1, header.size());
  log_.bytes_ = header.size();
  co_return Result<void>();
}

// The newest epoch that anybody knows of, as a member or because it was left behind.
Result<void> LogOpening::find_newest() {
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    if (!usable(i)) continue;
    for (const auto* known : {&findings_[i].inventory->members, &findings_[i].inventory->others}) {
      if (!*known) continue;
      const Members& members = **known;
      const std::string drive = log_.replicas_[i].id.to_hex();
      if (newest_.epoch != 0 && !(members.log == newest_.log)) {
        return Error(Errc::invalid, "the drives hold different metadata logs: drive " + drive + " does not belong to the others");
      }
      if (members.epoch == newest_.epoch && members.drives != newest_.drives) {
        return Error(Errc::invalid, "the drives of the metadata went on without each other: drive " + drive +
                                        " and the others hold different histories; take out one side");
      }
      committed_ = std::max(committed_, members.committed);
      if (members.epoch > newest_.epoch) newest_ = members;
    }
  }
  if (newest_.epoch == 0) return Error(Errc::corrupt, "the list of log replicas is damaged on every drive");
  return {};
}

Result<void> LogOpening::choose_members() {
  TRY_OK(find_newest());
  bool any = false;
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    if (!usable(i)) continue;
    const LogReplica::Inventory& inventory = *findings_[i].inventory;
    if (inventory.members) findings_[i].believed = inventory.members->committed;
    findings_[i].member = inventory.members && inventory.members->epoch == newest_.epoch && !inventory.others_damaged;
    if (mutated(Mutation::stale_replica_wins)) findings_[i].member = inventory.members.has_value();
    any = any || findings_[i].member;
  }
  if (!any) {
    return Error(Errc::unavailable,
                 "the drives that are here were left behind by others that hold the end of the metadata log; "
                 "bring back " +
                     names_of(newest_.drives));
  }
  log_.id_ = newest_.log;
  for (const Finding& finding : findings_) {
    if (!finding.member) continue;
    for (const auto& [first, size] : finding.inventory->segments) segments_[first] = std::max(segments_[first], size);
  }
  tail_first_ = segments_.empty() ? 1 : segments_.rbegin()->first;
  return {};
}

task<Result<std::string>> LogOpening::read_segment(std::size_t replica, std::uint64_t first) {
  auto content = std::make_shared<std::string>();
  CO_CHECK(co_await on(replica, [content, first](LogReplica& files) -> Result<void> {
    TRY(*content, files.read_segment(first));
    return {};
  }));
  co_return std::move(*content);
}

task<Result<void>> LogOpening::load_tail() {
  std::vector<SegmentSource> sources;
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    Finding& finding = findings_[i];
    if (!usable(i) || !finding.inventory->segments.contains(tail_first_)) continue;
    auto content = co_await read_segment(i, tail_first_);
    if (!content) {
      give_up(i, content.error());
      continue;
    }
    finding.tail = *content;
    SegmentSource source;
    source.content = std::move(*content);
    source.records = scan_segment(source.content, log_.id_, tail_first_);
    for (const ScannedRecord& record : source.records) finding.believed = std::max(finding.believed, record.header.committed);
    committed_ = std::max(committed_, finding.believed);
    source.believed = finding.member ? UINT64_MAX : finding.believed;
    source.member = finding.member;
    sources.push_back(std::move(source));
  }
  if (std::none_of(findings_.begin(), findings_.end(), [](const Finding& f) { return f.member; })) {
    co_return Error(Errc::unavailable, "the metadata log cannot be read: " + reasons());
  }
  // A segment is begun only when all before it is acknowledged.
  committed_ = std::max(committed_, tail_first_ - 1);
  tail_ = merge_segment(sources, log_.id_, tail_first_, committed_);
  co_return Result<void>();
}

// Nobody can tell what a damaged end held. Damage before it is for those who know what is still needed.
Result<void> LogOpening::judge_tail() {
  if (!tail_.damaged.empty() && tail_.damaged.back().last == committed_) {
    const IndexRange& range = tail_.damaged.back();
    return Error(
        Errc::corrupt,
        fmt::format("entries {} to {} of the metadata log were acknowledged and are damaged on every drive", range.first,
                    range.last));
  }
  last_ = tail_.records.empty() ? tail_first_ - 1 : tail_.records.back().header.index;
  return {};
}

bool LogOpening::all_members_agree(std::uint64_t first) const {
  for (const Finding& finding : findings_) {
    if (!finding.inventory) continue;
    const auto& segments = finding.inventory->segments;
    const auto it = segments.find(first);
    if (!finding.member || it == segments.end() || it->second != segments_.at(first)) return false;
  }
  return true;
}

task<Result<void>> LogOpening::equalize() {
  segments_.erase(tail_first_);
  for (auto it = segments_.begin(); it != segments_.end(); ++it) {
    const auto next = std::next(it);
    const std::uint64_t last = (next == segments_.end() ? tail_first_ : next->first) - 1;
    if (!all_members_agree(it->first)) CO_CHECK(co_await equalize_sealed(it->first, last));
  }
  segments_[tail_first_] = tail_.content.size();
  co_await place_tail();
  if (std::none_of(findings_.begin(), findings_.end(), [](const Finding& f) { return f.inventory.has_value(); })) {
    co_return Error(Errc::unavailable, "the metadata log cannot be written: " + reasons());
  }
  co_return Result<void>();
}

task<Result<MergedSegment>> LogOpening::merge_sealed(std::uint64_t first, std::uint64_t last) {
  std::vector<SegmentSource> sources;
  MergedSegment merged;
  for (const bool members : {true, false}) {
    for (std::size_t i = 0; i < findings_.size(); ++i) {
      if (!usable(i) || findings_[i].member != members || !findings_[i].inventory->segments.contains(first)) continue;
      auto content = co_await read_segment(i, first);
      if (!content) {
        give_up(i, content.error());
        continue;
      }
      SegmentSource source;
      source.content = std::move(*content);
      source.records = scan_segment(source.content, log_.id_, first);
      source.believed = members ? last : std::min(last, findings_[i].believed);
      source.member = members;
      sources.push_back(std::move(source));
      merged = merge_segment(sources, log_.id_, first, last);
      if (merged.damaged.empty()) co_return merged;
    }
  }
  if (sources.empty()) co_return Error(Errc::unavailable, "a segment of the metadata log cannot be read: " + reasons());
  co_return merged;
}

task<Result<void>> LogOpening::equalize_sealed(std::uint64_t first, std::uint64_t last) {
  CO_TRY(const auto merged, co_await merge_sealed(first, last));
  const std::string_view content = merged.content;
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    if (!usable(i)) continue;
    const auto& segments = findings_[i].inventory->segments;
    const auto it = segments.find(first);
    if (findings_[i].member && it != segments.end() && it->second == content.size()) continue;
    auto written = co_await on(i, [first, content](LogReplica& files) { return files.replace_segment(first, content); });
    if (!written) give_up(i, written.error());
  }
  segments_[first] = content.size();
  co_return Result<void>();
}

// After anything but a clean stop the tail is written anew also where it reads as it should: after a failed sync the kernel
// shows bytes that are not on the drive, and would never write them.
task<void> LogOpening::place_tail() {
  const bool stopped_cleanly = newest_.committed == last_;
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    if (!usable(i)) continue;
    const std::string_view content = tail_.content;
    const std::uint64_t first = tail_first_;
    if (!stopped_cleanly || !findings_[i].member || findings_[i].tail != content) {
      auto written = co_await on(i, [first, content](LogReplica& files) { return files.replace_segment(first, content); });
      if (!written) {
        give_up(i, written.error());
        continue;
      }
    }
    co_await drop_other_segments(i);
  }
}

task<void> LogOpening::drop_other_segments(std::size_t replica) {
  for (const auto& [first, size] : findings_[replica].inventory->segments) {
    if (segments_.contains(first)) continue;
    const std::uint64_t gone = first;
    auto removed = co_await on(replica, [gone](LogReplica& files) { return files.remove_segment(gone); });
    if (removed) continue;
    give_up(replica, removed.error());
    co_return;
  }
}

task<Result<void>> LogOpening::join() {
  log_.epoch_ = newest_.epoch;
  log_.next_index_ = last_ + 1;
  // What is in the log now is on all replicas and stays.
  log_.committed_ = last_;
  log_.segments_ = segments_;
  for (const auto& [first, size] : segments_) log_.bytes_ += size;
  std::vector<DriveId> drives;
  bool changed = false;
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    log_.replicas_[i].healthy = usable(i);
    if (!usable(i)) continue;
    drives.push_back(log_.replicas_[i].id);
    changed = changed || !findings_[i].member;
  }
  const std::uint64_t first = tail_first_;
  auto outcomes = co_await log_.run_all([first](LogReplica& files) { return files.open_tail(first); });
  for (auto& outcome : outcomes) {
    if (outcome.result) continue;
    give_up(outcome.replica, outcome.result.error());
    changed = true;
  }
  // Only now that everybody has everything may the newcomers count as members. An epoch is passed over where members are
  // missing: they may have agreed on it just before.
  if (drives != newest_.drives) ++log_.epoch_;
  if (changed || drives != newest_.drives) co_await log_.write_members();
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    if (!log_.replicas_[i].healthy) continue;
    const LogReplica::Inventory& inventory = *findings_[i].inventory;
    if (!inventory.others && !inventory.others_damaged) continue;
    auto cleared = co_await on(i, [](LogReplica& files) { return files.take_along(); });
    if (!cleared) log_.set_failed(i, cleared.error().message);
  }
  if (log_.healthy_count() == 0) co_return Error(Errc::unavailable, "the metadata log cannot be written: " + reasons());
  co_return Result<void>();
}

}  // namespace gabion::metadata
