#include "gateway/s3/s3_handler.h"

#include "common/log.h"
#include "gateway/s3/header_rules.h"
#include "gateway/s3/health.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/routes.h"

namespace gabion::gateway::s3 {
namespace {

constexpr ErrorCode kBadRequest{"BadRequest", 400, "Insufficient information. Origin request header needed."};
constexpr ErrorCode kAccessForbidden{"AccessForbidden", 403, "CORSResponse: CORS is not enabled for this bucket."};

AuthConfig auth_config(const Options& options) {
  AuthConfig out;
  out.region = options.region;
  out.max_skew = options.max_skew;
  return out;
}

// No bucket has a CORS configuration, so every preflight request is refused, as browsers expect it.
S3Error refuse_preflight(const Request& request) {
  if (!request.head.find("origin")) return S3Error(kBadRequest);
  return S3Error(kAccessForbidden)
      .with("Method", std::string(request.head.get("access-control-request-method")))
      .with("ResourceType", std::string(resource_type(level_of(request.target))));
}

S3Error refuse_operation(const Request& request) {
  const Route& route = *request.route;
  const std::string what = route.query.empty() ? std::string(route.name) : "?" + std::string(route.query);
  return S3Error(kNotImplemented)
      .with("Header", what)
      .with("additionalMessage", std::string(route.name).append(" is not supported."));
}

}  // namespace

S3Handler::S3Handler(Options options, metadata::Metadata& metadata, data::DataStore& data,
                     const CredentialSource& credentials, Clock& clock, Rng& rng,
                     std::function<Md5Lanes*()> md5_lanes, std::function<bool()> ready, S3Metrics& metrics)
    : options_(std::move(options)),
      service_{options_, metadata, data, credentials, clock, rng, std::move(md5_lanes), std::move(ready)},
      auth_(auth_config(options_)),
      metrics_(metrics) {}

S3Result<> S3Handler::identify(Request& request) const {
  TRY(request.uri, RequestTarget::parse(request.head.target));
  TRY(request.target, find_target(request.uri.path, request.head.get("host"), options_.domains));
  if (request.head.method == "OPTIONS") return refuse_preflight(request);
  if (!is_known_method(request.head.method)) {
    return S3Error(kMethodNotAllowed)
        .with("Method", request.head.method)
        .with("ResourceType", std::string(resource_type(level_of(request.target))));
  }
  TRY(request.authentication, authenticate(request.head, service_.credentials, auth_, service_.clock.wall()));
  if (request.authentication.anonymous) return S3Error(kAccessDenied);
  request.hoist_headers();
  TRY(request.route, find_route(request));
  if (!request.route->run) return refuse_operation(request);
  return check_headers(request);
}

task<S3Result<>> S3Handler::serve(Request& request) {
  if (is_health_check(request.head, options_.domains)) {
    co_await answer_health_check(request, service_);
    co_return S3Result<>();
  }
  CO_CHECK(identify(request));
  co_return co_await request.route->run(service_, request);
}

task<void> S3Handler::handle(http::Exchange& exchange) {
  const TimePoint start = service_.clock.now();
  Request request(exchange);
  const auto result = co_await serve(request);
  if (!result && !exchange.responded()) co_await respond_error(request, result.error());
  account(request, service_.clock.now() - start);
}

void S3Handler::account(const Request& request, Duration latency) const {
  const http::Exchange& exchange = request.exchange;
  metrics_.record(request.route, exchange.status(), latency, exchange.bytes_in(), exchange.bytes_out());
  LOG(debug, "s3", "request", field("request_id", exchange.request_id()), field("peer", request.head.peer),
      field("access_key", request.authentication.access_key), field("method", request.head.method),
      field("operation", request.route ? request.route->name : std::string_view("-")),
      field("bucket", request.target.bucket), field("key", request.target.key), field("status", exchange.status()),
      field("bytes_in", exchange.bytes_in()), field("bytes_out", exchange.bytes_out()),
      field("microseconds", std::chrono::duration_cast<std::chrono::microseconds>(latency).count()));
}

}  // namespace gabion::gateway::s3
