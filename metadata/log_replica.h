// LogReplica is one drive's copy of the command log: file operations below metadata/log, and no decisions. Segments are
// named after their first index. Calls block and are not thread-safe; MirroredLog runs them on the drive's executor.
//
// The tail and a spare for the next segment have their space on the drive beforehand, so that the log goes on for a while when
// something else has filled the drive. A file that must be written anew then takes the spare's space.
#pragma once

#include <map>

#include "common/disk.h"
#include "metadata/log_record.h"

namespace gabion::metadata {

class LogReplica {
 public:
  explicit LogReplica(Disk& disk, std::uint64_t segment_bytes = 0) : disk_(disk), segment_bytes_(segment_bytes) {}

  struct Inventory {
    std::optional<Members> members;
    bool members_damaged = false;  // there is a list of members, and no copy of it can be read
    std::optional<Members> others;  // who went on without this replica, as far as it was told
    bool others_damaged = false;
    std::map<std::uint64_t, std::uint64_t> segments;  // first index -> size
    bool empty() const { return !members && !members_damaged && segments.empty(); }
  };
  Result<Inventory> inspect();

  Result<void> write_members(const Members& members);
  // Tells a replica that failed who goes on, and takes that back when it has everything again.
  Result<void> leave_behind(const Members& others);
  Result<void> take_along();

  Result<std::string> read_segment(std::uint64_t first_index);
  Result<void> replace_segment(std::uint64_t first_index, std::string_view content);
  Result<void> remove_segment(std::uint64_t first_index);

  // The segment that append() goes to. What a process that died wrote there and did not sync is synced.
  Result<void> open_tail(std::uint64_t first_index);
  // Starts a new tail with `content`, synced.
  Result<void> roll(std::uint64_t first_index, std::string_view content);
  // Makes sure that there is a spare. exhausted: there is no space for one.
  Result<void> hold_spare();
  // Takes a roll back.
  Result<void> unroll(std::uint64_t first_index, std::uint64_t previous);
  Result<void> append(std::uint64_t offset, std::string_view bytes);
  // Takes back what an append wrote, durably.
  Result<void> cut_tail(std::uint64_t size);

 private:
  Result<void> replace(const std::string& path, std::string_view content);
  Result<void> drop_spare();
  Result<void> reserve_tail();

  Disk& disk_;
  const std::uint64_t segment_bytes_;
  std::unique_ptr<File> tail_;
  bool spare_ = false;  // known to be there, with all its space
};

}  // namespace gabion::metadata
