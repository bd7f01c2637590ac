#include "tools/serve/admin_front.h"

#include <boost/json.hpp>

#include "common/digest.h"
#include "common/encoding.h"
#include "common/log.h"
#include "tools/serve/admin_json.h"

namespace gabion::serve {
namespace {

constexpr std::size_t kLoggedBodyMax = 500;
constexpr std::string_view kPlans = "/plans";  // change nothing

bool changes_something(const gateway::http::RequestHead& head) { return head.method != "GET" && !head.path().ends_with(kPlans); }

AdminAnswer denied(std::string_view why) {
  boost::json::object detail;
  detail["code"] = "denied";
  detail["message"] = why;
  boost::json::object out = document("Error");
  out["error"] = std::move(detail);
  AdminAnswer answer;
  answer.status = 403;
  answer.body = boost::json::serialize(out);
  return answer;
}

}  // namespace

task<Result<std::string>> AdminFront::admitted(gateway::http::Exchange& exchange) {
  const auto who = gateway::s3::authenticate(exchange.head(), credentials_, auth_, clock_.wall());
  if (!who) co_return Error(Errc::denied, who.error().message);
  if (who->anonymous) co_return Error(Errc::denied, "the request is not signed");
  if (who->presigned || who->payload != gateway::s3::PayloadMode::signed_hash) {
    co_return Error(Errc::denied, "the admin API takes requests signed in their headers, with the hash of the body");
  }
  std::string body;
  for (;;) {
    CO_TRY(const ByteView piece, co_await exchange.read_body());
    if (piece.empty()) break;
    if (body.size() + piece.size() > kAdminBodyMax) co_return Error(Errc::too_large, "the body is longer than 64 KiB");
    body += as_text(piece);
  }
  if (!equal_in_constant_time(hex_encode(as_bytes(sha256(as_bytes(body)))), who->payload_hash)) {
    co_return Error(Errc::denied, "the body is not the one that was signed");
  }
  if (changes_something(exchange.head())) CO_CHECK(replays_.take(who->seed_signature, clock_.now()));
  co_return body;
}

task<void> AdminFront::handle(gateway::http::Exchange& exchange) {
  auto body = co_await admitted(exchange);
  AdminAnswer answer;
  if (!body) {
    answer = body.error().code == Errc::denied ? denied(body.error().message) : admin_error(body.error());
  } else {
    AdminRequest request;
    request.method = exchange.head().method;
    request.path = exchange.head().path();
    request.body = std::move(*body);
    answer = co_await api_.answer(exchange.context(), request);
    if (changes_something(exchange.head())) {
      LOG(info, "admin", "request", field("method", request.method), field("path", request.path),
          field("body", std::string_view(request.body).substr(0, kLoggedBodyMax)), field("status", answer.status),
          field("peer", exchange.head().peer));
    }
  }
  exchange.set_header("Content-Type", "application/json");
  auto sent = co_await exchange.respond(answer.status, std::move(answer.body));
  (void)sent;  // the peer went away: nothing is left to do
}

}  // namespace gabion::serve
