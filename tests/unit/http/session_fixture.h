// A session over a pipe in simulated time, a handler that does what the path of the request says, and a
// client that writes raw bytes and collects what comes back.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "gateway/http/session.h"
#include "tests/support/pipe_stream.h"

namespace gabion::test {

using namespace gateway::http;
using namespace std::chrono_literals;

// Echo: "<method> <target> <body>". Paths begin with what to do otherwise.
class ScriptedHandler final : public Handler {
 public:
  explicit ScriptedHandler(sim::SimWorld& world) : world_(world) {}

  task<void> handle(Exchange& exchange) override {
    heads.push_back(exchange.head());
    const std::string path(exchange.head().path());
    if (path == "/ignore-body") {
      co_await exchange.respond(403, "no");
    } else if (path == "/silent") {
      co_return;
    } else if (path == "/no-content") {
      co_await exchange.respond(204, "");
    } else if (path == "/not-modified") {
      exchange.set_header("ETag", "\"abc\"");
      co_await exchange.respond(304, "must not be sent");
    } else if (path == "/stream") {
      co_await stream(exchange, 1'000'000, 1'000'000);
    } else if (path == "/truncated") {
      co_await stream(exchange, 1000, 400);
    } else if (path == "/slow") {
      co_await world_.clock().sleep(1h);
      co_await exchange.respond(200, "at last");
    } else {
      co_await echo(exchange);
    }
  }

  std::vector<RequestHead> heads;
  std::vector<Header> trailers;
  std::vector<Errc> body_errors;
  std::vector<Errc> write_errors;

 private:
  task<void> echo(Exchange& exchange) {
    std::string text = exchange.head().method + " " + exchange.head().target + " ";
    for (;;) {
      auto piece = co_await exchange.read_body();
      if (!piece) {
        body_errors.push_back(piece.error().code);
        co_await exchange.respond(400, "bad body");
        co_return;
      }
      if (piece->empty()) break;
      text += as_text(*piece);
    }
    trailers = exchange.trailers();
    co_await exchange.respond(200, text);
  }

  task<void> stream(Exchange& exchange, std::size_t announced, std::size_t sent) {
    exchange.set_header("X-Kind", "stream");
    if (!co_await exchange.begin(200, announced)) co_return;
    const std::string piece(300'000, 'x');
    while (sent > 0) {
      const std::size_t n = std::min(sent, piece.size());
      auto written = co_await exchange.write(Bytes::unowned(as_bytes(std::string_view(piece).substr(0, n))));
      if (!written) {
        write_errors.push_back(written.error().code);
        co_return;
      }
      sent -= n;
    }
  }

  sim::SimWorld& world_;
};

struct SessionFixture {
  explicit SessionFixture(SessionLimits limits = {})
      : handler(world), host(world.clock(), world.rng(), handler, limits, metrics) {
    auto [server_end, client_end] = sim::make_pipe(world);
    server = server_end.get();
    client = std::move(client_end);
    server->set_write_capacity(8 * MiB);
    session = std::make_unique<Session>(host, std::move(server_end));
    spawn(world.executor(), gate, "session", session->run());
  }
  ~SessionFixture() {
    session->abort();
    world.run(gate.close());
  }

  void send(std::string_view text) {
    const ByteView piece = as_bytes(text);
    auto sent = world.run(client->write_all({&piece, 1}));
    GABION_CHECK(sent.has_value(), "the session has closed the connection");
  }
  void pass(Duration time) { world.run_for(time); }
  // Everything the server has sent since the last call, after a moment.
  std::string received() {
    pass(1ms);
    std::string out;
    std::byte bytes[64 * KiB];
    client->set_deadline(world.clock().now() + 1ms);
    while (true) {
      const auto n = world.run(client->read_some(bytes));
      if (!n) break;
      out += as_text(ByteView(bytes, *n));
      client->set_deadline(world.clock().now() + 1ms);
    }
    client->set_deadline(TimePoint::max());
    return out;
  }
  std::string exchange(std::string_view request) {
    send(request);
    return received();
  }
  bool closed() const { return server_closed(); }
  bool server_closed() const { return server->closed(); }

  sim::SimWorld world{1};
  HttpMetrics metrics;
  ScriptedHandler handler;
  SessionHost host;
  Gate gate;
  sim::PipeStream* server = nullptr;
  std::unique_ptr<sim::PipeStream> client;
  std::unique_ptr<Session> session;
};

// --- Looking at responses ---

inline std::size_t count(std::string_view text, std::string_view what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size()))
    ++n;
  return n;
}
inline std::size_t responses(std::string_view text) { return count(text, "HTTP/1.1 "); }
inline bool has(std::string_view text, std::string_view what) {
  return text.find(what) != std::string_view::npos;
}
inline std::string body_of(std::string_view response) {
  const std::size_t end = response.find("\r\n\r\n");
  return end == std::string_view::npos ? "" : std::string(response.substr(end + 4));
}

}  // namespace gabion::test
