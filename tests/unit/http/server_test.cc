// The server on real sockets: TCP and TLS on loopback, limits, reload of the certificate, draining.
#include "gateway/http/server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <thread>

#include "common/async.h"
#include "tests/support/blocking_client.h"
#include "tests/support/certificate.h"

namespace gabion::test {
namespace {

using namespace gateway::http;
using namespace std::chrono_literals;

constexpr std::string_view kGet = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kClose = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

// "hello" for everything; /size/N gives N bytes, /count the size of the request's body, /held waits for
// release().
class Hello final : public Handler {
 public:
  task<void> handle(Exchange& exchange) override {
    {
      const std::lock_guard lock(mutex_);
      threads_.insert(std::this_thread::get_id());
    }
    const std::string path(exchange.head().path());
    if (path.starts_with("/size/")) {
      std::size_t left = std::stoul(path.substr(6));
      const std::string piece(1 * MiB, 'x');
      if (!co_await exchange.begin(200, left)) co_return;
      while (left > 0) {
        const std::size_t n = std::min(left, piece.size());
        if (!co_await exchange.write(Bytes::unowned(as_bytes(piece).first(n)))) co_return;
        left -= n;
      }
    } else if (path == "/count") {
      std::size_t total = 0;
      for (;;) {
        const auto piece = co_await exchange.read_body();
        if (!piece) co_return;
        if (piece->empty()) break;
        total += piece->size();
      }
      co_await exchange.respond(200, std::to_string(total));
    } else if (path == "/held") {
      arrived.set_value();
      co_await release.wait();
      co_await exchange.respond(200, "released");
    } else {
      co_await exchange.respond(200, "hello");
    }
  }
  std::size_t threads() {
    const std::lock_guard lock(mutex_);
    return threads_.size();
  }
  std::promise<void> arrived;
  Event release;

 private:
  std::mutex mutex_;
  std::set<std::thread::id> threads_;
};

class RunningServer {
 public:
  explicit RunningServer(ServerOptions options = {}) {
    options.sweep_interval = 20ms;
    std::vector<Executor> executors;
    for (auto& io : io_) executors.push_back(io.get_executor());
    server_ = std::make_unique<HttpServer>(executors, clock, rng_, handler, std::move(options), metrics);
    const auto bound = server_->start();
    GABION_CHECK(bound.has_value(), "the test server cannot listen");
    port = *bound;
    for (auto& io : io_) threads_.emplace_back([&io] { io.run(); });
  }
  ~RunningServer() {
    stop(5s);
    for (auto& guard : guards_) guard.reset();
    for (auto& thread : threads_) thread.join();
  }
  void stop(Duration grace) {
    if (std::exchange(stopped_, true)) return;
    std::promise<void> done;
    asio::co_spawn(io_[0], server_->stop(grace), [&done](std::exception_ptr) { done.set_value(); });
    done.get_future().wait();
  }

  std::uint16_t port = 0;
  RealClock clock;
  HttpMetrics metrics;
  Hello handler;

 private:
  using Guard = asio::executor_work_guard<asio::io_context::executor_type>;
  SystemRng rng_;
  std::array<asio::io_context, 2> io_{asio::io_context(1), asio::io_context(1)};
  std::array<Guard, 2> guards_{Guard(io_[0].get_executor()), Guard(io_[1].get_executor())};
  std::unique_ptr<HttpServer> server_;
  std::vector<std::thread> threads_;
  bool stopped_ = false;
};

struct CertificateFiles {
  CertificateFiles() {
    char name[] = "/tmp/gabion-tls-XXXXXX";
    GABION_CHECK(::mkdtemp(name) != nullptr, "no temporary directory");
    dir = name;
    certificate = dir / "cert.pem";
    key = dir / "key.pem";
  }
  ~CertificateFiles() { std::filesystem::remove_all(dir); }
  std::filesystem::path dir, certificate, key;
};

ServerOptions tls_options(const CertificateFiles& files, const std::string& name) {
  write_certificate(name, files.certificate, files.key);
  ServerOptions options;
  options.tls = *net::TlsContext::load(files.certificate, files.key);
  return options;
}

}  // namespace

TEST_CASE("requests over TCP are answered, many on one connection") {
  RunningServer server;
  BlockingClient client(server.port);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(client.send(kGet));
    REQUIRE(client.receive_until("\r\n\r\nhello").starts_with("HTTP/1.1 200 OK\r\n"));
  }
  CHECK(server.metrics.requests.value() == 100);
  CHECK(server.metrics.accepted.value() == 1);
}

TEST_CASE("a connection that says close is closed after its response") {
  RunningServer server;
  BlockingClient client(server.port);
  client.send(kClose);
  CHECK(client.receive_all().ends_with("\r\n\r\nhello"));
}

TEST_CASE("connections spread over the threads") {
  RunningServer server;
  std::vector<std::unique_ptr<BlockingClient>> clients;
  for (int i = 0; i < 16; ++i) {
    clients.push_back(std::make_unique<BlockingClient>(server.port));
    clients.back()->send(kGet);
    clients.back()->receive_until("hello");
  }
  CHECK(server.handler.threads() == 2);
  CHECK(server.metrics.connections.value() == 16);
}

TEST_CASE("large bodies pass both ways, over TCP and TLS") {
  for (const bool tls : {false, true}) {
    INFO(tls);
    CertificateFiles files;
    RunningServer server(tls ? tls_options(files, "test") : ServerOptions());
    BlockingClient client(server.port);
    if (tls) REQUIRE(client.start_tls());
    const std::string body(20'000'000, 'b');
    client.send("PUT /count HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n");
    REQUIRE(client.send(body));
    CHECK(client.receive_until("20000000").ends_with("\r\n\r\n20000000"));
    client.send("GET /size/20000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const std::string r = client.receive_all();
    CHECK(r.size() - r.find("\r\n\r\n") - 4 == 20'000'000);
  }
}

TEST_CASE("a client that uploads without reading gets the refusal, not a reset") {
  RunningServer server;
  BlockingClient client(server.port);
  client.send("PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
  CHECK(client.send(std::string(8'000'000, 'x')));
  const std::string r = client.receive_all();
  CHECK(r.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(r.find("Connection: close") != std::string::npos);
}

TEST_CASE("TLS 1.2 and 1.3 are spoken, older versions and plain HTTP are not") {
  CertificateFiles files;
  RunningServer server(tls_options(files, "first"));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    BlockingClient client(server.port);
    REQUIRE(client.start_tls(version));
    client.send(kGet);
    CHECK(client.receive_until("hello").starts_with("HTTP/1.1 200 OK\r\n"));
  }
  BlockingClient old(server.port);
  CHECK(!old.start_tls(TLS1_1_VERSION));
  BlockingClient plain(server.port);
  plain.send(kGet);
  CHECK(plain.receive_all().find("200 OK") == std::string::npos);
}

TEST_CASE(
    "a reloaded certificate is shown to new connections, old ones go on, and bad files change nothing") {
  CertificateFiles files;
  const ServerOptions options = tls_options(files, "first");
  RunningServer server(options);
  BlockingClient before(server.port);
  REQUIRE(before.start_tls());
  CHECK(before.certificate_name() == "first");

  std::ofstream(files.certificate) << "not a certificate";
  const auto bad = options.tls->reload();
  REQUIRE(!bad);
  CHECK(bad.error().message.find(files.certificate.string()) != std::string::npos);
  BlockingClient during(server.port);
  REQUIRE(during.start_tls());
  CHECK(during.certificate_name() == "first");

  write_certificate("second", files.certificate, files.key);
  REQUIRE(options.tls->reload());
  for (int i = 0; i < 4; ++i) {
    BlockingClient after(server.port);
    REQUIRE(after.start_tls());
    CHECK(after.certificate_name() == "second");
  }
  before.send(kGet);
  CHECK(before.receive_until("hello").ends_with("hello"));
}

TEST_CASE("a key that does not belong to the certificate is refused, and so are files that are missing") {
  CertificateFiles files, others;
  write_certificate("a", files.certificate, files.key);
  write_certificate("b", others.certificate, others.key);
  CHECK(net::TlsContext::load(files.certificate, files.key));
  CHECK(!net::TlsContext::load(files.certificate, others.key));
  const auto missing = net::TlsContext::load(files.dir / "none", files.key);
  REQUIRE(!missing);
  CHECK(missing.error().code == Errc::not_found);
}

TEST_CASE("connections over the limit are told 503") {
  ServerOptions options;
  options.max_connections = 2;
  RunningServer server(options);
  BlockingClient first(server.port), second(server.port);
  for (BlockingClient* client : {&first, &second}) {
    client->send(kGet);
    client->receive_until("hello");
  }
  {
    BlockingClient third(server.port);
    const std::string r = third.receive_all();
    CHECK(r.starts_with("HTTP/1.1 503 "));
    CHECK(r.find("Retry-After") != std::string::npos);
  }
  CHECK(server.metrics.rejected.value() == 1);
  first.send(kGet);
  CHECK(first.receive_until("hello").ends_with("hello"));
}

TEST_CASE("silent connections are closed when their time is over") {
  ServerOptions options;
  options.limits.head_time = 50ms;
  RunningServer server(options);
  BlockingClient client(server.port);
  CHECK(client.receive_all().empty());
}

TEST_CASE("stopping finishes the request under way, closes idle connections and refuses new ones") {
  RunningServer server;
  BlockingClient idle(server.port);
  auto busy = std::make_unique<BlockingClient>(server.port);
  idle.send(kGet);
  idle.receive_until("hello");
  busy->send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
  server.handler.arrived.get_future().wait();
  std::thread stopper([&] { server.stop(10s); });
  CHECK(idle.receive().empty());
  while (BlockingClient(server.port).connected())
    std::this_thread::yield();  // until every thread has been told
  server.handler.release.set();
  const std::string r = busy->receive_all();
  busy.reset();
  CHECK(r.ends_with("released"));
  CHECK(r.find("Connection: close") != std::string::npos);
  stopper.join();
  CHECK(!BlockingClient(server.port).connected());
  CHECK(server.metrics.connections.value() == 0);
}

TEST_CASE("stopping drops connections that outlast the grace") {
  RunningServer server;
  BlockingClient client(server.port);
  client.send("PUT /count HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc");
  while (server.metrics.requests.value() == 0) std::this_thread::yield();
  server.stop(10ms);
  CHECK(client.receive_all().empty());
  CHECK(server.metrics.connections.value() == 0);
}

TEST_CASE("a port in use is an error, although the server's own threads share theirs") {
  RunningServer server;
  ServerOptions options;
  options.address.port = server.port;
  RealClock clock;
  SystemRng rng;
  asio::io_context io(1);
  HttpServer second({io.get_executor()}, clock, rng, server.handler, options, server.metrics);
  const auto started = second.start();
  REQUIRE(!started);
  CHECK(started.error().message.find(std::to_string(server.port)) != std::string::npos);
  // One that could not start can be stopped like any other.
  bool stopped = false;
  asio::co_spawn(io, second.stop(1s), [&stopped](std::exception_ptr) { stopped = true; });
  io.run();
  CHECK(stopped);
}

}  // namespace gabion::test
