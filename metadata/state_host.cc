#include "metadata/state_host.h"

#include <algorithm>

#include "common/check.h"
#include "common/log.h"
#include "metadata/mutation.h"
#include "metadata/raft/node.h"

namespace gabion::metadata {
namespace {

constexpr std::size_t kReplayBatch = 512;
constexpr Duration kSpaceRetry = std::chrono::seconds(1);

Result<void> check_begun(const StateMachine& machine, std::uint64_t entry, std::size_t commands) {
  if (machine.begun() <= commands) return {};
  return Error(Errc::corrupt, fmt::format("the metadata state has {} commands of entry {}, and the log {}", machine.begun(),
                                          entry, commands));
}

}  // namespace

StateHost::StateHost(Options options)
    : options_(std::move(options)), storage_(*options_.storage), copies_(storage_.drives()) {}

void StateHost::set_failed(std::size_t drive, std::string why) {
  if (copies_[drive].healthy || copies_[drive].error.empty()) {
    LOG(error, "metadata", "the state on a drive cannot be used", field("group", options_.group), field("drive", drive),
        field("error", why));
  }
  const std::lock_guard lock(mutex_);
  copies_[drive].healthy = false;
  copies_[drive].primary = false;
  copies_[drive].error = std::move(why);
}

std::shared_ptr<const StateView> StateHost::current() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

bool StateHost::is_first_copy_due() const {
  const std::lock_guard lock(mutex_);
  return applied_ >= raft::kBaseIndex && std::any_of(copies_.begin(), copies_.end(), [](const StateCopyStatus& copy) {
    return copy.healthy && copy.covered < raft::kBaseIndex;
  });
}

void StateHost::note_copy(std::size_t drive, std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  copies_[drive].covered = std::max(copies_[drive].covered, index);
}

std::uint64_t StateHost::applied() const {
  const std::lock_guard lock(mutex_);
  return applied_;
}

std::uint64_t StateHost::commands() const {
  const std::lock_guard lock(mutex_);
  return commands_;
}

std::vector<StateCopyStatus> StateHost::status() const {
  const std::lock_guard lock(mutex_);
  return copies_;
}

Room StateHost::room() { return machine_ != nullptr ? storage_.room(primary_) : Room::ample; }

task<Result<void>> StateHost::load() {
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    auto mark = co_await offload(options_.readers, [this, i] { return storage_.mark(i); });
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
  co_return co_await open_best();
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
    auto opened = co_await offload(options_.readers, [this, drive] { return open_one(storage_, drive); });
    if (!opened) {
      set_failed(drive, opened.error().message);
      continue;
    }
    machine_ = std::move(opened->machine);
    opened_ = std::move(opened->store);
    const std::lock_guard lock(mutex_);
    primary_ = drive;
    applied_ = machine_->entry();
    commands_ = machine_->applied();
    for (std::size_t i = 0; i < copies_.size(); ++i) copies_[i].primary = i == drive;
    co_return Result<void>();
  }
}

task<Result<void>> StateHost::open(MirroredLog& log, raft::EntryReader& entries) {
  log_ = &log;
  entries_ = &entries;
  const auto turn = co_await turn_.take();
  co_return co_await move(entries.committed_at_open());
}

bool StateHost::copy_needed() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(copies_.begin(), copies_.end(), [this](const StateCopyStatus& copy) {
    return copy.healthy && !copy.primary && copy.covered + 1 < entries_->first();
  });
}

task<Result<void>> StateHost::replay(std::uint64_t last) {
  if (machine_->entry() + 1 < entries_->first()) {
    Error error(Errc::corrupt, fmt::format("the metadata state ends with entry {}, and the log begins with {}",
                                           machine_->entry(), entries_->first()));
    set_failed(primary_, error.message);
    co_return error;
  }
  while (machine_->entry() < last) {
    CO_TRY(const auto entries, co_await entries_->read(machine_->entry() + 1));
    Result<void> done;
    std::size_t applied = 0;
    for (std::size_t i = 0; done && i < entries.size() && entries[i].index <= last; ++i) {
      done = check_begun(*machine_, entries[i].index, entries[i].commands.size());
      const bool dividing = divides(entries[i].commands);
      for (std::size_t k = machine_->begun(); done && k < entries[i].commands.size(); ++k) {
        Result<std::string> result;
        if (dividing) result = co_await divide(entries[i].commands[k]);
        else result = machine_->apply(machine_->applied() + 1, entries[i].commands[k]);
        if (!result) done = result.error();
      }
      if (done) machine_->set_entry(entries[i].index);
      applied += entries[i].commands.size();
      if (done && applied >= kReplayBatch) {
        done = machine_->commit();
        applied = 0;
      }
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
  reached_ = std::max(reached_, last);
  for (;;) {
    if (machine_ == nullptr || !copies_[primary_].healthy) {
      close_state();
      CO_CHECK(co_await open_best());
    }
    if (auto owned = machine_->belong_to(options_.cluster); !owned) {
      set_failed(primary_, owned.error().message);
      continue;
    }
    auto replayed = co_await replay(last);
    set_applied();
    if (replayed || copies_[primary_].healthy) co_return replayed;
  }
}

// Readers get the state that is open as soon as it has all that was ever applied here, and not before.
void StateHost::set_applied() {
  reached_ = std::max(reached_, machine_->entry());
  const std::lock_guard lock(mutex_);
  applied_ = machine_->entry();
  commands_ = machine_->applied();
  const bool published = view_ && view_->store == opened_ && view_->range == machine_->range();
  if (applied_ == reached_ && copies_[primary_].healthy && !published) publish();
}

void StateHost::publish() {
  view_ = std::make_shared<StateView>(StateView{opened_, machine_->range()});
  range_.store(view_->range.get(), std::memory_order_release);
}

std::weak_ptr<KvStore> StateHost::close_state() {
  std::weak_ptr<KvStore> closing = opened_;
  const std::lock_guard lock(mutex_);
  machine_.reset();
  view_.reset();
  opened_.reset();
  return closing;
}

task<std::shared_ptr<const StateView>> StateHost::settled() {
  const auto turn = co_await turn_.take();
  co_return current();
}

Error StateHost::nothing_left() const {
  std::string reasons;
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    if (!copies_[i].error.empty()) reasons += fmt::format("{}drive {}: {}", reasons.empty() ? "" : "; ", i, copies_[i].error);
  }
  return {Errc::unavailable, "no drive has a metadata state that can be used: " + reasons};
}

Result<std::vector<std::string>> StateHost::apply_now(std::uint64_t index, const std::vector<std::string>& commands) {
  std::vector<std::string> results;
  results.reserve(commands.size());
  TRY_OK(check_begun(*machine_, index, commands.size()));
  const std::size_t begun = machine_->begun();
  for (std::size_t i = begun; i < commands.size(); ++i) {
    TRY(auto result, machine_->apply(machine_->applied() + 1, commands[i]));
    results.push_back(std::move(result));
  }
  machine_->set_entry(index);
  TRY_OK(machine_->commit());
  if (begun != 0) return Error(Errc::unknown_outcome, "a part of the entry was applied before a failure");
  return results;
}

bool StateHost::divides(const std::vector<std::string>& commands) {
  return std::any_of(commands.begin(), commands.end(), [this](const std::string& command) {
    const auto due = machine_->split_due(command);
    return !due || *due;
  });
}

task<Result<std::vector<std::string>>> StateHost::apply_dividing(std::uint64_t index, std::vector<std::string> commands) {
  CO_CHECK(check_begun(*machine_, index, commands.size()));
  const std::size_t begun = machine_->begun();
  std::vector<std::string> results;
  for (std::size_t i = begun; i < commands.size(); ++i) {
    CO_TRY(auto result, co_await divide(commands[i]));
    results.push_back(std::move(result));
  }
  machine_->set_entry(index);
  CO_CHECK(machine_->commit());
  if (begun != 0) co_return Error(Errc::unknown_outcome, "a part of the entry was applied before a failure");
  co_return results;
}

// The child gets the state with all that came before, and whoever reads knows of the new range before anything else is applied.
task<Result<std::string>> StateHost::divide(std::string command) {
  CO_TRY(const auto split, machine_->split_due(command));
  if (!split) co_return machine_->apply(machine_->applied() + 1, command);
  CO_CHECK(machine_->commit());
  CO_CHECK(co_await prepare(*split));
  ++divisions_;
  CO_TRY(auto result, machine_->apply(machine_->applied() + 1, command));
  CO_CHECK(machine_->commit());
  {
    const std::lock_guard lock(mutex_);
    if (view_) publish();
  }
  options_.splits->divided(options_.group, split->child());
  co_return result;
}

// Without the child's state the split must not be applied: nobody else may have it.
task<Result<void>> StateHost::prepare(SplitRange split) {
  GABION_CHECK(options_.splits != nullptr, "a group is divided where it cannot be");
  for (bool said = false;; said = true) {
    auto prepared = co_await options_.splits->prepare(split, storage_, primary_);
    if (prepared || prepared.error().code != Errc::exhausted) co_return prepared;
    if (options_.splits->is_ending() || !copies_[primary_].healthy) co_return prepared;
    if (!said) {
      LOG(error, "metadata", "there is no space to divide the metadata state; waiting for some", field("group", options_.group),
          field("error", prepared.error().message));
    }
    co_await options_.clock->sleep(kSpaceRetry);
  }
}

task<Result<void>> StateHost::follow_log() {
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    if (!copies_[i].healthy || log_->healthy(i)) continue;
    const bool alone = std::none_of(copies_.begin(), copies_.end(), [this, i](const StateCopyStatus& copy) {
      return &copy != &copies_[i] && copy.healthy && copy.covered + 1 >= entries_->first();
    });
    if (!alone) CO_CHECK(co_await fail_now(i, "the log on this drive has failed"));
  }
  co_return Result<void>();
}

task<Result<std::vector<std::string>>> StateHost::apply(std::uint64_t index, std::vector<std::string> commands) {
  const auto turn = co_await turn_.take();
  CO_CHECK(co_await follow_log());
  for (;;) {
    // Behind only after a move.
    if (machine_ == nullptr || machine_->entry() < index - 1) CO_CHECK(co_await move(index - 1));
    if (machine_->entry() >= index) {
      // The copy was made just after this entry was applied, so its results cannot be told any more.
      set_applied();
      co_return Error(Errc::unknown_outcome, "the drive of the metadata state failed");
    }
    Result<std::vector<std::string>> results;
    if (divides(commands)) results = co_await apply_dividing(index, commands);
    else results = apply_now(index, commands);
    if (results || results.error().code == Errc::unknown_outcome) {
      set_applied();
      co_return results;
    }
    set_failed(primary_, results.error().message);
    CO_CHECK(co_await move(index - 1));
  }
}

task<Result<void>> StateHost::fail_drive(std::size_t drive, std::string why) {
  const auto turn = co_await turn_.take();
  co_return co_await fail_now(drive, std::move(why));
}

task<Result<void>> StateHost::fail_now(std::size_t drive, std::string why) {
  set_failed(drive, std::move(why));
  if (drive != primary_ || machine_ == nullptr) co_return Result<void>();
  co_return co_await move(machine_->entry());
}

task<Result<void>> StateHost::move_away(std::shared_ptr<const StateView> seen, std::string why) {
  const auto turn = co_await turn_.take();
  if (seen != current() || machine_ == nullptr) co_return Result<void>();
  co_return co_await fail_now(primary_, std::move(why));
}

}  // namespace gabion::metadata
