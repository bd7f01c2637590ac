#include "tools/serve/admin_handler.h"

#include <algorithm>
#include <string_view>

#include "tools/serve/admin_front.h"

namespace gabion::serve {
namespace {

bool is_one_of(std::string_view path, std::initializer_list<std::string_view> paths) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

}  // namespace

task<void> AdminHandler::handle(gateway::http::Exchange& exchange) {
  const auto& head = exchange.head();
  const std::string_view path = head.path();
  if (api_ != nullptr && AdminFront::serves(path)) co_return co_await api_->handle(exchange);
  int status = 200;
  std::string body;
  if (head.method != "GET" && head.method != "HEAD") {
    status = 405;
    exchange.set_header("Allow", "GET, HEAD");
  } else if (is_one_of(path, {"/health/live", "/minio/health/live"})) {
    body = "ok\n";
  } else if (is_one_of(path, {"/health/ready", "/health/cluster", "/minio/health/ready", "/minio/health/cluster",
                              "/minio/health/cluster/read"})) {
    status = ready_() ? 200 : 503;
    body = status == 200 ? "ok\n" : "not ready\n";
  } else if (path == "/metrics") {
    body = metrics_.render();
  } else {
    status = 404;
    body = "not found: this port has /metrics, /health/live and /health/ready\n";
  }
  exchange.set_header("Content-Type", path == "/metrics" ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain");
  auto sent = co_await exchange.respond(status, std::move(body));
  (void)sent;  // the peer went away: nothing is left to do
}

}  // namespace gabion::serve
