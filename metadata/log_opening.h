// LogOpening finds out what a mirrored log holds after a stop or a crash, makes all replicas equal to it, and leaves the log
// ready to append. It writes nothing before it is sure that nothing acknowledged is missing. Used once, by MirroredLog.
#pragma once

#include "metadata/log.h"

namespace gabion::metadata {

class LogOpening {
 public:
  LogOpening(MirroredLog& log, const LogOptions& options, Rng& rng);
  task<Result<void>> run();

 private:
  // What was found on one drive.
  struct Finding {
    std::optional<LogReplica::Inventory> inventory;  // nullopt: the drive is not usable
    bool member = false;
    std::uint64_t believed = 0;  // all records, for a member; what was acknowledged in its time, for a stale one
    std::string tail;            // content of the last segment
  };

  task<void> inspect();
  task<Result<void>> create();
  Result<void> find_newest();
  Result<void> choose_members();
  task<Result<void>> load_tail();
  Result<void> judge_tail();
  task<Result<void>> equalize();
  task<Result<void>> equalize_sealed(std::uint64_t first, std::uint64_t last);
  task<Result<MergedSegment>> merge_sealed(std::uint64_t first, std::uint64_t last);
  task<void> place_tail();
  task<void> drop_other_segments(std::size_t replica);
  task<Result<void>> join();

  task<Result<std::string>> read_segment(std::size_t replica, std::uint64_t first);
  task<Result<void>> on(std::size_t replica, MirroredLog::Operation operation);
  void give_up(std::size_t replica, const Error& error);
  bool usable(std::size_t replica) const { return findings_[replica].inventory.has_value(); }
  bool all_members_agree(std::uint64_t first) const;
  std::string reasons() const;

  MirroredLog& log_;
  const LogOptions& options_;
  Rng& rng_;
  std::vector<Finding> findings_;
  Members newest_;
  std::uint64_t committed_ = 0;
  std::map<std::uint64_t, std::uint64_t> segments_;  // first index -> size
  std::uint64_t tail_first_ = 1;
  std::uint64_t last_ = 0;
  MergedSegment tail_;
};

}  // namespace gabion::metadata
