// The metadata as whoever splits ranges sees it: group 0 with the real state machine in memory, the other groups as little more
// than the rows they have too many and the rings they know. Any call may be made to fail, with or without having happened.
#pragma once

#include <map>
#include <set>

#include "metadata/cluster/splits.h"
#include "tests/support/memory_metadata.h"

namespace gabion::metadata::cluster::test {

class FakeGroups final : public gabion::test::MemoryMetadata {
 public:
  struct Group {
    std::uint64_t foreign_rows = 0;
    std::uint64_t epoch = 0, oldest = 0;
    bool up = true;
  };
  using MemoryMetadata::MemoryMetadata;

  // --- For tests ---
  enum class Failure { before, after };  // after: it happened all the same
  // The call of this number fails, from 0.
  void fail_call(int number, Failure how) {
    failing_ = number;
    how_ = how;
  }
  int calls() const { return calls_; }
  std::function<void(const Command&)> on_commit = [](const Command&) {};

  std::map<GroupId, Group> others = {{kRootGroup, {}}};
  std::uint64_t rows_after_split = 1200;
  int splits = 0;  // that were made, not only asked for

  // --- Metadata ---
  task<Result<CommandResult>> commit(Context ctx, Command command) override {
    const bool fails = calls_++ == failing_;
    if (fails && how_ == Failure::before) co_return Error(Errc::unavailable, "this call fails");
    on_commit(command);
    Result<CommandResult> result = Error(Errc::unavailable, "the group has no leader");
    if (command.op_case() == Command::kSplitRange || command.op_case() == Command::kTrimRange ||
        command.op_case() == Command::kSetRings) {
      const auto group = others.find(command.group());
      if (group != others.end() && group->second.up) result = apply_to(group->second, command);
    } else {
      result = co_await MemoryMetadata::commit(ctx, std::move(command));
    }
    if (fails) co_return Error(Errc::unknown_outcome, "this call happened and fails");
    co_return result;
  }
  task<Result<VersionedClusterState>> cluster_state(Context ctx) override {
    if (calls_++ == failing_) co_return Error(Errc::unavailable, "this call fails");
    co_return co_await MemoryMetadata::cluster_state(ctx);
  }
  task<Result<std::vector<ManifestId>>> live_manifests(Context, GroupId group, std::vector<ManifestId>) override {
    if (calls_++ == failing_) co_return Error(Errc::unavailable, "this call fails");
    const auto known = others.find(group);
    if (known == others.end() || !known->second.up) co_return Error(Errc::unavailable, "the group has no leader");
    co_return std::vector<ManifestId>();
  }
  task<Result<std::vector<GroupId>>> groups(Context ctx) override {
    CO_TRY(const auto current, co_await cluster_state(ctx));
    std::set<GroupId> out;
    for (const KeyRange& range : key_ranges(current.state)) out.insert(range.group);
    for (const PendingSplit& split : current.state.splits()) out.insert(split.child());
    co_return std::vector<GroupId>(out.begin(), out.end());
  }

 private:
  CommandResult apply_to(Group& group, const Command& command) {
    CommandResult result;
    if (command.has_split_range()) {
      const GroupId child = command.split_range().child();
      if (others.contains(child)) return result;  // it was done before
      ++splits;
      group.foreign_rows += rows_after_split;
      others[child] = group;
    } else if (command.has_trim_range()) {
      group.foreign_rows -= std::min<std::uint64_t>(group.foreign_rows, command.trim_range().limit());
      result.set_more(group.foreign_rows != 0);
    } else {
      group.epoch = std::max(group.epoch, command.set_rings().epoch());
      group.oldest = std::max(group.oldest, command.set_rings().oldest());
    }
    return result;
  }

  int calls_ = 0, failing_ = -1;
  Failure how_ = Failure::before;
};

}  // namespace gabion::metadata::cluster::test
