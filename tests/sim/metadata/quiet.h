// Simulated lives lose drives by the thousand; none of that is worth a line in the log.
#pragma once

#include "common/log.h"

namespace gabion::metadata::test {

inline void be_quiet() { log::set_level(static_cast<log::Level>(static_cast<int>(log::Level::error) + 1)); }

}  // namespace gabion::metadata::test
