#include "metadata/state_host.h"

#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "metadata/mutation.h"

namespace gabion::metadata {
namespace {

constexpr std::size_t kReplayBatch = 512;
// On full drives checkpoints come so often, as they cut the log and give its space back.
constexpr std::uint64_t kTightCheckpointBytes = MiB;

}  // namespace

StateHost::StateHost(StateStorage& storage, Executor background, std::uint64_t checkpoint_log_bytes)
    : storage_(storage),
      background_(std::move(background)),
      checkpoint_log_bytes_(checkpoint_log_bytes),
      copies_(storage.drives()) {}

void StateHost::set_failed(std::size_t drive, std::string why) {
  LOG(error, "metadata", "the state on a drive cannot be used", field("drive", drive), field("error", why));
  const std::lock_guard lock(mutex_);
  copies_[drive].healthy = false;
  copies_[drive].primary = false;
  copies_[drive].error = std::move(why);
}

std::shared_ptr<KvStore> StateHost::current() const {
  const std::lock_guard lock(mutex_);
  return store_;
}

std::uint64_t StateHost::applied() const {
  const std::lock_guard lock(mutex_);
  return applied_;
}

std::vector<StateCopyStatus> StateHost::status() const {
  const std::lock_guard lock(mutex_);
  return copies_;
}

task<Result<std::uint64_t>> StateHost::load() {
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    auto mark = co_await offload(background_, [this, i] { return storage_.mark(i); });
    if (!mark && mark.error().code != Errc::corrupt) {
      set_failed(i, mark.error().message);
      continue;
    }
    const std::lock_guard lock(mutex_);
    copies_[i].healthy = true;
    // A damaged copy holds nothing until it is made again.
    copies_[i].covered = mark && *mark ? (*mark)->index : 0;
    copies_[i].primary = mark && *mark && (*mark)->primary;
  }
  CO_CHECK(co_await open_best());
  co_return machine_->applied();
}

Result<StateHost::Opened> StateHost::open_one(StateStorage& storage, std::size_t drive) {
  Opened opened;
  TRY(opened.store, storage.open(drive));
  TRY(opened.machine, StateMachine::load(*opened.store));
  return opened;
}

// The healthy copy with the most; where they are equal, the one that was written to last has the least to replay.
task<Result<void>> StateHost::open_best() {
  for (;;) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (!copies_[i].healthy) continue;
      const auto rank = [this](std::size_t drive) { return std::pair(copies_[drive].covered, copies_[drive].primary); };
      if (!best || rank(i) > rank(*best)) best = i;
    }
    if (!best) co_return nothing_left();
    const std::size_t drive = *best;
    auto opened = co_await offload(background_, [this, drive] { return open_one(storage_, drive); });
    if (!opened) {
      set_failed(drive, opened.error().message);
      continue;
    }
    machine_ = std::move(opened->machine);
    const std::lock_guard lock(mutex_);
    store_ = std::move(opened->store);
    primary_ = drive;
    applied_ = machine_->applied();
    for (std::size_t i = 0; i < copies_.size(); ++i) copies_[i].primary = i == drive;
    co_return Result<void>();
  }
}

task<Result<void>> StateHost::open(MirroredLog& log) {
  log_ = &log;
  CO_CHECK(co_await move(log.last_index()));
  // A drive whose copy cannot be brought up from the log any more gets a new one at once, as one that is new does.
  const bool copy_needed = std::any_of(copies_.begin(), copies_.end(), [&log](const StateCopyStatus& copy) {
    return copy.healthy && !copy.primary && copy.covered + 1 < log.first_index();
  });
  checkpoint_at_ = checkpoint_log_bytes_;
  if (copy_needed || log.bytes() >= checkpoint_at_) checkpoint_due_.set();
  co_return Result<void>();
}

task<Result<void>> StateHost::replay(std::uint64_t last) {
  if (machine_->applied() + 1 < log_->first_index()) {
    Error error(Errc::corrupt, fmt::format("the metadata state ends with command {}, and the log begins with {}",
                                           machine_->applied(), log_->first_index()));
    set_failed(primary_, error.message);
    co_return error;
  }
  while (machine_->applied() < last) {
    CO_TRY(const auto entries, co_await log_->read(machine_->applied() + 1));
    Result<void> done;
    for (std::size_t i = 0; done && i < entries.size() && entries[i].index <= last; ++i) {
      auto applied = machine_->apply(entries[i].index, entries[i].command);
      if (!applied) done = applied.error();
      else if (i % kReplayBatch == kReplayBatch - 1) done = machine_->commit();
    }
    if (done) done = machine_->commit();
    if (done) continue;
    set_failed(primary_, done.error().message);
    co_return done.error();
  }
  co_return Result<void>();
}

// Goes to the best state that is left, until one can be brought up to `last`. The one that is open is tried first.
task<Result<void>> StateHost::move(std::uint64_t last) {
  for (;;) {
    if (machine_ == nullptr || !copies_[primary_].healthy) {
      machine_.reset();
      CO_CHECK(co_await open_best());
    }
    if (auto owned = machine_->belong_to(log_->id()); !owned) {
      set_failed(primary_, owned.error().message);
      continue;
    }
    auto replayed = co_await replay(last);
    set_applied();
    if (replayed || copies_[primary_].healthy) co_return replayed;
  }
}

void StateHost::set_applied() {
  const std::lock_guard lock(mutex_);
  applied_ = machine_->applied();
}

Error StateHost::nothing_left() const {
  std::string reasons;
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    if (!copies_[i].error.empty()) reasons += fmt::format("{}drive {}: {}", reasons.empty() ? "" : "; ", i, copies_[i].error);
  }
  return {Errc::unavailable, "no drive has a metadata state that can be used: " + reasons};
}

Result<std::vector<std::string>> StateHost::apply_now(std::uint64_t first_index, const std::vector<std::string>& commands) {
  std::vector<std::string> results;
  results.reserve(commands.size());
  for (const std::string& command : commands) {
    TRY(auto result, machine_->apply(first_index++, command));
    results.push_back(std::move(result));
  }
  TRY_OK(machine_->commit());
  return results;
}

task<Result<void>> StateHost::follow_log() {
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    if (!copies_[i].healthy || log_->healthy(i)) continue;
    const bool alone = std::none_of(copies_.begin(), copies_.end(), [this, i](const StateCopyStatus& copy) {
      return &copy != &copies_[i] && copy.healthy && copy.covered + 1 >= log_->first_index();
    });
    if (!alone) CO_CHECK(co_await fail_drive(i, "the log on this drive has failed"));
  }
  co_return Result<void>();
}

task<Result<std::vector<std::string>>> StateHost::apply(std::uint64_t first_index, const std::vector<std::string>& commands) {
  CO_CHECK(co_await follow_log());
  for (;;) {
    // Behind only after a move.
    if (machine_ == nullptr || machine_->applied() < first_index - 1) CO_CHECK(co_await move(first_index - 1));
    if (machine_->applied() >= first_index) {
      // The copy was made in the middle of this round, so some of its results cannot be told any more.
      CO_CHECK(co_await move(first_index + commands.size() - 1));
      co_return Error(Errc::unknown_outcome, "the drive of the metadata state failed");
    }
    auto results = apply_now(first_index, commands);
    if (results) {
      set_applied();
      if (log_->bytes() >= (log_->tight() ? tight_at_ : checkpoint_at_)) {
        checkpoint_at_ = tight_at_ = UINT64_MAX;  // until this one is done
        checkpoint_due_.set();
      }
      co_return results;
    }
    set_failed(primary_, results.error().message);
    CO_CHECK(co_await move(first_index - 1));
  }
}

task<Result<void>> StateHost::fail_drive(std::size_t drive, std::string why) {
  set_failed(drive, std::move(why));
  if (drive != primary_ || machine_ == nullptr) co_return Result<void>();
  co_return co_await move(machine_->applied());
}

task<Result<void>> StateHost::move_away(std::shared_ptr<KvStore> seen, std::string why) {
  if (seen != current() || machine_ == nullptr) co_return Result<void>();
  co_return co_await fail_drive(primary_, std::move(why));
}

task<StateHost::Checkpoint> StateHost::make_checkpoint() {
  Checkpoint checkpoint;
  std::shared_ptr<KvStore> store;
  {
    const std::lock_guard lock(mutex_);
    checkpoint.primary = primary_;
    checkpoint.index = applied_;
    store = store_;
    for (std::size_t i = 0; i < copies_.size(); ++i) {
      if (copies_[i].healthy && i != primary_) checkpoint.drives.push_back(i);
    }
  }
  co_await offload(background_, [this, &checkpoint, &store] {
    if (storage_.room(checkpoint.primary) == Room::none) {
      checkpoint.flushed = Error(Errc::exhausted, "the drive of the metadata state has no space for a flush");
    } else if (!mutated(Mutation::truncate_log_early)) {
      checkpoint.flushed = store->flush();
    }
    if (checkpoint.flushed) checkpoint.flushed = storage_.advance(checkpoint.primary, checkpoint.index);
    if (checkpoint.flushed && !checkpoint.drives.empty()) {
      checkpoint.results = storage_.copy(checkpoint.primary, checkpoint.drives, checkpoint.index);
    }
    store.reset();
  });
  co_return checkpoint;
}

task<void> StateHost::finish_checkpoint(Checkpoint checkpoint) {
  for (std::size_t i = 0; i < checkpoint.results.size(); ++i) {
    const Result<void>& result = checkpoint.results[i];
    const std::lock_guard lock(mutex_);
    StateCopyStatus& copy = copies_[checkpoint.drives[i]];
    if (result) copy.covered = std::max(copy.covered, checkpoint.index);
    if (!copy.healthy || copy.primary) continue;
    // A full drive keeps its old copy and the log beyond it: there is no other whole copy to lose.
    if (!result && result.error().code == Errc::exhausted) continue;
    copy.error = result ? std::string() : result.error().message;
  }
  if (checkpoint.flushed) {
    const std::lock_guard lock(mutex_);
    copies_[checkpoint.primary].covered = std::max(copies_[checkpoint.primary].covered, checkpoint.index);
  } else if (checkpoint.primary == primary_ && checkpoint.flushed.error().code != Errc::exhausted) {
    auto moved = co_await fail_drive(checkpoint.primary, checkpoint.flushed.error().message);
    if (!moved) LOG(error, "metadata", "the metadata state is lost on all drives", field("error", moved.error().message));
  }
  if (log_ == nullptr) co_return;
  if (machine_ != nullptr) co_await log_->truncate(covered_by_all() + 1);
  checkpoint_at_ = log_->bytes() + checkpoint_log_bytes_;
  tight_at_ = log_->bytes() + kTightCheckpointBytes;
}

// A copy that could not be renewed does not keep the log: it is tried again with the next checkpoint.
std::uint64_t StateHost::covered_by_all() const {
  std::uint64_t covered = UINT64_MAX - 1;
  for (const StateCopyStatus& copy : copies_) {
    if (copy.healthy && copy.error.empty()) covered = std::min(covered, copy.covered);
  }
  return std::min(covered, machine_->applied());
}

}  // namespace gabion::metadata
