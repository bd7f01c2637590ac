// AssignedWork is what the cluster wants a worker to do now, and how far that is. The node's heartbeats assign and report, the
// worker asks. `Work` has `job`, `share` and `paused`, can be compared, and says by continues() whether it is what another one
// began; `Progress` has `job` and `share` too, and begins anew with what does not continue. Thread-safe.
#pragma once

#include <mutex>
#include <optional>

namespace gabion::gateway::data {

template <class Work, class Progress>
class AssignedWork {
 public:
  // The progress, held until this goes.
  class Edit {
   public:
    explicit Edit(AssignedWork& of) : lock_(of.mutex_), progress_(of.progress_) {}
    Progress* operator->() const { return &progress_; }
    Progress& operator*() const { return progress_; }

   private:
    const std::lock_guard<std::mutex> lock_;
    Progress& progress_;
  };

  // nullopt: nothing to do. False when that is what it was.
  bool assign(std::optional<Work> work) {
    const std::lock_guard lock(mutex_);
    if (work == work_) return false;
    if (!work || !work_ || !work->continues(*work_)) progress_ = begin(work);
    if (work) progress_.share = work->share;
    work_ = std::move(work);
    return true;
  }
  std::optional<Work> current() const {
    const std::lock_guard lock(mutex_);
    return work_;
  }
  Progress progress() const {
    const std::lock_guard lock(mutex_);
    return progress_;
  }
  Edit edit() { return Edit(*this); }

 private:
  static Progress begin(const std::optional<Work>& work) {
    Progress progress;
    if (work) progress.job = work->job;
    return progress;
  }

  mutable std::mutex mutex_;
  std::optional<Work> work_;
  Progress progress_;
};

}  // namespace gabion::gateway::data
