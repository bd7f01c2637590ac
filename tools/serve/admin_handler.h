// The admin port: /metrics in Prometheus text, /health/live, /health/ready, /health/cluster and MinIO's aliases. Nothing
// here changes anything or needs credentials, so the port listens on loopback unless configured otherwise.
#pragma once

#include <functional>

#include "common/metrics.h"
#include "gateway/http/exchange.h"

namespace gabion::serve {

class AdminHandler final : public gateway::http::Handler {
 public:
  // `ready` tells whether requests are served, and may be called from any thread. All must outlive the handler.
  AdminHandler(const MetricsRegistry& metrics, std::function<bool()> ready)
      : metrics_(metrics), ready_(std::move(ready)) {}
  task<void> handle(gateway::http::Exchange& exchange) override;

 private:
  const MetricsRegistry& metrics_;
  const std::function<bool()> ready_;
};

}  // namespace gabion::serve
