// What Prometheus expects to know of any process: CPU time, memory, descriptors, start, and the build.
#pragma once

#include "common/metrics.h"

namespace gabion::serve {

void register_process_metrics(MetricsRegistry& registry);

}  // namespace gabion::serve
