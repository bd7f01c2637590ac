// Ballast is space on a drive that is kept for writing the state when something else has filled the drive. It is made of
// pieces, of which as many are given back as are needed. Thread-safe; calls block; the disk must outlive it.
#pragma once

#include <mutex>

#include "common/disk.h"

namespace gabion::metadata {

class Ballast {
 public:
  static constexpr std::uint64_t kPiece = 4 * MiB;
  // Of `bytes` at most. Finds what was kept before.
  Ballast(Disk& disk, std::string path, std::uint64_t bytes);

  // Takes what is missing, as far as the drive has it.
  void take();
  // Gives back until the drive has `need` bytes free, or nothing is left.
  void give(std::uint64_t need);
  std::uint64_t held() const;

 private:
  Result<void> reserve(std::uint64_t piece, OpenMode mode);
  std::string piece_path(std::uint64_t piece) const { return path_ + "." + std::to_string(piece); }

  Disk& disk_;
  const std::string path_;
  const std::uint64_t pieces_;
  mutable std::mutex mutex_;
  std::uint64_t held_ = 0;  // pieces; the first ones
};

}  // namespace gabion::metadata
