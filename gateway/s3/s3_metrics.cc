#include "gateway/s3/s3_metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kOther = "other";
constexpr std::string_view kClasses[] = {"2xx", "3xx", "4xx", "5xx"};

}  // namespace

S3Metrics::S3Metrics() {
  operations_.push_back(std::make_unique<PerOperation>());
  operations_.front()->name = kOther;
  for (const Route& route : routes()) {
    by_route_.push_back(route.run ? operations_.size() : 0);
    if (!route.run) continue;
    operations_.push_back(std::make_unique<PerOperation>());
    operations_.back()->name = route.name;
  }
}

void S3Metrics::register_in(MetricsRegistry& registry) const {
  const auto label = [](const PerOperation& operation) { return fmt::format("operation=\"{}\"", operation.name); };
  for (const auto& operation : operations_) {
    for (std::size_t i = 0; i < operation->requests.size(); ++i) {
      registry.add("gabion_s3_requests_total", "Requests by operation and class of status.",
                   fmt::format("{},status=\"{}\"", label(*operation), kClasses[i]), operation->requests[i]);
    }
  }
  for (const auto& operation : operations_) {
    registry.add("gabion_s3_request_seconds", "Time from the head of a request to the end of its answer.",
                 label(*operation), operation->latency);
  }
  for (const auto& operation : operations_) {
    registry.add("gabion_s3_received_bytes_total", "Bytes of request bodies.", label(*operation), operation->bytes_in);
  }
  for (const auto& operation : operations_) {
    registry.add("gabion_s3_sent_bytes_total", "Bytes of response bodies.", label(*operation), operation->bytes_out);
  }
}

void S3Metrics::record(const Route* route, int status, Duration latency, std::uint64_t bytes_in,
                       std::uint64_t bytes_out) {
  PerOperation& operation = *operations_[route ? by_route_[route_index(*route)] : 0];
  const int status_class = std::clamp(status / 100, 2, 5) - 2;
  operation.requests[static_cast<std::size_t>(status_class)].add();
  operation.latency.observe(latency);
  operation.bytes_in.add(bytes_in);
  operation.bytes_out.add(bytes_out);
}

const S3Metrics::PerOperation* S3Metrics::find(std::string_view name) const {
  for (const auto& operation : operations_) {
    if (operation->name == name) return operation.get();
  }
  return nullptr;
}

}  // namespace gabion::gateway::s3
