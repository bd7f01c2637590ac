// Health checks on the S3 port: /health/live and /health/ready, and the paths that MinIO's clients use. Answered without
// authentication for path-style requests; in virtual-host style they are keys of the bucket. The buckets that would be
// shadowed cannot be created (names.h).
#pragma once

#include <string>
#include <vector>

#include "gateway/s3/request.h"
#include "gateway/s3/service.h"

namespace gabion::gateway::s3 {

bool is_health_check(const http::RequestHead& head, const std::vector<std::string>& domains);
// 200, or 503 when readiness is asked for and the node is not ready. References must outlive the task.
task<void> answer_health_check(Request& request, const Service& service);

}  // namespace gabion::gateway::s3
