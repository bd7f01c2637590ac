#include <catch2/catch_test_macros.hpp>

#include "tests/support/s3_world.h"

using namespace gabion;
using test::Answer;
using test::S3World;

TEST_CASE("an error names its request as the header does") {
  S3World world;
  const Answer answer = world.get("/missing/a%26b");
  CHECK(answer.status == 404);
  CHECK(answer.header("Content-Type") == "application/xml");
  CHECK(answer.body ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not "
        "exist</Message><BucketName>missing</BucketName><RequestId>4442587FB7D0A2F9</RequestId>"
        "<HostId>4442587FB7D0A2F9</HostId></Error>");
}

TEST_CASE("HEAD fails with a status and no body") {
  S3World world;
  world.put("/bucket");
  const Answer answer = world.send("HEAD", "/bucket/missing");
  CHECK(answer.status == 404);
  CHECK(answer.content_length == 0);
}

TEST_CASE("nobody may do anything, and that is decided before anything is looked up") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "x");
  for (const char* method : {"GET", "HEAD", "PUT", "POST", "DELETE"}) {
    for (const char* target : {"/", "/bucket", "/bucket/key", "/missing/key", "/bucket?uploads", "/bucket?policy"}) {
      INFO(method << " " << target);
      const Answer answer = world.send_unsigned(method, target);
      CHECK(answer.status == 403);
      if (std::string(method) != "HEAD") CHECK(answer.code() == "AccessDenied");
    }
  }
}

TEST_CASE("a wrong signature and an unknown key are told apart") {
  S3World world;
  test::SignOptions unknown;
  unknown.access_key = "AKIANOBODY";
  test::FakeExchange one(test::sign(world.head("GET", "/"), unknown));
  CHECK(world.run(one).code() == "InvalidAccessKeyId");
  auto head = test::sign(world.head("GET", "/"));
  head.target = "/bucket";
  test::FakeExchange two(std::move(head));
  CHECK(world.run(two).code() == "SignatureDoesNotMatch");
}

TEST_CASE("methods that S3 does not have are not allowed") {
  S3World world;
  for (const char* method : {"PATCH", "TRACE", "CONNECT", "BREW"}) {
    const Answer answer = world.send_unsigned(method, "/bucket/key");
    CHECK(answer.status == 405);
    CHECK(answer.code() == "MethodNotAllowed");
    CHECK(answer.element("Method") == method);
    CHECK(answer.element("ResourceType") == "OBJECT");
  }
  for (const char* target : {"/", "/bucket/key"}) {
    const Answer answer = world.send("POST", target);
    CHECK(answer.code() == "MethodNotAllowed");
  }
  CHECK(world.send("DELETE", "/").element("ResourceType") == "SERVICE");
}

TEST_CASE("preflight requests need no signature and find no CORS configuration") {
  S3World world;
  CHECK(world.send_unsigned("OPTIONS", "/bucket/key").code() == "BadRequest");
  const Answer answer = world.send_unsigned("OPTIONS", "/bucket/key",
                                            {{"origin", "https://example.org"}, {"access-control-request-method", "PUT"}});
  CHECK(answer.status == 403);
  CHECK(answer.code() == "AccessForbidden");
  CHECK(answer.element("Method") == "PUT");
}

TEST_CASE("health is answered to everyone") {
  S3World world;
  for (const char* path :
       {"/health/live", "/minio/health/live", "/health/ready", "/minio/health/ready", "/minio/health/cluster",
        "/minio/health/cluster/read", "/minio/health/cluster?maintenance=true"}) {
    INFO(path);
    CHECK(world.send_unsigned("GET", path).status == 200);
    CHECK(world.send_unsigned("HEAD", path).status == 200);
  }
  world.ready = false;
  CHECK(world.send_unsigned("GET", "/health/live").status == 200);
  CHECK(world.send_unsigned("GET", "/health/ready").status == 503);
  CHECK(world.send_unsigned("GET", "/minio/health/cluster").status == 503);
  CHECK(world.send_unsigned("GET", "/health/other").status == 403);
  CHECK(world.send_unsigned("PUT", "/health/live").status == 403);
}

TEST_CASE("in virtual-host style the health paths are keys") {
  gateway::s3::Options options;
  options.domains = {"s3.example.com"};
  S3World world(options);
  world.put("/pics");
  world.put("/health/live", "my own", {{"host", "pics.s3.example.com"}});
  CHECK(world.get("/health/live", {{"host", "pics.s3.example.com"}}).body == "my own");
  CHECK(world.send_unsigned("GET", "/health/live", {{"host", "pics.s3.example.com"}}).status == 403);
  CHECK(world.send_unsigned("GET", "/health/live").body == "ok\n");
}

TEST_CASE("requests are counted by operation and class of status") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "0123456789");
  world.get("/bucket/key");
  world.get("/bucket/missing");
  world.send_unsigned("GET", "/bucket/key");
  const auto* get = world.metrics.find("GetObject");
  REQUIRE(get);
  CHECK(get->requests[0].value() == 1);
  CHECK(get->requests[2].value() == 1);
  CHECK(get->bytes_out.value() > 10);
  CHECK(world.metrics.find("PutObject")->bytes_in.value() == 10);
  CHECK(world.metrics.find("other")->requests[2].value() == 1);
  MetricsRegistry registry;
  world.metrics.register_in(registry);
  CHECK(registry.render().find("gabion_s3_requests_total{operation=\"PutObject\",status=\"2xx\"} 1") != std::string::npos);
}

TEST_CASE("a layer below that fails is an error that clients retry") {
  S3World world;
  world.metadata.fail_next_commit(Error(Errc::exhausted, "the log is full"));
  CHECK(world.put("/bucket").code() == "SlowDown");
  world.metadata.fail_next_commit(Error(Errc::unavailable, "no log"));
  const Answer answer = world.put("/bucket");
  CHECK(answer.code() == "ServiceUnavailable");
  CHECK(answer.body.find("no log") == std::string::npos);
}

TEST_CASE("a client that hangs up before the answer disturbs nobody") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", std::string(300000, 'x'));
  test::FakeExchange exchange(test::sign(world.head("GET", "/bucket/key")));
  exchange.hang_up();
  world.run(exchange);
  CHECK(world.get("/bucket/key").status == 200);
}
