// Drives with ids and domains that tests can tell apart.
#pragma once

#include "ring/ring.h"

namespace gabion::ring {

inline DriveId drive_id(unsigned number) {
  SeededRng rng(number);
  return DriveId::random(rng);
}

inline Drive make_drive(unsigned number, double weight = 1, std::vector<std::string> domain = {}) {
  return Drive{.id = drive_id(number), .weight = weight, .domain = std::move(domain)};
}

inline std::vector<Drive> equal_drives(unsigned count) {
  std::vector<Drive> drives;
  for (unsigned i = 0; i < count; ++i) drives.push_back(make_drive(i));
  return drives;
}

}  // namespace gabion::ring
