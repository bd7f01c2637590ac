// The previous table as the builder sees it. Internal to ring/.
#pragma once

#include <vector>

#include "ring/ring.h"

namespace gabion::ring {

inline constexpr DriveIndex kNoDrive = 0xffff;

// The table of `previous` in the indexes of the new drives and the new size; kNoDrive where a drive is gone
// or a row was shorter. More partitions than before split the old ones; fewer are not possible.
std::vector<DriveIndex> carry_over(const Ring& previous, const std::vector<Drive>& drives, unsigned width,
                                   unsigned bits);

}  // namespace gabion::ring
