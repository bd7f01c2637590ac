// DriveWatch asks drives that failed, many of them on other nodes, whether they are well again: soon after a node is back its
// drives are used again. Thread-safe; the placement outlives it; call stop() before destruction.
#pragma once

#include <functional>

#include "gateway/data/background.h"
#include "gateway/data/placement.h"

namespace gabion::gateway::data {

class DriveWatch {
 public:
  // `back` is called after drives came back.
  DriveWatch(Placement& placement, Clock& clock, std::function<void()> back)
      : placement_(placement), background_(clock, std::chrono::seconds(1)), back_(std::move(back)) {}

  void start(const Executor& executor) {
    background_.start(executor, [this] { return cycle(); });
  }
  task<void> stop() { return background_.stop(); }

 private:
  task<void> cycle() {
    const bool back = co_await placement_.refresh_failed(Context());
    if (back && back_) back_();
  }

  Placement& placement_;
  Background background_;
  const std::function<void()> back_;
};

}  // namespace gabion::gateway::data
