// A session answers requests as HTTP and the S3 clients demand, and the connection stays usable or is closed.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/http/session_fixture.h"

namespace gabion::test {
namespace {
constexpr std::string_view kNext = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
}

TEST_CASE("every response carries date, server and the request's ids") {
  SessionFixture s;
  const std::string r = s.exchange("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(r.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(has(r, "\r\nServer: Gabion\r\n"));
  CHECK(has(r, "\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\n"));
  CHECK(has(r, "\r\nx-amz-request-id: "));
  CHECK(has(r, "\r\nx-amz-id-2: "));
  CHECK(has(r, "\r\nContent-Length: 11\r\n"));
  CHECK(!has(r, "Connection:"));
  CHECK(body_of(r) == "GET /hello ");
  CHECK(s.handler.heads[0].peer == "192.0.2.7:50312");
}

TEST_CASE("a response goes out in one write") {
  SessionFixture s;
  s.exchange(kNext);
  CHECK(s.server->writes() == 1);
}

TEST_CASE("a connection serves requests one after the other, each with its own id") {
  SessionFixture s;
  const std::string a = s.exchange(kNext);
  const std::string b = s.exchange(kNext);
  CHECK(body_of(a) == body_of(b));
  CHECK(a.substr(a.find("request-id"), 30) != b.substr(b.find("request-id"), 30));
  CHECK(!s.closed());
}

TEST_CASE("pipelined requests are answered in order") {
  SessionFixture s;
  const std::string r = s.exchange(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
      "PUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
      "PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
      "GET /4 HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(responses(r) == 4);
  CHECK(r.find("GET /1 ") < r.find("PUT /2 abc"));
  CHECK(r.find("PUT /2 abc") < r.find("PUT /3 de"));
  CHECK(r.find("PUT /3 de") < r.find("GET /4 "));
}

TEST_CASE("requests that arrive byte by byte are served") {
  SessionFixture s;
  s.server->set_read_limit(1);
  const std::string r = s.exchange(
      "PUT /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\nx-t: v\r\n\r\n"
      "GET /4 HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(responses(r) == 2);
  CHECK(has(r, "PUT /2 de"));
  CHECK(has(r, "GET /4 "));
}

TEST_CASE("a large body arrives whole, with either framing, and the next request after it") {
  for (const bool chunked : {false, true}) {
    INFO(chunked);
    SessionFixture s;
    std::string body;
    for (int i = 0; body.size() < 2'000'000; ++i) body += std::to_string(i);
    std::string request = "PUT /big HTTP/1.1\r\nHost: a\r\n";
    if (chunked) {
      request += "Transfer-Encoding: chunked\r\n\r\n";
      for (std::size_t at = 0; at < body.size(); at += 70'001) {
        const std::string piece = body.substr(at, 70'001);
        request += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
      }
      request += "0\r\n\r\n";
    } else {
      request += fmt::format("Content-Length: {}\r\n\r\n{}", body.size(), body);
    }
    std::string r = s.exchange(request + std::string(kNext));
    CHECK(has(r, "PUT /big " + body));
    CHECK(has(r, "GET /next "));
    CHECK(responses(r) == 2);
  }
}

TEST_CASE("a body that flows has a large buffer, one that trickles a small one, an idle connection none") {
  SessionFixture s;
  const std::size_t all = s.host.large_buffers().left;
  s.send("PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + std::string(60'000, 'x'));
  s.pass(1ms);
  CHECK(s.host.large_buffers().left == all - 1);
  s.send(std::string(1'000, 'x'));
  s.pass(1ms);
  CHECK(s.host.large_buffers().left == all);
  s.send(std::string(60'000, 'x'));
  s.send(std::string(79'000, 'x'));
  CHECK(has(s.received(), "200 OK"));
  CHECK(s.host.large_buffers().left == all);
}

TEST_CASE("trailers reach the handler") {
  SessionFixture s;
  s.exchange(
      "PUT /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Amz-Checksum-Crc32: "
      "AAAA\r\n\r\n");
  REQUIRE(s.handler.trailers.size() == 1);
  CHECK(s.handler.trailers[0].name == "x-amz-checksum-crc32");
}

// --- Expect: 100-continue ---

TEST_CASE("100 Continue is sent when the handler first reads the body") {
  SessionFixture s;
  CHECK(s.exchange("PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n") ==
        "HTTP/1.1 100 Continue\r\n\r\n");
  const std::string r = s.exchange("abc");
  CHECK(has(r, "200 OK"));
  CHECK(has(r, "PUT /k abc"));
  CHECK(!has(r, "Connection: close"));
  CHECK(has(s.exchange(kNext), "GET /next "));
}

TEST_CASE("100 Continue is not sent to a client that has begun with the body") {
  SessionFixture s;
  const std::string r =
      s.exchange("PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
  CHECK(r.starts_with("HTTP/1.1 200 OK"));
  CHECK(responses(r) == 1);
}

TEST_CASE("a refusal instead of 100 Continue says that the connection closes, and it does") {
  SessionFixture s;
  const std::string r =
      s.exchange("PUT /ignore-body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CHECK(r.starts_with("HTTP/1.1 403 Forbidden"));
  CHECK(has(r, "\r\nConnection: close\r\n"));
  CHECK(s.closed());
}

TEST_CASE("a body sent without waiting is never taken for a request") {
  SessionFixture s;
  const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string r = s.exchange(fmt::format(
      "PUT /ignore-body HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n{}",
      smuggled.size(), smuggled));
  CHECK(responses(r) == 1);
  CHECK(s.handler.heads.size() == 1);
}

TEST_CASE("an empty body that is announced gets its 100 Continue, as botocore waits for it") {
  SessionFixture s;
  CHECK(responses(s.exchange(
            "PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n")) == 2);
}

TEST_CASE("an expectation without a body, of HTTP/1.0, or of something else is ignored") {
  SessionFixture s;
  CHECK(has(s.exchange("PUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 200-ok\r\n\r\nx"),
            "PUT /2 x"));
  CHECK(!has(s.exchange("PUT /3 HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx"),
             "100 Continue"));
}

// --- Bodies that nobody reads ---

TEST_CASE("a small unread body is skipped and the next request served") {
  SessionFixture s;
  std::string r = s.exchange("PUT /ignore-body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" +
                             std::string(kNext));
  CHECK(responses(r) == 2);
  CHECK(has(r, "GET /next "));
  r = s.exchange(
      "PUT /ignore-body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" +
      std::string(kNext));
  CHECK(responses(r) == 2);
  CHECK(!s.closed());
}

TEST_CASE("a large unread body closes the connection and says so") {
  SessionFixture s;
  const std::string r =
      s.exchange("PUT /ignore-body HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nhello");
  CHECK(has(r, "403 Forbidden"));
  CHECK(has(r, "\r\nConnection: close\r\n"));
  CHECK(s.closed());
}

TEST_CASE("an endless unread chunked body is cut off after the limit") {
  SessionFixture s;
  s.send("PUT /ignore-body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 5; ++i) s.send("fa00\r\n" + std::string(64'000, 'x') + "\r\n");
  CHECK(responses(s.received()) == 1);
  CHECK(s.closed());
}

TEST_CASE("a broken body is told to the handler and ends the connection") {
  SessionFixture s;
  const std::string r =
      s.exchange("PUT /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX");
  REQUIRE(s.handler.body_errors == std::vector{Errc::invalid});
  CHECK(has(r, "400 Bad Request"));
  CHECK(has(r, "\r\nConnection: close\r\n"));
  CHECK(s.closed());
}

TEST_CASE("a client that leaves in the middle of a body ends the request") {
  SessionFixture s;
  s.send("PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  s.pass(1ms);
  s.client->abort();
  s.pass(1ms);
  CHECK(s.handler.body_errors == std::vector{Errc::end_of_stream});
  CHECK(s.closed());
}

// --- Responses without a body, streamed, missing, cut short ---

TEST_CASE("HEAD gets the length and no body") {
  SessionFixture s;
  std::string r = s.exchange("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(has(r, "\r\nContent-Length: 12\r\n"));
  CHECK(body_of(r).empty());
  r = s.exchange("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(has(r, "\r\nContent-Length: 1000000\r\n"));
  CHECK(body_of(r).empty());
  CHECK(has(s.exchange(kNext), "GET /next "));
}

TEST_CASE("204 and 304 carry neither body nor length") {
  SessionFixture s;
  for (const std::string path : {"/no-content", "/not-modified"}) {
    const std::string r = s.exchange("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(!has(r, "Content-Length"));
    CHECK(body_of(r).empty());
  }
  CHECK(has(s.exchange("GET /not-modified HTTP/1.1\r\nHost: a\r\n\r\n"), "\r\nETag: \"abc\"\r\n"));
  CHECK(!s.closed());
}

TEST_CASE("a streamed response arrives whole") {
  SessionFixture s;
  const std::string r = s.exchange("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(has(r, "\r\nX-Kind: stream\r\n"));
  CHECK(body_of(r) == std::string(1'000'000, 'x'));
  CHECK(has(s.exchange(kNext), "GET /next "));
}

TEST_CASE("a response that ends too early closes the connection") {
  SessionFixture s;
  const std::string r = s.exchange("GET /truncated HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(kNext));
  CHECK(body_of(r).size() == 400);
  CHECK(s.closed());
  CHECK(s.handler.heads.size() == 1);
}

TEST_CASE("a handler that does not answer is answered for with 500") {
  SessionFixture s;
  const std::string r = s.exchange("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(has(r, "500 Internal Server Error"));
  CHECK(has(r, "<Code>InternalError</Code>"));
}

TEST_CASE("headers from outside cannot split the response") {
  CHECK(sanitize_header_value("a\r\nSet-Cookie: b\tc\x7f") == "a  Set-Cookie: b\tc ");
}

// --- Keep-alive ---

TEST_CASE("Connection: close is obeyed and answered") {
  SessionFixture s;
  const std::string r =
      s.exchange("GET /x HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n" + std::string(kNext));
  CHECK(has(r, "\r\nConnection: close\r\n"));
  CHECK(responses(r) == 1);
  CHECK(s.closed());
}

TEST_CASE("HTTP/1.0 closes unless it asks for keep-alive") {
  SessionFixture a;
  CHECK(has(a.exchange("GET /x HTTP/1.0\r\n\r\n"), "\r\nConnection: close\r\n"));
  CHECK(a.closed());
  SessionFixture b;
  CHECK(
      has(b.exchange("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), "\r\nConnection: keep-alive\r\n"));
  CHECK(!b.closed());
}

TEST_CASE(
    "a refused request gets the error document of S3 with the id of its header, and the connection closes") {
  SessionFixture s;
  const std::string r = s.exchange("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + std::string(kNext));
  CHECK(r.starts_with("HTTP/1.1 400 Bad Request"));
  CHECK(has(r, "\r\nConnection: close\r\n"));
  const std::string id = r.substr(r.find("x-amz-request-id: ") + 18, 16);
  CHECK(has(r, "<RequestId>" + id + "</RequestId>"));
  CHECK(responses(r) == 1);
  CHECK(s.closed());
  CHECK(s.handler.heads.empty());
  CHECK(s.metrics.malformed.value() == 1);
}

TEST_CASE("a refused HEAD has no body, and one refused after a HEAD has one") {
  SessionFixture s;
  s.exchange("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(has(s.exchange("GET bad HTTP/1.1\r\nHost: a\r\n\r\n"), "<Error>"));
  SessionFixture t;
  CHECK(body_of(t.exchange("HEAD / HTTP/1.1\r\n\r\n")).empty());
}

// --- Draining ---

TEST_CASE("draining drops an idle connection at once") {
  SessionFixture s;
  s.exchange(kNext);
  s.session->drain();
  s.pass(1ms);
  CHECK(s.closed());
}

TEST_CASE("draining lets a request under way finish and then closes") {
  SessionFixture s;
  s.send("PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
  s.pass(1ms);
  s.session->drain();
  CHECK(!s.closed());
  const std::string r = s.exchange("bc");
  CHECK(has(r, "PUT /k abc"));
  CHECK(has(r, "\r\nConnection: close\r\n"));
  CHECK(s.closed());
}

}  // namespace gabion::test
