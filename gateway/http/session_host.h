// What the HTTP sessions of one thread share: handler, limits, clock, metrics, the date line of the current
// second, and the source of request ids. One thread, apart from the metrics.
#pragma once

#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/metrics.h"
#include "common/rng.h"
#include "gateway/http/exchange.h"
#include "gateway/http/input_buffer.h"
#include "gateway/http/parser_types.h"

namespace gabion::gateway::http {

struct SessionLimits {
  Duration head_time =
      std::chrono::seconds(10);  // for a whole head; also how long a new connection may stay silent
  Duration idle_time = std::chrono::seconds(75);  // between requests
  // A body must bring so many bytes a second, averaged over each `body_grace` of waiting for it. The time
  // that the handler takes does not count.
  Duration body_grace = std::chrono::seconds(30);
  std::uint64_t body_bytes_per_second = 1 * KiB;
  Duration write_stall = std::chrono::seconds(60);  // for each kWritePiece of a response
  // A body that the handler has not read is thrown away within these, for the sake of the next request.
  std::size_t drain_bytes = 256 * KiB;
  Duration drain_time = std::chrono::seconds(5);
  ParserLimits parser;
};

struct HttpMetrics {
  Gauge connections;
  Counter accepted;
  Counter rejected;  // over the limit of connections
  Counter requests;
  Counter malformed;  // refused before a handler saw them
  Counter timeouts;
  Counter bytes_in;
  Counter bytes_out;
  // Under gabion_http_*, with labels such as R"(port="s3")".
  void register_with(MetricsRegistry& registry, const std::string& labels) const;
};

class SessionHost {
 public:
  SessionHost(Clock& clock, Rng& rng, Handler& handler, const SessionLimits& limits, HttpMetrics& metrics);

  Clock& clock() { return clock_; }
  Handler& handler() { return handler_; }
  const SessionLimits& limits() const { return limits_; }
  HttpMetrics& metrics() { return metrics_; }
  const std::string& host_id() const { return host_id_; }  // x-amz-id-2
  LargeBufferQuota& large_buffers() { return large_buffers_; }
  std::string_view date();     // valid until the next call
  std::uint64_t next_trace();  // not 0; does not repeat in 2^64 calls, nor in practice among hosts

 private:
  Clock& clock_;
  Handler& handler_;
  const SessionLimits limits_;
  HttpMetrics& metrics_;
  LargeBufferQuota large_buffers_;
  std::string host_id_;
  std::uint64_t trace_state_;
  WallMicros date_second_ = 0;
  std::string date_;
};

}  // namespace gabion::gateway::http
