// TCP streams, listener and connecting, on loopback, everything on one thread.
#include "common/net/tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

#include "common/async.h"
#include "common/log.h"
#include "common/net/listener.h"

namespace gabion::net {
namespace {

using namespace std::chrono_literals;

// One thread with a sweeper, a listener and two connected streams.
struct Loopback {
  explicit Loopback(bool connected = true) {
    listener = *Listener::open(io.get_executor(), clock, {"127.0.0.1", 0});
    spawn(io.get_executor(), gate, "sweeper", sweeper.run());
    if (connected) run(connect());
  }
  ~Loopback() {
    near.reset();
    far.reset();
    listener->close();
    sweeper.stop();
    io.restart();
    io.run();
  }
  task<void> connect() {
    auto made = co_await connect_tcp("localhost", listener->port(), clock, sweeper, clock.now() + 5s);
    GABION_CHECK(made.has_value(), "no connection over loopback");
    near = std::move(*made);
    auto accepted = co_await listener->accept();
    GABION_CHECK(accepted.has_value(), "no connection accepted");
    descriptor = accepted->descriptor();
    far = make_tcp_stream(io.get_executor(), sweeper, std::move(*accepted));
  }
  template <class T>
  T run(task<T> work) {
    std::optional<T> result;
    asio::co_spawn(io, std::move(work),
                   [&](std::exception_ptr, T value) { result.emplace(std::move(value)); });
    drive([&] { return result.has_value(); });
    return std::move(*result);
  }
  void run(task<void> work) {
    bool done = false;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr) { done = true; });
    drive([&] { return done; });
  }
  template <class Condition>
  void drive(Condition condition) {
    io.restart();
    while (!condition()) io.run_one_for(10s);
  }

  RealClock clock;
  asio::io_context io{1};
  Gate gate;
  DeadlineSweeper sweeper{clock, 10ms};
  std::unique_ptr<Listener> listener;
  std::unique_ptr<ByteStream> near, far;
  int descriptor = -1;
};

Result<std::string> read(Loopback& l, ByteStream& stream) {
  std::byte bytes[64 * KiB];
  TRY(const std::size_t n, l.run(stream.read_some(bytes)));
  return std::string(as_text(ByteView(bytes, n)));
}

}  // namespace

TEST_CASE("pieces written together arrive in order, empty ones included") {
  Loopback l;
  std::vector<std::string> texts;
  std::string all;
  for (int i = 0; i < 100; ++i)
    texts.push_back(std::string(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26)));
  std::vector<ByteView> pieces;
  for (const auto& text : texts) {
    pieces.push_back(as_bytes(text));
    all += text;
  }
  REQUIRE(l.run(l.near->write_all(pieces)));
  std::string got;
  while (got.size() < all.size()) got += *read(l, *l.far);
  CHECK(got == all);
}

TEST_CASE("a write larger than the socket's buffers goes on as the peer reads") {
  Loopback l;
  const std::string big(30'000'000, 'x');
  const ByteView piece = as_bytes(big);
  std::optional<bool> written;
  asio::co_spawn(l.io, l.near->write_all({&piece, 1}),
                 [&](std::exception_ptr, Result<void> r) { written = r.has_value(); });
  std::size_t got = 0;
  while (got < big.size()) got += read(l, *l.far)->size();
  l.drive([&] { return written.has_value(); });
  CHECK(written == true);
}

TEST_CASE("the end of the peer is told as end_of_stream, to readers and writers") {
  Loopback l;
  l.near.reset();
  CHECK(read(l, *l.far).error().code == Errc::end_of_stream);
  const std::string big(30'000'000, 'x');
  const ByteView piece = as_bytes(big);
  const auto written = l.run(l.far->write_all({&piece, 1}));
  REQUIRE(!written);
  CHECK(written.error().code == Errc::end_of_stream);
}

TEST_CASE("a read fails when its deadline passes, and works again with a new one") {
  Loopback l;
  l.far->set_deadline(l.clock.now() + 1ms);
  CHECK(read(l, *l.far).error().code == Errc::deadline);
  CHECK(read(l, *l.far).error().code == Errc::deadline);
  l.far->set_deadline(l.clock.now() + 1h);
  const ByteView piece = as_bytes("again");
  REQUIRE(l.run(l.near->write_all({&piece, 1})));
  CHECK(*read(l, *l.far) == "again");
}

TEST_CASE("a write that nobody reads fails when its deadline passes") {
  Loopback l;
  l.near->set_deadline(l.clock.now() + 1ms);
  const std::string big(30'000'000, 'x');
  const ByteView piece = as_bytes(big);
  const auto written = l.run(l.near->write_all({&piece, 1}));
  REQUIRE(!written);
  CHECK(written.error().code == Errc::deadline);
}

TEST_CASE("abort ends a read under way") {
  Loopback l;
  asio::post(l.io, [&] { l.far->abort(); });
  CHECK(read(l, *l.far).error().code == Errc::cancelled);
  CHECK(read(l, *l.far).error().code == Errc::cancelled);
}

TEST_CASE("close delivers what was written, and ends when the peer has closed") {
  Loopback l;
  const ByteView piece = as_bytes("last words");
  REQUIRE(l.run(l.far->write_all({&piece, 1})));
  bool closed = false;
  asio::co_spawn(l.io, l.far->close(), [&](std::exception_ptr) { closed = true; });
  CHECK(*read(l, *l.near) == "last words");
  CHECK(read(l, *l.near).error().code == Errc::end_of_stream);
  l.near.reset();
  l.drive([&] { return closed; });
  CHECK(read(l, *l.far).error().code == Errc::cancelled);
}

TEST_CASE("accepted sockets have TCP_NODELAY and know their peer") {
  Loopback l;
  int on = 0;
  socklen_t size = sizeof on;
  REQUIRE(::getsockopt(l.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
  CHECK(on != 0);
  CHECK(l.far->peer_address().starts_with("127.0.0.1:"));
  CHECK(l.near->peer_address() == "127.0.0.1:" + std::to_string(l.listener->port()));
  CHECK(!l.far->is_encrypted());
}

TEST_CASE("connecting to a port where nobody listens, or to no address, fails with a reason") {
  Loopback l(false);
  const std::uint16_t port = l.listener->port();
  l.listener->close();
  const auto refused = l.run(connect_socket("127.0.0.1", port, l.clock, l.clock.now() + 5s));
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::unavailable);
  CHECK(refused.error().message.find(std::to_string(port)) != std::string::npos);
  CHECK(!l.run(connect_socket("no.such.host.invalid", 1, l.clock, l.clock.now() + 5s)));
}

TEST_CASE("addresses that cannot be listened on are errors") {
  RealClock clock;
  asio::io_context io(1);
  CHECK(Listener::open(io.get_executor(), clock, {"not-an-address", 0}).error().code == Errc::invalid);
  CHECK(!Listener::open(io.get_executor(), clock, {"192.0.2.1", 0}));
  const auto listener = Listener::open(io.get_executor(), clock, {"127.0.0.1", 0});
  REQUIRE(listener);
  CHECK(Listener::open(io.get_executor(), clock, {"127.0.0.1", (*listener)->port()}));
  CHECK(!claim_port({"127.0.0.1", (*listener)->port()}));
  CHECK(*claim_port({"127.0.0.1", 0}) != 0);
}

TEST_CASE("out of descriptors the listener waits, and accepts when there are some again") {
  Loopback l(false);
  const auto connect = [&l] {
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(l.listener->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(client, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    return client;
  };
  // Sanitizers need descriptors of their own to look at an object on whose type they are called first, so all is done once.
  const int before_client = connect();
  REQUIRE(l.run(l.listener->accept()).has_value());
  const int client = connect();

  log::set_level(log::Level::error);  // and they need some to look at what is logged
  // The pause of the starved listener is longer than this.
  const TimePoint until = l.clock.now() + 50ms;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{static_cast<rlim_t>(client), before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  std::optional<bool> accepted;
  asio::co_spawn(l.io, l.listener->accept(),
                 [&](std::exception_ptr, Result<SocketHandle> socket) { accepted = socket.has_value(); });
  l.drive([&] { return l.clock.now() >= until; });
  CHECK(!accepted);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  l.drive([&] { return accepted.has_value(); });
  CHECK(accepted == true);
  log::set_level(log::Level::info);
  ::close(client);
  ::close(before_client);
}

}  // namespace gabion::net
