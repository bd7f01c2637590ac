#include "gateway/data/pace.h"

#include <algorithm>

namespace gabion::gateway::data {
namespace {

// What nearly all of them took.
Duration slow_one(std::vector<Duration>& reads) {
  const auto at = reads.begin() + static_cast<std::ptrdiff_t>(reads.size() * 9 / 10);
  std::nth_element(reads.begin(), at, reads.end());
  return *at;
}

Duration towards(Duration from, Duration to, double share) {
  return from + std::chrono::duration_cast<Duration>(std::chrono::duration<double, Duration::period>((to - from) * share));
}

}  // namespace

double Pace::level() const {
  const std::lock_guard lock(mutex_);
  return level_;
}

std::size_t Pace::allowed() const { return std::max<std::size_t>(1, static_cast<std::size_t>(level_)); }

task<Pace::Turn> Pace::turn() {
  for (;;) {
    Duration rest{};
    std::shared_ptr<Event> event;
    {
      const std::lock_guard lock(mutex_);
      const TimePoint now = clock_.now();
      look(now);
      if (working_ >= allowed()) {
        event = std::make_shared<Event>();
        waiting_.push_back(event);
      } else if (now >= rest_until_) {
        ++working_;
        busy_ = true;
        co_return Turn(this, now);
      } else {
        rest = rest_until_ - now;
      }
    }
    if (event) co_await event->wait();
    else co_await clock_.sleep(rest);
  }
}

void Pace::end(TimePoint began) {
  std::vector<std::shared_ptr<Event>> woken;
  {
    const std::lock_guard lock(mutex_);
    const TimePoint now = clock_.now();
    --working_;
    look(now);
    if (level_ < 1) {
      const double rest = static_cast<double>((now - began).count()) * (1 / level_ - 1);
      rest_until_ = now + std::min(kRestMost, Duration(static_cast<Duration::rep>(rest)));
    }
    woken = take_woken();
  }
  for (const auto& event : woken) event->set();
}

// Whoever is woken looks again; one too many only waits again.
std::vector<std::shared_ptr<Event>> Pace::take_woken() {
  std::vector<std::shared_ptr<Event>> woken;
  while (!waiting_.empty() && working_ + woken.size() < allowed()) {
    woken.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return woken;
}

void Pace::client_read(Where where, Duration latency) {
  std::vector<std::shared_ptr<Event>> woken;
  {
    const std::lock_guard lock(mutex_);
    auto& reads = signals_[static_cast<std::size_t>(where)].reads;
    if (reads.size() < kReadsMax) reads.push_back(latency);
    look(clock_.now());
    woken = take_woken();
  }
  for (const auto& event : woken) event->set();
}

void Pace::look(TimePoint now) {
  if (now < looked_ + options_.look) return;
  const auto most = std::max(signals_[0].reads.size(), signals_[1].reads.size());
  if (most > 0 && most < kReadsMin && now < looked_ + kLooksMost * options_.look) return;
  bool slower = false;
  for (Signal& signal : signals_) slower = is_slower(signal) || slower;
  if (!busy_ && working_ == 0) level_ = most < kReadsMin ? 1 : 0.25;  // begins slowly, whatever was possible before
  else if (slower) level_ = std::max(kLeast, level_ / 2);
  else if (most < kReadsMin) level_ *= 2;
  else level_ = level_ < 1 ? level_ * 1.25 : level_ + 0.5;  // what was too much once is tried again with care
  level_ = std::min(level_, static_cast<double>(options_.most));
  looked_ = now;
  busy_ = working_ != 0;
}

bool Pace::is_slower(Signal& signal) {
  if (signal.reads.size() < kReadsMin) {
    signal.reads.clear();
    return false;
  }
  const Duration now = slow_one(signal.reads);
  signal.reads.clear();
  const bool undisturbed = !busy_ || level_ <= kLeast;
  if (undisturbed) {
    signal.usual = signal.usual == Duration() ? now : towards(signal.usual, now, 0.3);
    return false;
  }
  if (signal.usual == Duration()) return true;  // until it is known what is usual
  if (now < signal.usual) signal.usual = towards(signal.usual, now, 0.1);
  return now > signal.usual + options_.unnoticed &&
         static_cast<double>(now.count()) > options_.slower * static_cast<double>(signal.usual.count());
}

}  // namespace gabion::gateway::data
