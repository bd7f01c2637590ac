// Slow and silent clients cost a connection no longer than the limits say. All in simulated time.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/http/session_fixture.h"

namespace gabion::test {

TEST_CASE("a new connection that stays silent is closed after the time for a head") {
  SessionFixture s;
  s.pass(9s);
  CHECK(!s.closed());
  s.pass(2s);
  CHECK(s.closed());
  CHECK(s.received().empty());
}

TEST_CASE("a head that trickles in is refused when its time is over, however many bytes came") {
  SessionFixture s;
  s.send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 9; ++i) {
    s.pass(1s);
    s.send("x: y\r\n");
  }
  CHECK(!s.closed());
  s.pass(2s);
  const std::string r = s.received();
  CHECK(has(r, "400 Bad Request"));
  CHECK(has(r, "<Code>RequestTimeout</Code>"));
  CHECK(s.closed());
  CHECK(s.metrics.timeouts.value() == 1);
}

TEST_CASE("an idle connection is kept for 75 seconds and then closed without a word") {
  SessionFixture s;
  s.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  s.pass(74s);
  CHECK(!s.closed());
  CHECK(has(s.exchange("GET /again HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /again"));
  s.pass(74s);
  CHECK(!s.closed());
  s.pass(2s);
  CHECK(s.closed());
  CHECK(s.received().empty());
}

TEST_CASE("the time for a head begins with its first byte, not with the connection's idleness") {
  SessionFixture s;
  s.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  s.pass(70s);
  s.send("GET /late ");
  s.pass(9s);
  CHECK(has(s.exchange("HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /late"));
}

TEST_CASE("a body that stops is given up after its grace") {
  SessionFixture s;
  s.send("PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc");
  s.pass(29s);
  CHECK(s.handler.body_errors.empty());
  s.pass(2s);
  CHECK(s.handler.body_errors == std::vector{Errc::deadline});
  CHECK(has(s.received(), "\r\nConnection: close\r\n"));
  CHECK(s.closed());
}

TEST_CASE("a body that trickles below the least rate is given up") {
  SessionFixture s;
  s.send("PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
  for (int i = 0; i < 29; ++i) {
    s.pass(1s);
    s.send("0123456789");
  }
  CHECK(s.handler.body_errors.empty());
  s.pass(2s);
  CHECK(s.handler.body_errors == std::vector{Errc::deadline});
}

TEST_CASE("a client that stops after a fast start is given up too") {
  SessionFixture s;
  s.send("PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + std::string(5'000'000, 'x'));
  s.pass(31s);
  CHECK(s.handler.body_errors == std::vector{Errc::deadline});
}

TEST_CASE("a slow body above the least rate is received, however long it takes") {
  SessionFixture s;
  s.send("PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
  for (int i = 0; i < 200; ++i) {
    s.pass(1s);
    s.send(std::string(2000, 'x'));
  }
  CHECK(has(s.received(), "200 OK"));
  CHECK(s.handler.body_errors.empty());
}

TEST_CASE("a client that stops reading its response is given up") {
  SessionFixture s;
  s.server->set_write_capacity(10'000);
  s.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  s.pass(59s);
  CHECK(s.handler.write_errors.empty());
  s.pass(2s);
  CHECK(s.handler.write_errors == std::vector{Errc::deadline});
  CHECK(s.closed());
}

TEST_CASE("a client that reads slowly gets all of its response") {
  SessionFixture s;
  s.server->set_write_capacity(10'000);
  s.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  std::string r;
  for (int i = 0; i < 240; ++i) {
    s.pass(1s);
    std::byte bytes[4000];
    const auto n = s.world.run(s.client->read_some(bytes));
    REQUIRE(n.has_value());
    r += as_text(ByteView(bytes, *n));
  }
  CHECK(s.handler.write_errors.empty());
  r += s.received();
  CHECK(body_of(r).size() == 1'000'000);
}

TEST_CASE("the time that a handler takes is not the client's") {
  SessionFixture s;
  s.send("PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
  s.pass(1h + 1s);
  CHECK(has(s.received(), "at last"));
  CHECK(!s.closed());
}

TEST_CASE("an unread body that does not come is not waited for longer than the time for draining") {
  SessionFixture s;
  s.send("PUT /ignore-body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
  CHECK(has(s.received(), "403 Forbidden"));
  s.pass(4s);
  CHECK(!s.closed());
  s.pass(2s);
  CHECK(s.closed());
}

}  // namespace gabion::test
