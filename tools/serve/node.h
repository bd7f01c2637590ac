// A node: everything `gabion serve` runs, composed in one place and torn down in reverse. This is the only code that
// chooses implementations.
#pragma once

#include <functional>

#include "tools/serve/config.h"

namespace gabion::serve {

// Runs until SIGTERM or SIGINT and returns the exit code (sysexits): 0 after an orderly stop, 78 for a configuration or
// drives that cannot be used, 69 when a port or drive is not available. `reload` is called at SIGHUP.
int run_node(const Config& config, std::function<Result<Loaded>()> reload);

}  // namespace gabion::serve
