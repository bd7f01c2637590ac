#include "tools/admin/client.h"

#include <fmt/format.h>

#include <csignal>
#include <optional>

#include "common/check.h"
#include "common/digest.h"
#include "common/encoding.h"
#include "tools/bench/worker.h"

namespace gabion::admin {
namespace {

constexpr Duration kAnswerTime = std::chrono::seconds(60);
constexpr std::size_t kBodyBytesMax = 64 * MiB;

Exit exit_of(unsigned status, std::string_view code) {
  if (code == "refused") return Exit::refused;
  if (code == "conflict") return Exit::conflict;
  switch (status) {
    case 400: return Exit::usage;
    case 401:
    case 403: return Exit::denied;
    case 404: return Exit::not_found;
    default: return Exit::unavailable;
  }
}

std::string text_at(const boost::json::object& object, std::string_view outer, std::string_view inner) {
  const auto* detail = object.if_contains(outer);
  const auto* value = detail == nullptr || !detail->is_object() ? nullptr : detail->get_object().if_contains(inner);
  return value == nullptr || !value->is_string() ? std::string() : std::string(value->get_string());
}

std::string_view advice(const Error& error) {
  if (error.code == Errc::denied) return "name the authority that signed it with --ca-file";
  return "name the admin port of a node that is up with --endpoint, with https:// if the node has a TLS certificate";
}

}  // namespace

Client::Client(bench::Endpoint endpoint, bench::Credentials credentials, Clock& clock, std::shared_ptr<asio::ssl::context> tls)
    : endpoint_(std::move(endpoint)), tls_(std::move(tls)), clock_(clock), signer_(std::move(credentials)) {
  GABION_CHECK(!endpoint_.secure || tls_, "https needs to know whom to trust");
}

std::string Client::url() const { return (endpoint_.secure ? "https://" : "http://") + endpoint_.authority; }

void Client::watch_for_interrupt() {
  if (watching_) return;
  watching_ = true;
  signals_.add(SIGINT);
  signals_.async_wait([this](const boost::system::error_code& code, int) {
    if (!code) interrupted_ = true;
  });
}

bool Client::run_until(const bool& done, Duration limit) {
  const TimePoint end = clock_.now() + limit;
  while (!done && !interrupted_ && clock_.now() < end) {
    io_.restart();
    io_.run_one_for(end - clock_.now());
  }
  return done;
}

task<void> Client::sleep(Duration duration, bool& done) {
  co_await clock_.sleep(duration);
  done = true;
}

bool Client::pause(Duration duration) {
  watch_for_interrupt();
  Gate gate;
  bool done = false;
  spawn(io_.get_executor(), gate, "admin pause", sleep(duration, done));
  const bool whole = run_until(done, Duration::max() / 2);
  while (!done) io_.run_one();
  io_.restart();
  io_.poll();
  return whole;
}

task<Result<Client::Received>> Client::exchange(bench::Connection& connection, std::string head, std::string body) {
  const asio::const_buffer buffer(body.data(), body.size());
  CO_TRY(const bench::ResponseHead answered, co_await connection.request(std::move(head), std::span(&buffer, 1)));
  Received received;
  received.status = answered.status;
  for (;;) {
    CO_TRY(const ByteView piece, co_await connection.read_some());
    if (piece.empty()) break;
    received.body += as_text(piece);
    if (received.body.size() > kBodyBytesMax) co_return Error(Errc::too_large, "the answer is too long");
  }
  co_return received;
}

task<void> Client::exchange_into(Result<Received>& received, bool& done, bench::Connection& connection, std::string head,
                                 std::string body) {
  received = co_await exchange(connection, std::move(head), std::move(body));
  done = true;
}

Result<Client::Received> Client::send(std::string head, const std::string& body) {
  TRY(const auto peer, bench::resolve(endpoint_));
  std::optional<bench::Security> security;
  if (endpoint_.secure) security.emplace(tls_, endpoint_.host);
  bench::Connection connection(io_.get_executor(), peer, std::move(security));
  Result<Received> received = Error(Errc::internal, "not asked");
  Gate gate;
  bool done = false;
  spawn(io_.get_executor(), gate, "admin request", exchange_into(received, done, connection, std::move(head), body));
  const bool answered = run_until(done, kAnswerTime);
  connection.close();
  while (!done) {
    io_.restart();
    io_.run_one();
  }
  io_.restart();
  io_.poll();
  if (!answered && !interrupted_) {
    return Error(Errc::deadline, fmt::format("no answer within {} s", kAnswerTime / std::chrono::seconds(1)));
  }
  return received;
}

std::string Client::signed_head(std::string_view method, std::string_view path, const std::string& body) {
  const std::string target = fmt::format("{}/admin/v1/{}", endpoint_.path, path);
  // A change is taken once. Two that are the same but for this are two, even within the second that a signature tells.
  const std::string query = method == "GET" ? "" : fmt::format("nonce={:x}", clock_.now().time_since_epoch().count());
  bench::ToSign request;
  request.method = method;
  request.host = endpoint_.authority;
  request.path = target;
  request.query = query;
  std::string head = fmt::format("{} {}{}{} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n", method, target,
                                 query.empty() ? "" : "?", query, endpoint_.authority, body.size());
  signer_.sign(head, request, hex_encode(as_bytes(sha256(as_bytes(body)))), clock_.wall());
  return head + "\r\n";
}

Answer Client::ask(std::string_view method, std::string_view path, const std::string& body) {
  Answer answer;
  const auto received = send(signed_head(method, path, body), body);
  if (interrupted_) {
    answer.exit = Exit::interrupted;
    answer.message = "interrupted";
    return answer;
  }
  if (!received) {
    answer.exit = Exit::unavailable;
    answer.message = fmt::format("no answer from {}: {}; {}", url(), received.error().message, advice(received.error()));
    return answer;
  }
  boost::system::error_code code;
  const auto parsed = boost::json::parse(received->body, code);
  if (code || !parsed.is_object() || !parsed.get_object().contains("apiVersion")) {
    answer.exit = received->status == 404 ? Exit::not_found : Exit::unavailable;
    answer.message = fmt::format("{} is not a Gabion admin port (it answered {})", url(), received->status);
    return answer;
  }
  answer.body = parsed.get_object();
  if (received->status < 300) return answer;
  answer.message = text_at(answer.body, "error", "message");
  answer.exit = exit_of(received->status, text_at(answer.body, "error", "code"));
  return answer;
}

Answer Client::get(std::string_view path) { return ask("GET", path, ""); }

Answer Client::post(std::string_view path, const boost::json::object& body) {
  return ask("POST", path, boost::json::serialize(body));
}

}  // namespace gabion::admin
