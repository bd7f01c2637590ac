#include "gateway/s3/health.h"

#include <algorithm>

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kLive[] = {"/health/live", "/minio/health/live"};
constexpr std::string_view kReady[] = {"/health/ready", "/minio/health/ready", "/minio/health/cluster",
                                       "/minio/health/cluster/read"};

bool is_one_of(std::span<const std::string_view> paths, std::string_view path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

}  // namespace

bool is_health_check(const http::RequestHead& head, const std::vector<std::string>& domains) {
  const std::string_view path = head.path();
  if (!path.starts_with("/health/") && !path.starts_with("/minio/health/")) return false;
  if (head.method != "GET" && head.method != "HEAD") return false;
  if (!is_one_of(kLive, path) && !is_one_of(kReady, path)) return false;
  return !bucket_of_host(head.get("host"), domains);
}

task<void> answer_health_check(Request& request, const Service& service) {
  const bool healthy = is_one_of(kLive, request.head.path()) || !service.ready || service.ready();
  request.exchange.set_header("Content-Type", "text/plain");
  request.exchange.set_header("Cache-Control", "no-store");
  co_await request.exchange.respond(healthy ? 200 : 503, healthy ? "ok\n" : "not ready\n");
}

}  // namespace gabion::gateway::s3
