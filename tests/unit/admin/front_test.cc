// Who is let in to the admin API: the root credentials, signed in the headers over the very body, and nobody else.
#include "tools/serve/admin_front.h"

#include <catch2/catch_test_macros.hpp>

#include "fake_control.h"
#include "tests/support/run.h"
#include "tests/support/s3_signer.h"

namespace gabion::test {
namespace {

class StoppedClock final : public Clock {
 public:
  TimePoint now() const override { return {}; }
  WallMicros wall() const override { return kNow; }
  task<void> sleep(Duration) override { co_return; }
};

class Rig {
 public:
  FakeExchange ask(gateway::http::RequestHead head, std::vector<std::string> body = {}) {
    FakeExchange exchange(std::move(head), std::move(body));
    run(front.handle(exchange));
    return exchange;
  }

  FakeControl control;
  serve::AdminApi api{control, [](Context, NodeId, serve::AdminRequest) -> task<Result<serve::AdminAnswer>> {
                        co_return Error(Errc::unavailable, "nobody is asked");
                      }};
  OneCredential credentials;
  StoppedClock clock;
  serve::AdminFront front{api, credentials, "us-east-1", clock};
};

gateway::http::RequestHead get(std::string path) { return request("GET", "/admin/v1/" + path, {{"Host", "a:9001"}}); }

}  // namespace

TEST_CASE("the root user is answered") {
  Rig rig;
  const auto answered = rig.ask(sign(get("nodes")));
  CHECK(answered.status() == 200);
  CHECK(answered.header("content-type") == "application/json");
  CHECK(answered.body().find("\"NodeList\"") != std::string::npos);
}

TEST_CASE("whoever does not sign is told nothing, whatever is asked") {
  Rig rig;
  for (const char* path : {"nodes", "nothing", "jobs/1", "../x"}) {
    const auto answered = rig.ask(get(path));
    CHECK(answered.status() == 403);
    CHECK(answered.body() ==
          R"({"apiVersion":"gabion.admin/v1","kind":"Error","error":{"code":"denied","message":"the request is not signed"}})");
  }
}

TEST_CASE("other keys, other times and other paths are not let in") {
  Rig rig;
  SignOptions options;
  options.access_key = "AKIAI44QH8DHBEXAMPLE";
  CHECK(rig.ask(sign(get("nodes"), options)).status() == 403);
  options = {};
  options.timestamp = "20130525T000000Z";
  options.scope = "20130525/us-east-1/s3/aws4_request";
  CHECK(rig.ask(sign(get("nodes"), options)).status() == 403);
  auto moved = sign(get("nodes"));
  moved.target = "/admin/v1/drives";
  CHECK(rig.ask(std::move(moved)).status() == 403);
}

TEST_CASE("a presigned URL and an unsigned body are not enough") {
  Rig rig;
  CHECK(rig.ask(presign(get("nodes"))).status() == 403);
  SignOptions options;
  options.payload_hash = "UNSIGNED-PAYLOAD";
  CHECK(rig.ask(sign(get("nodes"), options)).status() == 403);
}

TEST_CASE("another body than the one that was signed is refused") {
  Rig rig;
  const std::string body = R"({"validSeconds":60})";
  const auto post = [&](const std::string& signed_body) {
    SignOptions options;
    options.payload_hash = s3::sha256_hex(signed_body);
    return sign(request("POST", "/admin/v1/cluster/tokens",
                        {{"Host", "a:9001"}, {"Content-Length", std::to_string(body.size())}}),
                options);
  };
  CHECK(rig.ask(post(body), {body}).status() == 200);
  CHECK(rig.ask(post(R"({"validSeconds":61})"), {body}).status() == 403);
}

TEST_CASE("a change is taken once, however often the request is sent; what changes nothing as often as one likes") {
  Rig rig;
  const std::string body = R"({"validSeconds":60})";
  const auto grant = [&](const std::string& query) {
    SignOptions options;
    options.payload_hash = s3::sha256_hex(body);
    const std::string length = std::to_string(body.size());
    return sign(request("POST", "/admin/v1/cluster/tokens" + query, {{"Host", "a:9001"}, {"Content-Length", length}}), options);
  };
  CHECK(rig.ask(grant(""), {body}).status() == 200);
  const auto replayed = rig.ask(grant(""), {body});
  CHECK(replayed.status() == 409);
  CHECK(replayed.body().find("carried out already") != std::string::npos);
  CHECK(rig.ask(grant("?nonce=1"), {body}).status() == 200);
  CHECK(rig.ask(sign(get("nodes"))).status() == 200);
  CHECK(rig.ask(sign(get("nodes"))).status() == 200);
}

TEST_CASE("signatures are forgotten when they have expired, and never before, however many there are") {
  serve::Replays replays(std::chrono::minutes(30));
  const TimePoint begin{};
  CHECK(replays.take("first", begin).has_value());
  for (std::size_t i = 1; i < serve::Replays::kRemembered; ++i) CHECK(replays.take(std::to_string(i), begin).has_value());
  CHECK(replays.take("one more", begin).error().code == Errc::exhausted);
  CHECK(replays.take("first", begin + std::chrono::minutes(29)).error().code == Errc::conflict);
  CHECK(replays.take("first", begin + std::chrono::minutes(30)).has_value());
}

TEST_CASE("a body past the limit is not kept") {
  Rig rig;
  const std::string piece(1024, 'x');
  const auto answered = rig.ask(sign(request("POST", "/admin/v1/plans", {{"Host", "a:9001"}})), std::vector(100, piece));
  CHECK(answered.status() == 400);
  CHECK(answered.body_reads() < 70);
}

}  // namespace gabion::test
