// Group is what decides the order of commands: propose() puts a command into the log and gives what applying it decided;
// read_barrier() returns when everything that was acknowledged before is in the state that is read. LocalGroup is one
// process with a mirrored log; a Raft group will have the same face.
//
// LocalGroup has one commit loop on its own executor (one thread): it takes all waiting proposals as a batch, appends them
// to the log, applies them in order, and then completes them, with one post for each executor that waits.
// Thread-safe. Start it with start(); stop() before destruction. The log and the applier must outlive it.
#pragma once

#include <deque>
#include <mutex>

#include "common/async.h"
#include "common/context.h"
#include "common/metrics.h"
#include "metadata/log.h"
#include "metadata/state_storage.h"

namespace gabion::metadata {

// What a command is for. On full drives those that lead to more space go on in what is kept for them.
enum class Purpose { takes_space, frees_space };

class Group {
 public:
  virtual ~Group() = default;
  // deadline, exhausted, cancelled, unavailable: it did not happen. unknown_outcome: it may have.
  virtual task<Result<std::string>> propose(Context ctx, std::string command, Purpose purpose) = 0;
  virtual task<Result<void>> read_barrier(Context ctx) = 0;
};

// What the group's commands are applied to.
class Applier {
 public:
  virtual ~Applier() = default;
  // The results of the commands from `first_index` on, in order; the state holds them all. unknown_outcome: it does, and
  // the results are lost. Any other error: there is no state any more.
  virtual task<Result<std::vector<std::string>>> apply(std::uint64_t first_index, const std::vector<std::string>& commands) = 0;
  // What the place of the state has room for.
  virtual Room room() = 0;
};

struct GroupMetrics {
  Counter commands;
  Counter rounds;
  Counter checkpoints;
  Histogram round_seconds;
};

class LocalGroup final : public Group {
 public:
  LocalGroup(MirroredLog& log, Applier& applier, Executor executor, Clock& clock, GroupMetrics& metrics);
  void start();
  // Commands that wait are still committed, new ones are refused; returns when the loop has ended.
  task<void> stop();

  task<Result<std::string>> propose(Context ctx, std::string command, Purpose purpose) override;
  task<Result<void>> read_barrier(Context ctx) override;
  // Runs `work` on the loop's executor while no command is being committed, and waits for it. False when the loop has ended.
  task<bool> between_rounds(std::function<task<void>()> work);

 private:
  struct Proposal {
    Proposal(Context context, std::string text, Purpose why, Executor waits_on)
        : ctx(context), command(std::move(text)), purpose(why), executor(std::move(waits_on)) {}
    Context ctx;
    std::string command;
    Purpose purpose;
    Executor executor;
    std::function<void()> resume;
    Result<std::string> result = Error(Errc::internal, "a proposal without a result");
  };

  task<void> run();
  task<void> run_interludes();
  std::vector<Proposal*> take_batch();
  // Completes those of the batch for which it holds with the error, and leaves the others in it.
  static void refuse(std::vector<Proposal*>& batch, const std::function<bool(const Proposal&)>& which, const Error& error);
  task<void> commit(std::vector<Proposal*> batch);
  static void fail_all(const std::vector<Proposal*>& batch, const Error& error);
  static void complete(const std::vector<Proposal*>& batch);

  MirroredLog& log_;
  Applier& applier_;
  const Executor executor_;
  Clock& clock_;
  GroupMetrics& metrics_;
  Gate gate_;
  Event work_;

  std::mutex mutex_;
  std::deque<Proposal*> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::deque<std::pair<std::function<task<void>()>, std::shared_ptr<Event>>> interludes_;
  std::optional<Error> lost_;  // the state; used by the loop only
  bool idle_ = false;
  bool stopping_ = false;
  bool ended_ = false;
};

}  // namespace gabion::metadata
