#include "gateway/http/session.h"

#include "common/encoding.h"
#include "common/text.h"

namespace gabion::gateway::http {
namespace {

// Splitmix64: a bijection, so that ids of one host never repeat.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

// --- Host ---

SessionHost::SessionHost(Clock& clock, Rng& rng, Handler& handler, const SessionLimits& limits,
                         HttpMetrics& metrics)
    : clock_(clock), handler_(handler), limits_(limits), metrics_(metrics), trace_state_(rng.next()) {
  std::byte random[24];
  rng.fill(random);
  host_id_ = base64_encode(random);
}

std::string_view SessionHost::date() {
  const WallMicros second = clock_.wall() / 1'000'000;
  if (second != date_second_) {
    date_second_ = second;
    date_ = http_date(second * 1'000'000);
  }
  return date_;
}

std::uint64_t SessionHost::next_trace() {
  std::uint64_t trace = 0;
  while (trace == 0) trace = mix(trace_state_ += 0x9e3779b97f4a7c15u);
  return trace;
}

void HttpMetrics::register_with(MetricsRegistry& registry, const std::string& labels) const {
  registry.add("gabion_http_connections", "Open HTTP connections.", labels, connections);
  registry.add("gabion_http_accepted_total", "HTTP connections accepted.", labels, accepted);
  registry.add("gabion_http_rejected_total", "HTTP connections over the limit.", labels, rejected);
  registry.add("gabion_http_requests_total", "HTTP requests handed to a handler.", labels, requests);
  registry.add("gabion_http_malformed_total", "HTTP requests refused before a handler saw them.", labels,
               malformed);
  registry.add("gabion_http_timeouts_total", "HTTP reads and writes that a client was too slow for.", labels,
               timeouts);
  registry.add("gabion_http_received_bytes_total", "Bytes received, without TLS.", labels, bytes_in);
  registry.add("gabion_http_sent_bytes_total", "Bytes sent, without TLS.", labels, bytes_out);
}

// --- Session ---

Session::Session(SessionHost& host, std::unique_ptr<net::ByteStream> stream)
    : host_(host),
      stream_(std::move(stream)),
      input_(host.large_buffers()),
      parser_(host.limits().parser),
      exchange_(host, *stream_, input_, parser_) {}

task<void> Session::run() {
  for (;;) {
    const Arrival arrival = co_await read_head();
    if (arrival == Arrival::closed) break;
    const bool another = co_await serve_request();
    if (!another || draining_) break;
  }
  co_await stream_->close();
}

void Session::drain() {
  draining_ = true;
  exchange_.drain();
  if (idle_) stream_->abort();
}

task<void> Session::refuse(Refusal refusal) {
  host_.metrics().malformed.add();
  co_await exchange_.refuse(refusal.status, refusal.code, refusal.message);
}

task<bool> Session::serve_request() {
  host_.metrics().requests.add();
  exchange_.start(draining_);
  co_await host_.handler().handle(exchange_);
  co_return co_await exchange_.finish();
}

// The next request, or the end: the peer's closing, silence for too long, or a head that is refused and so
// answered.
task<Session::Arrival> Session::read_head() {
  const SessionLimits& limits = host_.limits();
  parser_.reset();
  exchange_.reset();
  input_.shrink(InputBuffer::kIdleBytes);
  idle_ = input_.empty();
  const Duration patience =
      std::exchange(first_request_, false) || !idle_ ? limits.head_time : limits.idle_time;
  bool timed = false;
  for (;;) {
    if (!input_.empty()) {
      const HeadStep step = parser_.parse_head(input_.view(), exchange_.new_head());
      if (step.outcome == Parse::failed) co_await refuse(parser_.refusal());
      if (step.outcome == Parse::failed) co_return Arrival::closed;
      if (step.outcome == Parse::done) {
        input_.consume(step.consumed);
        co_return Arrival::request;
      }
    }
    if (!timed) stream_->set_deadline(host_.clock().now() + (idle_ ? patience : limits.head_time));
    timed = !idle_;
    const auto n =
        co_await stream_->read_some(input_.room(idle_ ? InputBuffer::kIdleBytes : InputBuffer::kSmallBytes));
    if (!n) {
      if (n.error().code != Errc::deadline || idle_) co_return Arrival::closed;
      host_.metrics().timeouts.add();
      co_await refuse({400, "RequestTimeout", "Your request did not arrive within the timeout period."});
      co_return Arrival::closed;
    }
    idle_ = false;
    input_.commit(*n);
    host_.metrics().bytes_in.add(*n);
  }
}

}  // namespace gabion::gateway::http
