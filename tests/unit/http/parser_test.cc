// What the parser accepts, and what it makes of it. What it refuses is in hostile_requests_test.cc.
#include "gateway/http/parser.h"

#include <catch2/catch_test_macros.hpp>

namespace gabion::gateway::http {
namespace {

struct Parsed {
  bool failed = false;
  bool complete = false;
  RequestHead head;
  std::string body;
  std::vector<Header> trailers;
  std::string rest;  // not of this request
  Refusal refusal;
};

// Parses one request that arrives `step` bytes at a time.
Parsed parse(const std::string& text, std::size_t step = SIZE_MAX) {
  RequestParser parser{ParserLimits()};
  Parsed out;
  std::string buffer;
  bool in_body = false;
  std::size_t sent = 0;
  while (sent < text.size() || sent == 0) {
    const std::size_t n = std::min(step, text.size() - sent);
    buffer += text.substr(sent, n);
    sent += n;
    for (bool more = true; more;) {
      more = false;
      Parse outcome;
      if (!in_body) {
        const HeadStep head = parser.parse_head(as_bytes(buffer), out.head);
        outcome = head.outcome;
        buffer.erase(0, head.consumed);
        if (outcome == Parse::done) more = in_body = true;
        if (outcome == Parse::done) continue;
      } else {
        const BodyStep body = parser.next_body(as_bytes(buffer));
        outcome = body.outcome;
        out.body += as_text(body.data);
        buffer.erase(0, body.consumed);
        more = outcome == Parse::need_more && body.consumed != 0;
        out.complete = outcome == Parse::done;
      }
      if (outcome == Parse::failed) {
        out.failed = true;
        out.refusal = parser.refusal();
        return out;
      }
    }
    if (out.complete) break;
    if (n == 0) break;
  }
  if (in_body) out.trailers = parser.trailers();
  out.rest = buffer + text.substr(sent);
  return out;
}

}  // namespace

TEST_CASE("a request keeps its method, target, headers and their order") {
  const auto r =
      parse("GET /b/k%20?x=1&y HTTP/1.1\r\nHost: s3.example\r\nX-A:  one \r\nx-a: two\r\nEmpty:\r\n\r\nrest");
  REQUIRE(r.complete);
  CHECK(r.head.method == "GET");
  CHECK(r.head.target == "/b/k%20?x=1&y");
  CHECK(r.head.path() == "/b/k%20");
  CHECK(r.head.query() == "x=1&y");
  REQUIRE(r.head.headers.size() == 4);
  CHECK(r.head.headers[1].name == "x-a");
  CHECK(r.head.headers[1].value == "one");
  CHECK(r.head.headers[2].value == "two");
  CHECK(r.head.get("empty").empty());
  CHECK(r.head.find("absent") == nullptr);
  CHECK(!r.head.content_length);
  CHECK(!r.head.chunked);
  CHECK(r.rest == "rest");
}

TEST_CASE("targets that real clients send are passed on untouched") {
  for (const std::string target : {"/", "/b/\xc3\xa4", "/b/a|b", "/b/[x]{y}^\"", "/b/%zz", "/b//a/../c/",
                                   "/b/k?prefix=a+b&x", "/b?", "/http://x/"}) {
    INFO(target);
    const auto r = parse("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(r.complete);
    CHECK(r.head.target == target);
  }
}

TEST_CASE("absolute targets are reduced to origin form and their host replaces the header") {
  const auto check = [](const std::string& sent, const std::string& target, const std::string& host) {
    INFO(sent);
    const auto r = parse("GET " + sent + " HTTP/1.1\r\nHost: other\r\n\r\n");
    REQUIRE(r.complete);
    CHECK(r.head.target == target);
    CHECK(r.head.get("host") == host);
  };
  check("http://s3.example/b/k?x", "/b/k?x", "s3.example");
  check("HTTPS://s3.example:9000", "/", "s3.example:9000");
  check("http://s3.example?location", "/?location", "s3.example");
  check("http://[::1]:9000/a", "/a", "[::1]:9000");
}

TEST_CASE("a request of HTTP/1.0 needs no host") {
  const auto r = parse("GET http://a/b HTTP/1.0\r\n\r\n");
  REQUIRE(r.complete);
  CHECK(r.head.get("host") == "a");
  CHECK(parse("GET / HTTP/1.0\r\n\r\n").complete);
}

TEST_CASE("empty lines before a request are skipped") {
  const auto r = parse("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(r.complete);
  CHECK(r.head.method == "GET");
}

TEST_CASE("a body with Content-Length ends where it says") {
  const auto r = parse("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhelloGET");
  REQUIRE(r.complete);
  CHECK(r.head.content_length == 5);
  CHECK(r.body == "hello");
  CHECK(r.rest == "GET");
}

TEST_CASE("a length near 2^64 is read exactly") {
  const auto r = parse("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n");
  CHECK(!r.failed);
  CHECK(r.head.content_length == 18446744073709551615u);
}

TEST_CASE("a chunked body is put together, its trailers kept apart from the headers") {
  const std::string text =
      "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "5\r\nhello\r\n1;name=value\r\n \r\n00005;q=\"a;b\"\r\nworld\r\n0\r\nX-Sum: abc=\r\nHost: "
      "evil\r\nAuthorization: x\r\n\r\nGET";
  for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{7}, SIZE_MAX}) {
    INFO(step);
    const auto r = parse(text, step);
    REQUIRE(r.complete);
    CHECK(r.head.chunked);
    CHECK(r.body == "hello world");
    REQUIRE(r.trailers.size() == 1);
    CHECK(r.trailers[0].name == "x-sum");
    CHECK(r.trailers[0].value == "abc=");
    CHECK(r.head.headers.size() == 2);
    CHECK(r.rest == "GET");
  }
}

TEST_CASE("headers of 60 KiB are accepted, 70 KiB are not") {
  const auto with = [](std::size_t lines) {
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (std::size_t i = 0; i < lines; ++i)
      text += "x-" + std::to_string(i) + ": " + std::string(1000, 'v') + "\r\n";
    return text + "\r\n";
  };
  CHECK(parse(with(60)).complete);
  CHECK(parse(with(60), 1000).complete);
  const auto r = parse(with(70));
  CHECK(r.failed);
  CHECK(r.refusal.status == 400);
  CHECK(r.refusal.code == "RequestHeaderSectionTooLarge");
}

TEST_CASE("an endless request line is refused with 414 before it ends") {
  const auto r = parse("GET /" + std::string(17'000, 'a'), 1000);
  CHECK(r.failed);
  CHECK(r.refusal.status == 414);
}

TEST_CASE("endless headers are refused before they end") {
  const auto r = parse("GET / HTTP/1.1\r\nHost: a\r\nx: " + std::string(70'000, 'a'), 1000);
  CHECK(r.failed);
  CHECK(r.refusal.code == "RequestHeaderSectionTooLarge");
}

TEST_CASE("a trailer section over its limit is refused, also when it never ends") {
  const std::string head = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
  std::string trailers;
  for (int i = 0; i < 40; ++i) trailers += "x-" + std::to_string(i) + ": " + std::string(1000, 'v') + "\r\n";
  CHECK(parse(head + trailers + "\r\n").failed);
  CHECK(parse(head + trailers, 100).failed);
  CHECK(parse(head + "x: " + std::string(10'000, ' ') + "v\r\n\r\n").complete);
  CHECK(parse(head + "x: " + std::string(20'000, ' ') + "v\r\n\r\n").failed);
}

TEST_CASE("noise is refused at its first byte") {
  CHECK(parse("\x16\x03\x01").failed);
  CHECK(parse(std::string(1, '\0')).failed);
  CHECK(parse(" GET").failed);
}

}  // namespace gabion::gateway::http
