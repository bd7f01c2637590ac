// The bounds of a ring, for the builder and the decoder alike. Internal to ring/.
#pragma once

#include "common/result.h"
#include "ring/ring.h"

namespace gabion::ring {

inline constexpr unsigned kPartitionBitsMax = 20;
inline constexpr unsigned kWidthMax = 64;
inline constexpr std::size_t kDrivesMax = 16384;
inline constexpr std::size_t kLevelsMax = 8;
inline constexpr std::size_t kNameBytesMax = 255;

Result<void> check_shape(unsigned width, unsigned partition_bits);
// `levels`: how many the other drives' domains have.
Result<void> check_drive(const Drive& drive, std::size_t levels);

}  // namespace gabion::ring
