#include "tools/serve/process_metrics.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

namespace gabion::serve {
namespace {

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The n-th number of /proc/self/statm, in pages.
double memory_pages(int which) {
  long pages[2] = {0, 0};
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &pages[0], &pages[1]) != 2) pages[0] = pages[1] = 0;
    std::fclose(file);
  }
  return static_cast<double>(pages[which]) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  std::error_code error;
  double count = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    ++count;
  }
  return count;
}

}  // namespace

void register_process_metrics(MetricsRegistry& registry) {
  registry.add("gabion_build_info", "The version that runs.", fmt::format("version=\"{}\"", GABION_VERSION), [] { return 1.0; });
  registry.add("process_cpu_seconds_total", "User and system CPU time spent.", "", cpu_seconds);
  registry.add("process_virtual_memory_bytes", "Virtual memory.", "", [] { return memory_pages(0); });
  registry.add("process_resident_memory_bytes", "Resident memory.", "", [] { return memory_pages(1); });
  registry.add("process_open_fds", "Open file descriptors.", "", open_descriptors);
}

}  // namespace gabion::serve
