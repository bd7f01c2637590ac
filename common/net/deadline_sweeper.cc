#include "common/net/deadline_sweeper.h"

#include "common/check.h"

namespace gabion::net {

DeadlineTarget::DeadlineTarget(DeadlineSweeper& sweeper)
    : sweeper_(sweeper), position_(sweeper.targets_.size()) {
  sweeper.targets_.push_back(this);
}

DeadlineTarget::~DeadlineTarget() {
  auto& targets = sweeper_.targets_;
  targets[position_] = targets.back();
  targets[position_]->position_ = position_;
  targets.pop_back();
}

TimePoint DeadlineTarget::now() const { return sweeper_.clock_.now(); }

DeadlineSweeper::~DeadlineSweeper() {
  GABION_CHECK(targets_.empty(), "a stream outlives its deadline sweeper");
}

task<void> DeadlineSweeper::run() {
  while (!stopped_) {
    co_await clock_.sleep(interval_);
    sweep(clock_.now());
  }
}

void DeadlineSweeper::sweep(TimePoint now) {
  for (DeadlineTarget* target : targets_) {
    if (target->deadline_ > now || target->expired_) continue;
    target->expired_ = true;
    target->expire();
  }
}

}  // namespace gabion::net
