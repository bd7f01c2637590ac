// How the state of this node gets onto other drives and other nodes, and that of other nodes here.
#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "metadata/mutation.h"
#include "metadata/state_host.h"

namespace gabion::metadata {
namespace {

constexpr Duration kClosePoll = std::chrono::milliseconds(10);

}  // namespace

task<Result<std::uint64_t>> StateHost::persist() {
  auto made = co_await make_checkpoint();
  const auto turn = co_await turn_.take();
  co_await finish_checkpoint(std::move(made));
  if (machine_ == nullptr) co_return nothing_left();
  co_return covered_by_all();
}

task<StateHost::Checkpoint> StateHost::make_checkpoint() {
  Checkpoint checkpoint;
  std::shared_ptr<KvStore> store;
  {
    const std::lock_guard lock(mutex_);
    checkpoint.primary = primary_;
    checkpoint.index = applied_;
    if (view_) store = view_->store;
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (copies_[i].healthy && i != primary_) checkpoint.drives.push_back(i);
    }
  }
  if (store == nullptr) co_return checkpoint;  // the state is being replaced
  checkpoint.begun = true;
  if (options_.splits != nullptr && !options_.splits->may_copy(options_.group)) checkpoint.drives.clear();
  // A copy holds what was applied up to the moment it is taken.
  const auto undivided = [this, divisions = divisions_.load()] { return divisions_.load() == divisions; };
  co_await offload(options_.background, [this, &checkpoint, &store, &undivided] {
    if (storage_.room(checkpoint.primary) == Room::none) {
      checkpoint.flushed = Error(Errc::exhausted, "the drive of the metadata state has no space for a flush");
    } else if (!mutated(Mutation::truncate_log_early)) {
      checkpoint.flushed = store->flush();
    }
    if (checkpoint.flushed) checkpoint.flushed = storage_.advance(checkpoint.primary, checkpoint.index);
    if (checkpoint.flushed && !checkpoint.drives.empty()) {
      checkpoint.results = storage_.copy(checkpoint.primary, checkpoint.drives, checkpoint.index, undivided);
    }
    store.reset();
  });
  co_return checkpoint;
}

task<void> StateHost::finish_checkpoint(Checkpoint checkpoint) {
  if (!checkpoint.begun) co_return;
  for (std::size_t i = 0; i < checkpoint.results.size(); ++i) {
    const Result<void>& result = checkpoint.results[i];
    const std::lock_guard lock(mutex_);
    StateCopyStatus& copy = copies_[checkpoint.drives[i]];
    if (result) copy.covered = std::max(copy.covered, checkpoint.index);
    if (!copy.healthy || copy.primary) continue;
    // A full drive keeps its old copy and the log beyond it: there is no other whole copy to lose. So does one whose copy was
    // overtaken by a split.
    if (!result && (result.error().code == Errc::exhausted || result.error().code == Errc::conflict)) continue;
    copy.error = result ? std::string() : result.error().message;
  }
  if (checkpoint.flushed) {
    const std::lock_guard lock(mutex_);
    copies_[checkpoint.primary].covered = std::max(copies_[checkpoint.primary].covered, checkpoint.index);
  } else if (checkpoint.primary == primary_ && machine_ != nullptr && checkpoint.flushed.error().code != Errc::exhausted) {
    auto moved = co_await fail_now(checkpoint.primary, checkpoint.flushed.error().message);
    if (!moved) LOG(error, "metadata", "the metadata state is lost on all drives", field("error", moved.error().message));
  }
}

// A copy that could not be renewed does not keep the log: it is tried again with the next checkpoint.
std::uint64_t StateHost::covered_by_all() const {
  std::uint64_t covered = UINT64_MAX - 1;
  for (const StateCopyStatus& copy : copies_) {
    if (copy.healthy && copy.error.empty()) covered = std::min(covered, copy.covered);
  }
  return std::min(covered, machine_->entry());
}

task<Result<PinnedState>> StateHost::pin() {
  const auto turn = co_await turn_.take();
  if (machine_ == nullptr) co_return Error(Errc::unavailable, "this node has no metadata state");
  PinnedState pinned;
  pinned.index = machine_->entry();
  const std::size_t drive = primary_;
  CO_TRY(pinned.state, co_await offload(options_.background, [this, drive] { return storage_.export_open(drive); }));
  co_return pinned;
}

task<Result<void>> StateHost::install(NodeId from, std::uint64_t index) {
  if (applied() >= index) co_return Result<void>();
  if (options_.fetch == nullptr) co_return Error(Errc::unavailable, "this node cannot get the state of another one");
  std::size_t drive = 0;
  {
    const auto turn = co_await turn_.take();
    if (machine_ == nullptr) CO_CHECK(co_await open_best());
    drive = primary_;
  }
  // Beside what is here, which serves until the other one is whole.
  CO_TRY(const auto import, co_await offload(options_.background, [this, drive] { return storage_.import_to(drive); }));
  CO_TRY(const std::uint64_t holds, co_await options_.fetch->fetch(from, options_.group, index, *import));
  const auto turn = co_await turn_.take();
  co_return co_await replace(drive, *import, holds);
}

// With the turn. The store must be closed by all who read from it before it can be replaced.
task<Result<void>> StateHost::replace(std::size_t drive, StateImport& import, std::uint64_t index) {
  if (drive != primary_ || !copies_[drive].healthy) co_return Error(Errc::unavailable, "the drive failed meanwhile");
  const std::weak_ptr<KvStore> closing = close_state();
  while (!closing.expired()) co_await options_.clock->sleep(kClosePoll);
  auto committed = co_await offload(options_.background, [&import, index] { return import.commit(index); });
  if (committed) {
    const std::lock_guard lock(mutex_);
    copies_[drive].covered = index;
  } else {
    LOG(error, "metadata", "the state of another node cannot take the place of this one",
        field("error", committed.error().message));
  }
  CO_CHECK(co_await move(0));
  if (applied() < index) co_return Error(Errc::unavailable, "the state of the other node could not be opened");
  co_return Result<void>();
}

}  // namespace gabion::metadata
