// The admin port: /metrics in Prometheus text, /health/live, /health/ready, /health/cluster and MinIO's aliases, which need no
// credentials, so that the port listens on loopback unless configured otherwise; and the admin API, which does.
#pragma once

#include <functional>

#include "common/metrics.h"
#include "gateway/http/exchange.h"

namespace gabion::serve {

class AdminHandler final : public gateway::http::Handler {
 public:
  // `ready` tells whether requests are served, and may be called from any thread. All must outlive the handler.
  // Requests to the admin API are `api`'s to authenticate and answer; nullptr: there is none.
  AdminHandler(const MetricsRegistry& metrics, std::function<bool()> ready, gateway::http::Handler* api = nullptr)
      : metrics_(metrics), ready_(std::move(ready)), api_(api) {}
  task<void> handle(gateway::http::Exchange& exchange) override;

 private:
  const MetricsRegistry& metrics_;
  const std::function<bool()> ready_;
  gateway::http::Handler* const api_;
};

}  // namespace gabion::serve
