#include "chunkserver/segments.h"

namespace gabion::chunkserver {
namespace {

void add(SegmentStats& to, const SegmentStats& stats) {
  to.bytes += stats.bytes;
  to.live_bytes += stats.live_bytes;
  to.live_shards += stats.live_shards;
  to.payload_bytes += stats.payload_bytes;
  to.tombstone_bytes += stats.tombstone_bytes;
}

void subtract(SegmentStats& from, const SegmentStats& stats) {
  from.bytes -= stats.bytes;
  from.live_bytes -= stats.live_bytes;
  from.live_shards -= stats.live_shards;
  from.payload_bytes -= stats.payload_bytes;
  from.tombstone_bytes -= stats.tombstone_bytes;
}

}  // namespace

SegmentStats SegmentTable::get(SegmentNumber number) const {
  const std::lock_guard lock(mutex_);
  const auto it = segments_.find(number);
  return it == segments_.end() ? SegmentStats{} : it->second;
}

void SegmentTable::update(const std::map<SegmentNumber, std::optional<SegmentStats>>& changes) {
  const std::lock_guard lock(mutex_);
  for (const auto& [number, stats] : changes) {
    SegmentStats& known = segments_[number];
    subtract(total_, known);
    if (stats) {
      known = *stats;
      add(total_, known);
    } else {
      segments_.erase(number);
    }
  }
}

void SegmentTable::replace(std::map<SegmentNumber, SegmentStats> segments) {
  const std::lock_guard lock(mutex_);
  segments_ = std::move(segments);
  total_ = {};
  for (const auto& [number, stats] : segments_) add(total_, stats);
}

std::map<SegmentNumber, SegmentStats> SegmentTable::snapshot() const {
  const std::lock_guard lock(mutex_);
  return segments_;
}

SegmentStats SegmentTable::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

bool SegmentTable::any_between(SegmentNumber first, SegmentNumber last, SegmentNumber except) const {
  const std::lock_guard lock(mutex_);
  for (auto it = segments_.lower_bound(first); it != segments_.end() && it->first <= last; ++it) {
    if (it->first != except) return true;
  }
  return false;
}

std::shared_ptr<File> SegmentFiles::cached(SegmentNumber number) {
  const std::lock_guard lock(mutex_);
  const auto it = by_number_.find(number);
  if (it == by_number_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, it->second);
  return it->second->file;
}

Result<std::shared_ptr<File>> SegmentFiles::open(SegmentNumber number) {
  if (auto file = cached(number)) return file;
  TRY(auto opened, disk_.open(segment_path(number), OpenMode::read));
  std::shared_ptr<File> file = std::move(opened);
  add(number, file);
  return file;
}

void SegmentFiles::add(SegmentNumber number, std::shared_ptr<File> file) {
  std::shared_ptr<File> closed;  // after the lock is released: closing a file may block
  const std::lock_guard lock(mutex_);
  if (by_number_.contains(number)) return;
  recent_.push_front({number, std::move(file)});
  by_number_[number] = recent_.begin();
  if (recent_.size() > open_max_) {
    closed = std::move(recent_.back().file);
    by_number_.erase(recent_.back().number);
    recent_.pop_back();
  }
}

void SegmentFiles::forget(SegmentNumber number) {
  std::shared_ptr<File> closed;
  const std::lock_guard lock(mutex_);
  const auto it = by_number_.find(number);
  if (it == by_number_.end()) return;
  closed = std::move(it->second->file);
  recent_.erase(it->second);
  by_number_.erase(it);
}

}  // namespace gabion::chunkserver
