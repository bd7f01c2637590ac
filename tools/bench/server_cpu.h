// Reads the CPU time that a server has used from its Prometheus page, over a connection of its own.
#pragma once

#include <optional>
#include <string_view>

#include "common/result.h"
#include "common/task.h"

namespace gabion::bench {

// Seconds of process_cpu_seconds_total in a Prometheus text; nullopt when it is not there.
std::optional<double> find_cpu_seconds(std::string_view page);
task<Result<double>> read_cpu_seconds(std::string url);

}  // namespace gabion::bench
