// An S3 server in memory, for tests of the operations: the handler over MemoryMetadata and MemoryData on a simulated
// clock, and a client that signs.
//
//   S3World world;
//   world.put("/bucket");
//   const Answer answer = world.send("PUT", "/bucket/key", {}, "text");
//   CHECK(answer.status == 200);
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/digest.h"
#include "gateway/s3/s3_handler.h"
#include "tests/support/fake_exchange.h"
#include "tests/support/memory_data.h"
#include "tests/support/memory_metadata.h"
#include "tests/support/s3_signer.h"
#include "tests/support/sim.h"

namespace gabion::test {

// A clock that stands still until it is told otherwise.
class HandClock final : public Clock {
 public:
  TimePoint now() const override { return TimePoint(std::chrono::microseconds(wall_)); }
  WallMicros wall() const override { return wall_; }
  task<void> sleep(Duration) override { co_return; }
  void advance(std::chrono::microseconds by) { wall_ += static_cast<WallMicros>(by.count()); }

 private:
  WallMicros wall_ = kNow;
};

struct Answer {
  int status = 0;
  std::string body;
  std::uint64_t content_length = 0;
  std::vector<gateway::http::Header> headers;

  // The header of this name in any case; empty when absent.
  std::string header(std::string_view name) const {
    for (const auto& header : headers) {
      if (equals_ignoring_case(header.name, name)) return header.value;
    }
    return {};
  }
  bool has(std::string_view name) const {
    for (const auto& header : headers) {
      if (equals_ignoring_case(header.name, name)) return true;
    }
    return false;
  }
  // The text of the first element of this name in the body, still escaped; empty when absent.
  std::string element(std::string_view tag) const {
    const std::string open = "<" + std::string(tag) + ">";
    const auto from = body.find(open);
    if (from == std::string::npos) return {};
    return body.substr(from + open.size(), body.find("</" + std::string(tag) + ">", from) - from - open.size());
  }
  std::vector<std::string> elements(std::string_view tag) const {
    std::vector<std::string> out;
    const std::string open = "<" + std::string(tag) + ">";
    for (auto at = body.find(open); at != std::string::npos; at = body.find(open, at + 1)) {
      out.push_back(body.substr(at + open.size(), body.find("</" + std::string(tag) + ">", at) - at - open.size()));
    }
    return out;
  }
  std::string code() const { return element("Code"); }
};

struct S3World {
  using Headers = std::vector<gateway::http::Header>;

  explicit S3World(gateway::s3::Options options = {})
      : metadata(clock), data(metadata),
        handler(std::move(options), metadata, data, credentials, clock, rng, [] { return nullptr; },
                [this] { return ready; }, metrics) {}

  Answer run(FakeExchange& exchange) {
    sim::SimWorld world(1);
    world.run(handler.handle(exchange));
    Answer out;
    out.status = exchange.status();
    out.body = exchange.body();
    out.content_length = exchange.content_length();
    out.headers = exchange.headers();
    return out;
  }

  gateway::http::RequestHead head(std::string method, std::string target, Headers headers = {}) const {
    bool has_host = false;
    for (const auto& header : headers) has_host |= equals_ignoring_case(header.name, "host");
    if (!has_host) headers.insert(headers.begin(), {"host", "s3.example.com"});
    return request(std::move(method), std::move(target), std::move(headers));
  }

  // Signed in the header, with the hash of the body.
  Answer send(std::string method, std::string target, Headers headers = {}, std::optional<std::string> body = {}) {
    if (body && !has_length(headers)) headers.push_back({"content-length", std::to_string(body->size())});
    SignOptions options;
    options.payload_hash = hex_encode(as_bytes(sha256(as_bytes(body.value_or("")))));
    options.timestamp = amz_date(clock.wall());
    options.scope = options.timestamp.substr(0, 8) + "/us-east-1/s3/aws4_request";
    FakeExchange exchange(sign(head(std::move(method), std::move(target), std::move(headers)), options),
                          body ? std::vector<std::string>{*body} : std::vector<std::string>{});
    return run(exchange);
  }

  Answer send_unsigned(std::string method, std::string target, Headers headers = {}) {
    FakeExchange exchange(head(std::move(method), std::move(target), std::move(headers)));
    return run(exchange);
  }

  Answer put(const std::string& target, const std::string& body = "", Headers headers = {}) {
    return send("PUT", target, std::move(headers), body);
  }
  Answer get(const std::string& target, Headers headers = {}) { return send("GET", target, std::move(headers)); }

  static bool has_length(const Headers& headers) {
    for (const auto& header : headers) {
      if (equals_ignoring_case(header.name, "content-length") || equals_ignoring_case(header.name, "transfer-encoding")) {
        return true;
      }
    }
    return false;
  }

  HandClock clock;
  SeededRng rng{7};
  OneCredential credentials;
  MemoryMetadata metadata;
  MemoryData data;
  bool ready = true;
  gateway::s3::S3Metrics metrics;
  gateway::s3::S3Handler handler;
};

}  // namespace gabion::test
