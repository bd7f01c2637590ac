#include <catch2/catch_test_macros.hpp>

#include "tools/bench/endpoint.h"
#include "tools/bench/server_cpu.h"

namespace gabion::bench {
namespace {

TEST_CASE("an endpoint is taken apart") {
  const auto plain = parse_endpoint("http://127.0.0.1:9000");
  REQUIRE(plain.has_value());
  CHECK(plain->host == "127.0.0.1");
  CHECK(plain->port == "9000");
  CHECK(plain->authority == "127.0.0.1:9000");
  CHECK(plain->path.empty());
  const auto v6 = parse_endpoint("http://[::1]:9000/s3/");
  REQUIRE(v6.has_value());
  CHECK(v6->host == "::1");
  CHECK(v6->authority == "[::1]:9000");
  CHECK(v6->path == "/s3");
  CHECK(parse_endpoint("http://[::1]")->port == "80");
  CHECK(parse_endpoint("http://example.com/metrics")->path == "/metrics");
  CHECK_FALSE(plain->secure);
  const auto secure = parse_endpoint("https://example.com");
  REQUIRE(secure.has_value());
  CHECK(secure->secure);
  CHECK(secure->host == "example.com");
  CHECK(secure->port == "443");
}

TEST_CASE("what is no endpoint is refused with what to write instead") {
  for (const char* text : {"", "127.0.0.1:9000", "ftp://x", "http://", "http://:9000", "http://x:0",
                           "http://x:70000", "http://x:y"}) {
    INFO(text);
    const auto endpoint = parse_endpoint(text);
    REQUIRE(endpoint.has_error());
    CHECK(endpoint.error().message.find("http://HOST:PORT") != std::string::npos);
  }
}

TEST_CASE("sizes of a range stay in it, and small ones come as often as large ones") {
  const auto sizes = Sizes::parse("1KiB-1MiB");
  REQUIRE(sizes.has_value());
  SeededRng rng(1);
  int below_32k = 0;
  for (int i = 0; i < 10000; ++i) {
    const std::uint64_t size = sizes->choose(rng);
    REQUIRE(size >= 1024);
    REQUIRE(size <= 1048576);
    below_32k += size < 32768;
  }
  CHECK(below_32k > 4700);
  CHECK(below_32k < 5300);
  CHECK(Sizes::parse("64MiB")->choose(rng) == 64u << 20);
  CHECK(Sizes::parse("0")->choose(rng) == 0);
  for (const char* text : {"", "x", "2KiB-1KiB", "1KiB-", "-1KiB", "6TiB"})
    CHECK(Sizes::parse(text).has_error());
}

TEST_CASE("the server's CPU time is read from a Prometheus page") {
  CHECK(find_cpu_seconds(
            "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 12.5\nother 1\n") == 12.5);
  CHECK(find_cpu_seconds("process_cpu_seconds_total{node=\"a\"} 3\r\n") == 3.0);
  CHECK(find_cpu_seconds("process_cpu_seconds 3\n") == std::nullopt);
  CHECK(find_cpu_seconds("") == std::nullopt);
}

}  // namespace
}  // namespace gabion::bench
