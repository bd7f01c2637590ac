// What the S3 dialect counts, by operation: requests by class of status, latency, bytes of bodies. Lock-free and
// thread-safe; must outlive the registry it is registered in.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "common/metrics.h"
#include "gateway/s3/routes.h"

namespace gabion::gateway::s3 {

class S3Metrics {
 public:
  S3Metrics();
  void register_in(MetricsRegistry& registry) const;
  // `route` is nullptr for requests that named no operation of S3's.
  void record(const Route* route, int status, Duration latency, std::uint64_t bytes_in, std::uint64_t bytes_out);

  struct PerOperation {
    std::string_view name;
    std::array<Counter, 4> requests;  // 2xx, 3xx, 4xx, 5xx
    Histogram latency;
    Counter bytes_in;
    Counter bytes_out;
  };
  // By name; nullptr for operations that are not implemented.
  const PerOperation* find(std::string_view name) const;

 private:
  // One for each route that runs; the first is for all else.
  std::vector<std::unique_ptr<PerOperation>> operations_;
  std::vector<std::size_t> by_route_;  // index into operations_
};

}  // namespace gabion::gateway::s3
