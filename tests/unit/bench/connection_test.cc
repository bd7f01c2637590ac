#include "tools/bench/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch_test_macros.hpp>
#include <deque>

#include "common/async.h"
#include "tests/support/run.h"

namespace gabion::bench {
namespace {

using asio::ip::tcp;
constexpr auto kNothrow = asio::as_tuple(asio::use_awaitable);

// Answers each request on a connection with the next text; closes after the last. One deque of answers a
// connection.
task<void> serve(tcp::acceptor& acceptor, std::deque<std::deque<std::string>> connections) {
  for (const auto& answers : connections) {
    auto [failed, socket] = co_await acceptor.async_accept(kNothrow);
    if (failed) co_return;
    for (const std::string& answer : answers) {
      std::array<char, 4096> request;
      auto [gone, size] = co_await socket.async_receive(asio::buffer(request), kNothrow);
      if (gone) break;
      // In two writes, so that heads and bodies arrive cut.
      const std::string first = answer.substr(0, answer.size() / 2);
      const std::string second = answer.substr(answer.size() / 2);
      co_await asio::async_write(socket, asio::buffer(first), kNothrow);
      co_await asio::async_write(socket, asio::buffer(second), kNothrow);
    }
  }
}

struct Answer {
  unsigned status = 0;
  std::string body;
};

task<Result<Answer>> ask(Connection& connection) {
  CO_TRY(const ResponseHead head, co_await connection.request("GET / HTTP/1.1\r\nHost: x\r\n\r\n", {}));
  Answer answer{.status = head.status, .body = ""};
  for (;;) {
    CO_TRY(const ByteView piece, co_await connection.read_some());
    if (piece.empty()) co_return answer;
    answer.body += as_text(piece);
  }
}

task<std::vector<Result<Answer>>> ask_all(std::deque<std::deque<std::string>> script, std::size_t requests) {
  auto executor = co_await asio::this_coro::executor;
  tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  Gate gate;
  spawn(executor, gate, "scripted server", serve(acceptor, std::move(script)));
  Connection connection(executor, acceptor.local_endpoint());
  std::vector<Result<Answer>> answers;
  for (std::size_t i = 0; i < requests; ++i) answers.push_back(co_await ask(connection));
  connection.close();
  acceptor.close();
  co_await gate.close();
  co_return answers;
}

std::string plain(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

TEST_CASE("requests follow one another on one connection") {
  const auto answers = test::run(ask_all({{plain("one"), plain(""), plain("three")}}, 3));
  CHECK(answers[0]->body == "one");
  CHECK(answers[1]->body.empty());
  CHECK(answers[2]->body == "three");
}

TEST_CASE("a chunked body is put together, extensions and trailers left out") {
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: "
      "1\r\n\r\n";
  const auto answers = test::run(ask_all({{chunked, plain("next")}}, 2));
  CHECK(answers[0]->body == "abc0123456789");
  CHECK(answers[1]->body == "next");
}

TEST_CASE("100 Continue is not the answer") {
  const auto answers = test::run(ask_all({{"HTTP/1.1 100 Continue\r\n\r\n" + plain("x")}}, 1));
  CHECK(answers[0]->status == 200);
  CHECK(answers[0]->body == "x");
}

TEST_CASE("a kept connection that the server has closed is replaced, and the request sent again") {
  const auto answers = test::run(ask_all({{plain("one")}, {plain("two")}}, 2));
  REQUIRE(answers[1].has_value());
  CHECK(answers[1]->body == "two");
}

TEST_CASE("after Connection: close the next request opens another connection") {
  const std::string last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
  const auto answers = test::run(ask_all({{last}, {plain("two")}}, 2));
  CHECK(answers[0]->body == "x");
  CHECK(answers[1]->body == "two");
}

TEST_CASE("a body that ends early, a head that is not HTTP and a chunk size that is no number are errors") {
  for (const char* bad :
       {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "SMTP ready\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "HTTP/1.1 200 OK\r\nnocolon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    INFO(bad);
    const auto answers = test::run(ask_all({{bad}}, 1));
    CHECK(answers[0].has_error());
  }
}

TEST_CASE("a discarded body leaves the connection ready for the next request") {
  auto discard = [](std::string body) -> task<Result<Answer>> {
    auto executor = co_await asio::this_coro::executor;
    tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    Gate gate;
    spawn(executor, gate, "scripted server", serve(acceptor, {{plain(body), plain("after")}}));
    Connection connection(executor, acceptor.local_endpoint());
    auto head = co_await connection.request("GET / HTTP/1.1\r\nHost: x\r\n\r\n", {});
    auto discarded = co_await connection.discard_body();
    auto answer = co_await ask(connection);
    connection.close();
    acceptor.close();
    co_await gate.close();
    CHECK(head.has_value());
    CHECK(discarded.has_value());
    co_return answer;
  };
  for (const std::size_t size : {0u, 1u, 5000u, 3'000'000u}) {
    const auto answer = test::run(discard(std::string(size, 'x')));
    REQUIRE(answer.has_value());
    CHECK(answer->body == "after");
  }
}

TEST_CASE("nobody listening is unavailable") {
  auto refused = []() -> task<Result<Answer>> {
    auto executor = co_await asio::this_coro::executor;
    tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const tcp::endpoint peer = acceptor.local_endpoint();
    acceptor.close();
    Connection connection(executor, peer);
    co_return co_await ask(connection);
  };
  const auto answer = test::run(refused());
  REQUIRE(answer.has_error());
  CHECK(answer.error().code == Errc::unavailable);
}

}  // namespace
}  // namespace gabion::bench
