// SplitMix64's finaliser: breaks ties so that drives meet in ever other combinations, the same on every
// machine.
#pragma once

#include <cstdint>

namespace gabion::ring {

inline std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

}  // namespace gabion::ring
