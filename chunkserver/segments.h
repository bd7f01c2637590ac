// What a drive engine knows of its segment files: SegmentTable counts what is in each, SegmentFiles keeps some of them open
// for reading. Both are thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "chunkserver/format.h"
#include "chunkserver/shard_index.h"
#include "common/disk.h"

namespace gabion::chunkserver {

// Every segment that holds records is in the table. Only the writer of the drive changes it.
class SegmentTable {
 public:
  SegmentStats get(SegmentNumber number) const;  // zeros for one that does not exist
  void update(const std::map<SegmentNumber, std::optional<SegmentStats>>& changes);
  void replace(std::map<SegmentNumber, SegmentStats> segments);
  std::map<SegmentNumber, SegmentStats> snapshot() const;
  SegmentStats total() const;
  // Whether a segment other than `except` exists with a number from `first` to `last`.
  bool any_between(SegmentNumber first, SegmentNumber last, SegmentNumber except) const;

 private:
  mutable std::mutex mutex_;
  std::map<SegmentNumber, SegmentStats> segments_;
  SegmentStats total_;
};

// Open segment files by number, the most recently used ones. A file stays usable for who holds it after forget().
class SegmentFiles {
 public:
  SegmentFiles(Disk& disk, std::size_t open_max) : disk_(disk), open_max_(open_max) {}
  std::shared_ptr<File> cached(SegmentNumber number);  // null when it is not open
  Result<std::shared_ptr<File>> open(SegmentNumber number);
  void add(SegmentNumber number, std::shared_ptr<File> file);
  void forget(SegmentNumber number);

 private:
  struct Handle {
    SegmentNumber number;
    std::shared_ptr<File> file;
  };
  Disk& disk_;
  const std::size_t open_max_;
  std::mutex mutex_;
  std::list<Handle> recent_;  // most recent first
  std::unordered_map<SegmentNumber, std::list<Handle>::iterator> by_number_;
};

}  // namespace gabion::chunkserver
