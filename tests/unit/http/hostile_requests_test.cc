// Malformed and smuggling requests, whole and byte by byte. Each is followed by "GET /next": a refused
// request gets exactly one response and the connection closes before /next; an accepted one gets exactly one
// response and /next is unharmed.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/http/session_fixture.h"

namespace gabion::test {
namespace {

enum class Outcome { refused, served };

struct Case {
  const char* what;
  std::string request;
  Outcome outcome = Outcome::refused;
  int status = 400;
};

constexpr std::string_view kNext = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

void check(const Case& c, std::size_t read_limit) {
  INFO(c.what << (read_limit == 1 ? ", byte by byte" : ", whole"));
  SessionFixture s;
  s.server->set_read_limit(read_limit);
  s.server->set_write_capacity(MiB);
  std::string r = s.exchange(c.request + std::string(kNext));
  s.pass(60s);  // what waits for more is given up by then
  r += s.received();
  if (c.outcome == Outcome::served) {
    CHECK(responses(r) == 2);
    REQUIRE(s.handler.heads.size() == 2);
    CHECK(s.handler.heads[1].target == "/next");
    CHECK(s.handler.heads[1].headers.size() == 1);
    CHECK(has(r, "GET /next "));
  } else {
    CHECK(responses(r) == 1);
    CHECK(r.starts_with("HTTP/1.1 " + std::to_string(c.status) + " "));
    CHECK(has(r, "\r\nConnection: close\r\n"));
    CHECK(s.handler.heads.size() <= 1);
    for (const RequestHead& head : s.handler.heads) CHECK(head.target != "/next");
    CHECK(s.closed());
  }
}

void check_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    check(c, SIZE_MAX);
    check(c, 1);
  }
}

// A request with these further header lines.
std::string with(const std::string& lines, const std::string& body = "") {
  return "PUT /k HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n" + body;
}
std::string chunked(const std::string& body) { return with("Transfer-Encoding: chunked\r\n", body); }
std::string get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n"; }

constexpr const char* kChunks = "3\r\nabc\r\n0\r\n\r\n";

}  // namespace

TEST_CASE("request lines that are not exactly HTTP/1 are refused") {
  check_all({
      {"two spaces after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"no version", "GET /\r\nHost: a\r\n\r\n"},
      {"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"an empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"only a method", "GET\r\nHost: a\r\n\r\n"},
      {"a space first", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a colon in the method", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a method with a quote", "G\"ET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a method with a byte over 127", "G\xc3\xa4T / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"version 0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"},
      {"version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
      {"version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
      {"version 1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"},
      {"version 1,1", "GET / HTTP/1,1\r\nHost: a\r\n\r\n"},
      {"version +1.1", "GET / HTTP/+1.1\r\nHost: a\r\n\r\n"},
      {"a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n"},
      {"another protocol", "GET / ICAP/1.1\r\nHost: a\r\n\r\n"},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"three empty lines", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"an empty line with a bare LF", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a bare CR in the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n"},
      {"a bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
      {"CR CR LF after the request line", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"},
      {"a TLS handshake", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)},
      {"an SSH greeting", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
      {"a PROXY header", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
  });
}

TEST_CASE("targets in other forms are refused") {
  check_all({
      {"a relative target", get("key")},
      {"an asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"an authority", get("a:80")},
      {"CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", Outcome::refused, 405},
      {"another scheme", get("ftp://a/k")},
      {"an absolute target without a host", get("http:///k")},
      {"an absolute target with user information", get("http://user@a/k")},
      {"an absolute target with a comma in its host", get("http://a,b/k")},
      {"a scheme alone", get("http:")},
      {"a target of 17 KiB", get("/" + std::string(17'000, 'a')), Outcome::refused, 414},
  });
}

TEST_CASE("requests without exactly one valid host are refused") {
  check_all({
      {"no host", "GET / HTTP/1.1\r\n\r\n"},
      {"no host beside other headers", "GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"the same host twice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"},
      {"two hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"two hosts beside an absolute target", "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"no host beside an absolute target", "GET http://a/ HTTP/1.1\r\n\r\n"},
      {"a host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
      {"a host with a comma", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"},
      {"a host with user information", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
      {"a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
      {"a host with a query", "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"},
  });
}

TEST_CASE("header lines that two parsers may read differently are refused") {
  check_all({
      {"a space before the colon", with("Content-Length : 3\r\n", "abc")},
      {"a tab before the colon", with("Content-Length\t: 3\r\n", "abc")},
      {"a space in a name", with("Content Length: 3\r\n", "abc")},
      {"a leading space in the first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
      {"a folded header", with("X: a\r\n b\r\n")},
      {"a header folded with a tab", with("X: a\r\n\tb\r\n")},
      {"a folded framing header", with("Transfer-Encoding:\r\n chunked\r\n", kChunks)},
      {"a folded length", with("Content-Length: 3\r\n 4\r\n", "abc")},
      {"a folded empty line", with("X: a\r\n \r\n")},
      {"no colon", with("Header\r\n")},
      {"an empty name", with(": value\r\n")},
      {"a name in parentheses", with("(X): a\r\n")},
      {"a name with a byte over 127", with("X\xc3\xa4: a\r\n")},
      {"a name with a slash", with("X/Y: a\r\n")},
      {"a name with quotes", with("\"Content-Length\": 3\r\n", "abc")},
      {"a bare LF after a header", with("X: a\nY: b\r\n")},
      {"a bare LF that hides a length", with("X: a\nContent-Length: 3\r\n", "abc")},
      {"a bare CR in a value", with("X: a\rContent-Length: 3\r\n", "abc")},
      {"a bare CR at the end of a value", with("X: a\r\r\n")},
      {"a bare CR in a name", with("X\rY: a\r\n")},
      {"headers ended by LF LF", "GET / HTTP/1.1\r\nHost: a\n\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"headers ended by CR LF LF", "GET / HTTP/1.1\r\nHost: a\r\n\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"501 headers",
       [] {
         std::string lines;
         for (int i = 0; i < 501; ++i) lines += "a: b\r\n";
         return with(lines);
       }()},
      {"headers of 70 KiB", with("X: " + std::string(70'000, 'x') + "\r\n")},
      {"a broken Connection list", with("Connection: a b\r\n")},
  });
}

TEST_CASE("control characters are refused wherever they stand") {
  for (int c = 0; c < 0x20; ++c) {
    if (c == '\t' || c == '\r' || c == '\n') continue;
    const std::string control(1, static_cast<char>(c));
    check({"in a value", with("X: a" + control + "b\r\n")}, SIZE_MAX);
    check({"first in a value", with("X: " + control + "\r\n")}, SIZE_MAX);
    check({"in a name", with("X" + control + ": a\r\n")}, SIZE_MAX);
    check({"in the target", get("/a" + control)}, SIZE_MAX);
    check({"in the method", "GE" + control + "T / HTTP/1.1\r\nHost: a\r\n\r\n"}, SIZE_MAX);
    check({"in an encoding", with("Transfer-Encoding: " + control + "chunked\r\n", kChunks)}, SIZE_MAX);
    check({"after a length", with("Content-Length: 3" + control + "\r\n", "abc")}, SIZE_MAX);
  }
  check_all({
      {"DEL in a value", with("X: \x7f\r\n")},
      {"DEL in the target", get("/\x7f")},
      {"a tab in the target", get("/a\tb")},
      {"NUL in a value, byte by byte too", with(std::string("X: a\0b\r\n", 9))},
  });
}

TEST_CASE("lengths that are not one plain number are refused") {
  check_all({
      {"negative", with("Content-Length: -1\r\n")},
      {"minus zero", with("Content-Length: -0\r\n")},
      {"with a plus", with("Content-Length: +3\r\n", "abc")},
      {"empty", with("Content-Length:\r\n")},
      {"hexadecimal", with("Content-Length: 0x3\r\n", "abc")},
      {"with a fraction", with("Content-Length: 3.0\r\n", "abc")},
      {"with an exponent", with("Content-Length: 1e1\r\n", "abc")},
      {"with an underscore", with("Content-Length: 1_0\r\n", "abc")},
      {"with a space inside", with("Content-Length: 1 0\r\n", "abc")},
      {"with letters after it", with("Content-Length: 3a\r\n", "abc")},
      {"2^64", with("Content-Length: 18446744073709551616\r\n")},
      {"thirty digits", with("Content-Length: 999999999999999999999999999999\r\n")},
      {"a list", with("Content-Length: 3, 3\r\n", "abc")},
      {"a list of different ones", with("Content-Length: 3, 4\r\n", "abc")},
      {"a list with an empty element", with("Content-Length: 3,\r\n", "abc")},
      {"twice, different", with("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd")},
      {"twice, the same", with("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")},
      {"twice, zero and not", with("Content-Length: 0\r\nContent-Length: 3\r\n", "abc")},
      {"twice, in different case", with("content-length: 3\r\nCONTENT-LENGTH: 4\r\n", "abcd")},
      {"quoted", with("Content-Length: \"3\"\r\n", "abc")},
      {"with a no-break space", with("Content-Length: 3\xc2\xa0\r\n", "abc")},
      {"wide digits", with("Content-Length: \xef\xbc\x93\r\n", "abc")},
      {"parameters", with("Content-Length: 3;x=1\r\n", "abc")},
      {"on a GET, negative", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n"},
  });
}

TEST_CASE("any Transfer-Encoding but chunked alone is refused") {
  const std::string length = "Content-Length: 3\r\n";
  const auto te = [](const std::string& value) {
    return with("Transfer-Encoding: " + value + "\r\n", kChunks);
  };
  check_all({
      {"xchunked", te("xchunked")},
      {"chunkedx", te("chunkedx")},
      {"identity", te("identity")},
      {"gzip", te("gzip")},
      {"gzip, chunked", te("gzip, chunked")},
      {"chunked, gzip", te("chunked, gzip")},
      {"chunked, identity", te("chunked, identity")},
      {"chunked twice in a list", te("chunked, chunked")},
      {"an empty element before", te(", chunked")},
      {"an empty element after", te("chunked,")},
      {"empty", te("")},
      {"quoted", te("\"chunked\"")},
      {"in apostrophes", te("'chunked'")},
      {"with parameters", te("chunked;q=1")},
      {"with a stray word", te("chunked foo")},
      {"with a vertical tab", te("\x0b"
                                 "chunked")},
      {"twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", kChunks)},
      {"twice, the second different",
       with("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", kChunks)},
      {"twice, the first different", with("Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", kChunks)},
      {"with a length before", with(length + "Transfer-Encoding: chunked\r\n", kChunks)},
      {"with a length after", with("Transfer-Encoding: chunked\r\n" + length, kChunks)},
      {"with a length of zero", with("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", kChunks)},
      {"not chunked, with a length", with("Transfer-Encoding: identity\r\n" + length, "abc")},
      {"a space before the colon", with("Transfer-Encoding : chunked\r\n", kChunks)},
      {"in HTTP/1.0",
       "PUT /k HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(kChunks)},
      {"in HTTP/1.0 with a length",
       "PUT /k HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" +
           std::string(kChunks)},
      {"on a GET", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n" + std::string(kChunks)},
  });
}

TEST_CASE("broken chunks end the request and the connection") {
  check_all({
      {"no size", chunked("\r\nabc\r\n0\r\n\r\n")},
      {"a negative size", chunked("-3\r\nabc\r\n0\r\n\r\n")},
      {"a size with a plus", chunked("+3\r\nabc\r\n0\r\n\r\n")},
      {"a size with 0x", chunked("0x3\r\nabc\r\n0\r\n\r\n")},
      {"a size in letters", chunked("g\r\nabc\r\n0\r\n\r\n")},
      {"a size with a space before", chunked(" 3\r\nabc\r\n0\r\n\r\n")},
      {"a size with a space after", chunked("3 \r\nabc\r\n0\r\n\r\n")},
      {"a size with a tab after", chunked("3\t\r\nabc\r\n0\r\n\r\n")},
      {"a size with an underscore", chunked("1_0\r\nabc\r\n0\r\n\r\n")},
      {"a size with a comma", chunked("3,3\r\nabc\r\n0\r\n\r\n")},
      {"a size past 2^64", chunked("10000000000000003\r\nabc\r\n0\r\n\r\n")},
      {"a size of 17 f", chunked("fffffffffffffffff\r\nabc\r\n0\r\n\r\n")},
      {"a bare LF after the size", chunked("3\nabc\r\n0\r\n\r\n")},
      {"a bare CR after the size", chunked("3\rabc\r\n0\r\n\r\n")},
      {"a bare LF after the data", chunked("3\r\nabc\n0\r\n\r\n")},
      {"no line end after the data", chunked("3\r\nabc0\r\n\r\n")},
      {"data longer than the size", chunked("3\r\nabcd\r\n0\r\n\r\n")},
      {"data shorter than the size", chunked("5\r\nabc\r\n0\r\n\r\n")},
      {"an extension without a name", chunked("3;\r\nabc\r\n0\r\n\r\n")},
      {"an extension that is too long", chunked("3;" + std::string(300, 'x') + "\r\nabc\r\n0\r\n\r\n")},
      {"an extension with a bare LF", chunked("3;a\nb\r\nabc\r\n0\r\n\r\n")},
      {"an extension with a bare LF in quotes", chunked("3;a=\"\nx\"\r\nabc\r\n0\r\n\r\n")},
      {"an extension with a bare CR in quotes", chunked("3;a=\"\rx\"\r\nabc\r\n0\r\n\r\n")},
      {"an extension with a line end in quotes", chunked("3;a=\"\r\nx\"\r\nabc\r\n0\r\n\r\n")},
      {"an extension with NUL in quotes", chunked(std::string("3;a=\"\0\"\r\nabc\r\n0\r\n\r\n", 20))},
      {"a trailer that is folded", chunked("0\r\nx: a\r\n b\r\n\r\n")},
      {"a trailer folded in front", chunked("0\r\nx:\r\n b\r\n\r\n")},
      {"a trailer folded with nothing", chunked("0\r\nx: a\r\n \r\n\r\n")},
      {"a trailer without a colon", chunked("0\r\nx\r\n\r\n")},
      {"a trailer with a space before the colon", chunked("0\r\nx : a\r\n\r\n")},
      {"a trailer with a bare LF", chunked("0\r\nx: a\ny: b\r\n\r\n")},
      {"a trailer with a length", chunked("0\r\nContent-Length: 3\r\n\r\n")},
      {"a trailer with an encoding", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n")},
      {"trailers of 17 KiB", chunked("0\r\nx: " + std::string(17'000, 'x') + "\r\n\r\n")},
  });
}

TEST_CASE("unusual but unambiguous requests are served, and the next one is unharmed") {
  check_all({
      {"plain", get("/"), Outcome::served},
      {"one empty line first", "\r\n" + get("/"), Outcome::served},
      {"a method nobody knows", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", Outcome::served},
      {"an absolute target", get("http://b/k"), Outcome::served},
      {"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Outcome::served},
      {"a host with a port", "GET / HTTP/1.1\r\nHost: [::1]:9000\r\n\r\n", Outcome::served},
      {"no space after the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", Outcome::served},
      {"tabs around a value", with("X:\t a \t\r\n"), Outcome::served},
      {"bytes over 127 in a value", with("X: \xc3\xa4\xff\r\n"), Outcome::served},
      {"a body on GET", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", Outcome::served},
      {"a length with leading zeros", with("Content-Length: 0003\r\n", "abc"), Outcome::served},
      {"a body that looks like a request", with("Content-Length: 18\r\n", "GET / HTTP/1.1\r\n\r\n"),
       Outcome::served},
      {"chunks", chunked(kChunks), Outcome::served},
      {"chunks in upper case", chunked("A\r\n0123456789\r\n0\r\n\r\n"), Outcome::served},
      {"Chunked", with("Transfer-Encoding: CHUNKED\r\n", kChunks), Outcome::served},
      {"chunk sizes with zeros", chunked("0003\r\nabc\r\n000\r\n\r\n"), Outcome::served},
      {"chunk extensions", chunked("3;a=b;c=\"d;e\"\r\nabc\r\n0;f\r\n\r\n"), Outcome::served},
      {"only the last chunk", chunked("0\r\n\r\n"), Outcome::served},
      {"trailers that are dropped", chunked("3\r\nabc\r\n0\r\nHost: evil\r\nConnection: close\r\n\r\n"),
       Outcome::served},
      {"a chunk that looks like the end", chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n"), Outcome::served},
  });
}

}  // namespace gabion::test
