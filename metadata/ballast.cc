#include "metadata/ballast.h"

#include "common/log.h"

namespace gabion::metadata {

Ballast::Ballast(Disk& disk, std::string path, std::uint64_t bytes)
    : disk_(disk), path_(std::move(path)), pieces_((bytes + kPiece - 1) / kPiece) {
  while (held_ < pieces_ && reserve(held_, OpenMode::update)) ++held_;
}

Result<void> Ballast::reserve(std::uint64_t piece, OpenMode mode) {
  TRY(auto file, disk_.open(piece_path(piece), mode));
  return file->reserve(kPiece);
}

void Ballast::take() {
  const std::lock_guard lock(mutex_);
  while (held_ < pieces_) {
    const auto space = disk_.space();
    if (!space || space->available_bytes < 2 * kPiece) return;
    auto removed = disk_.remove(piece_path(held_));  // one that could not be had whole
    if (!removed && removed.error().code != Errc::not_found) return;
    if (!reserve(held_, OpenMode::create)) return;
    ++held_;
  }
}

void Ballast::give(std::uint64_t need) {
  const std::lock_guard lock(mutex_);
  while (held_ > 0) {
    const auto space = disk_.space();
    if (!space || space->available_bytes >= need) return;
    if (auto removed = disk_.remove(piece_path(held_ - 1)); !removed) {
      LOG(warn, "metadata", "space that was kept cannot be given back", field("error", removed.error().message));
      return;
    }
    --held_;
  }
}

std::uint64_t Ballast::held() const {
  const std::lock_guard lock(mutex_);
  return held_ * kPiece;
}

}  // namespace gabion::metadata
