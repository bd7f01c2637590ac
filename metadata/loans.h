// How long what one group lends to another for a copy stays lent, at least, when nobody ends the loan; and that a copy does not
// come later than that: by then its source's blocks may be erased, so what it brings along must not be taken in any more.
#pragma once

#include "common/clock.h"
#include "common/result.h"

namespace gabion::metadata {

class Command;

inline constexpr Duration kLoanAge = std::chrono::hours(1);

// Whoever takes a command for its group asks this, `now` by its own clock. A copy has the time from before it borrowed anything;
// half of the loan's age is left for clocks that differ. unavailable: it came too late, and may be tried anew.
Result<void> check_timely(const Command& command, WallMicros now);

}  // namespace gabion::metadata
