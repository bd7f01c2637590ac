#include "metadata/cluster/splitter.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/log.h"
#include "metadata/cluster/edit_state.h"

namespace gabion::metadata::cluster {
namespace {

constexpr Duration kPatience = std::chrono::seconds(5);  // for one group: others are waiting
constexpr Duration kTrimPause = std::chrono::milliseconds(10);

std::string why(const CommandResult& refusal) {
  return refusal.detail().empty() ? Outcome_Name(refusal.outcome()) : refusal.detail();
}

bool splitting(const ClusterState& state, GroupId group) {
  const auto& splits = state.splits();
  return std::any_of(splits.begin(), splits.end(), [group](const PendingSplit& split) { return split.parent() == group; });
}

}  // namespace

task<void> Splitter::stop() {
  stopping_.store(true);
  co_await gate_.close();
}

task<void> Splitter::run() {
  while (!stopping_.load()) {
    bool removing = false;
    if (options_.leads()) {
      const auto looked = co_await look();
      if (!looked) log_once("look", looked.error());
      else logged_.erase("look");
      removing = looked && *looked;
    }
    if (!removing) co_await options_.clock->sleep(options_.round);
  }
}

task<Result<bool>> Splitter::look() {
  Context ctx;
  ctx.deadline = options_.clock->now() + kPatience;
  CO_TRY(const auto current, co_await options_.metadata->cluster_state(ctx));
  for (const PendingSplit& split : current.state.splits()) {
    ctx.deadline = options_.clock->now() + kPatience;
    const std::string what = fmt::format("group {} for group {}", split.parent(), split.child());
    const auto done = co_await carry_out(ctx, split);
    if (!done) log_once(what, done.error());
    else logged_.erase(what);
  }
  // What those splits left over is seen in the next round, by the table that they are in.
  bool more = false;
  for (const KeyRange& range : untrimmed(current.state)) {
    if (stopping_.load() || !options_.leads()) break;
    const TimePoint began = options_.clock->now();
    ctx.deadline = began + kPatience;
    const auto nothing_left = co_await trim(ctx, range);
    if (!nothing_left) log_once(fmt::format("what group {} does not own", range.group), nothing_left.error());
    more |= nothing_left && !*nothing_left;
    const Duration rest = kTrimPause + options_.trim_rest * (options_.clock->now() - began);
    co_await options_.clock->sleep(std::min(rest, options_.round));
  }
  co_return more;
}

task<Result<void>> Splitter::carry_out(Context ctx, PendingSplit split) {
  Command command;
  command.set_group(split.parent());
  command.mutable_split_range()->set_at(split.at());
  command.mutable_split_range()->set_child(split.child());
  CO_TRY(const CommandResult result, co_await options_.metadata->commit(ctx, std::move(command)));
  if (result.outcome() != APPLIED) {
    co_return Error(Errc::internal, fmt::format("group {} refuses it: {}", split.parent(), why(result)));
  }
  // It answers when most of its members have its state: whoever is sent there from now on is served.
  std::vector<ManifestId> any = {manifest_id(split.child(), 1)};
  CO_CHECK(co_await options_.metadata->live_manifests(ctx, split.child(), std::move(any)));
  const auto finish = [child = split.child()](ClusterState& state) -> Result<void> {
    finish_split(state, child);
    return {};
  };
  CO_CHECK(co_await edit_state(*options_.metadata, ctx, finish));
  LOG(info, "cluster", "a key range was split", field("group", split.parent()), field("new_group", split.child()));
  co_return Result<void>();
}

task<Result<bool>> Splitter::trim(Context ctx, KeyRange range) {
  Command command;
  command.set_group(range.group);
  command.mutable_trim_range()->set_limit(options_.trim_rows);
  CO_TRY(const CommandResult result, co_await options_.metadata->commit(ctx, std::move(command)));
  if (result.outcome() != APPLIED) co_return Error(Errc::internal, fmt::format("it is refused: {}", why(result)));
  if (result.more()) co_return false;
  const std::lock_guard lock(mutex_);
  trimmed_[range.group] = std::move(range);
  co_return true;
}

std::vector<KeyRange> Splitter::untrimmed(const ClusterState& state) const {
  std::vector<KeyRange> out;
  if (state.ranges_size() == 0) return out;  // nothing was ever split
  const std::lock_guard lock(mutex_);
  for (KeyRange& range : key_ranges(state)) {
    // What it is splitting off may still be needed, until most members of the new group have its state.
    if (splitting(state, range.group)) continue;
    const auto trimmed = trimmed_.find(range.group);
    if (trimmed == trimmed_.end() || trimmed->second != range) out.push_back(std::move(range));
  }
  return out;
}

std::vector<GroupId> Splitter::trimming(const ClusterState& state) const {
  std::vector<GroupId> out;
  for (const KeyRange& range : untrimmed(state)) out.push_back(range.group);
  return out;
}

void Splitter::log_once(const std::string& what, const Error& error) {
  if (!logged_.insert(what).second) return;
  LOG(warn, "cluster", "a key range cannot be split yet", field("what", what), field("error", error.message));
}

}  // namespace gabion::metadata::cluster
