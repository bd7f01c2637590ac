#include <catch2/catch_test_macros.hpp>

#include "tests/support/s3_world.h"

using namespace gabion;
using test::Answer;
using test::S3World;

namespace {

const std::string kEtag = "\"781e5e245d69b566979b86e28d23f2c7\"";
const std::string kOther = "\"00000000000000000000000000000000\"";
const std::string kModified = "Fri, 24 May 2013 00:00:00 GMT";
const std::string kBefore = "Thu, 23 May 2013 23:59:59 GMT";
const std::string kAfter = "Fri, 24 May 2013 00:00:01 GMT";
const std::string kFuture = "Fri, 24 May 2030 00:00:00 GMT";

// A bucket with one object that is an hour old.
struct World : S3World {
  World() {
    put("/bucket");
    put("/bucket/key", "0123456789");
    clock.advance(std::chrono::hours(1));
  }
};

}  // namespace

TEST_CASE("the conditions of a read are decided in the order of RFC 9110") {
  struct Case {
    S3World::Headers headers;
    int status;
    std::string condition;
  };
  World world;
  for (const Case& c : std::vector<Case>{
           {{{"if-match", kEtag}}, 200, ""},
           {{{"if-match", "781e5e245d69b566979b86e28d23f2c7"}}, 200, ""},
           {{{"if-match", "*"}}, 200, ""},
           {{{"if-match", kOther + ", " + kEtag}}, 200, ""},
           {{{"if-match", kOther}}, 412, "If-Match"},
           {{{"if-match", ""}}, 412, "If-Match"},
           {{{"if-none-match", kEtag}}, 304, ""},
           {{{"if-none-match", "W/" + kEtag}}, 304, ""},
           {{{"if-none-match", "*"}}, 304, ""},
           {{{"if-none-match", kOther}}, 200, ""},
           {{{"if-unmodified-since", kBefore}}, 412, "If-Unmodified-Since"},
           {{{"if-unmodified-since", kModified}}, 200, ""},
           {{{"if-unmodified-since", "yesterday"}}, 200, ""},
           {{{"if-modified-since", kModified}}, 304, ""},
           {{{"if-modified-since", kAfter}}, 304, ""},
           {{{"if-modified-since", kBefore}}, 200, ""},
           {{{"if-modified-since", kFuture}}, 200, ""},
           {{{"if-match", kEtag}, {"if-unmodified-since", kBefore}}, 200, ""},
           {{{"if-match", kOther}, {"if-none-match", kEtag}}, 412, "If-Match"},
           {{{"if-none-match", kOther}, {"if-modified-since", kAfter}}, 200, ""},
           {{{"if-none-match", kEtag}, {"if-modified-since", kBefore}}, 304, ""},
           {{{"if-match", kEtag}, {"if-none-match", kEtag}}, 304, ""},
       }) {
    INFO(c.headers[0].name << ": " << c.headers[0].value);
    const Answer answer = world.get("/bucket/key", c.headers);
    CHECK(answer.status == c.status);
    CHECK(answer.element("Condition") == c.condition);
    CHECK(world.send("HEAD", "/bucket/key", c.headers).status == c.status);
    if (c.status == 304) {
      CHECK(answer.header("ETag") == kEtag);
      CHECK(answer.header("Last-Modified") == kModified);
      CHECK(answer.body.empty());
    }
  }
}

TEST_CASE("a write happens only when its conditions hold") {
  World world;
  CHECK(world.put("/bucket/key", "new", {{"if-none-match", "*"}}).element("Condition") == "If-None-Match");
  CHECK(world.put("/bucket/key", "new", {{"if-none-match", kEtag}}).status == 412);
  CHECK(world.put("/bucket/key", "new", {{"if-match", kOther}}).element("Condition") == "If-Match");
  CHECK(world.put("/bucket/key", "new", {{"if-match", ""}}).status == 412);
  CHECK(world.put("/bucket/missing", "new", {{"if-match", kEtag}}).code() == "NoSuchKey");
  CHECK(world.put("/bucket/missing", "new", {{"if-match", "*"}}).code() == "NoSuchKey");
  CHECK(world.get("/bucket/key").body == "0123456789");

  CHECK(world.put("/bucket/other", "one", {{"if-none-match", "*"}}).status == 200);
  CHECK(world.put("/bucket/key", "two", {{"if-match", kEtag}}).status == 200);
  CHECK(world.put("/bucket/key", "three", {{"if-match", "*"}}).status == 200);
  CHECK(world.put("/bucket/key", "four", {{"if-none-match", kEtag}}).status == 200);
  CHECK(world.get("/bucket/key").body == "four");
}

TEST_CASE("a condition that cannot hold spares the client the upload") {
  World world;
  test::SignOptions options;
  options.payload_hash = "UNSIGNED-PAYLOAD";
  options.timestamp = "20130524T010000Z";
  test::FakeExchange exchange(
      test::sign(world.head("PUT", "/bucket/key", {{"content-length", "3"}, {"if-none-match", "*"}}), options), {"abc"});
  CHECK(world.run(exchange).status == 412);
  CHECK(exchange.body_reads() == 0);
}

TEST_CASE("of two conditional writes at once, the one that comes first wins") {
  World world;
  metadata::Command other;
  sim::SimWorld sim(1);
  other.mutable_put_object()->set_bucket(sim.run(world.metadata.bucket({}, "bucket"))->id());
  other.mutable_put_object()->set_key("fresh");
  other.mutable_put_object()->mutable_version()->set_etag("0123456789abcdef");
  world.metadata.before_commit([](const metadata::Command& command) { return command.has_put_object(); },
                               [&] { world.metadata.apply(other); });
  const Answer answer = world.put("/bucket/fresh", "late", {{"if-none-match", "*"}});
  CHECK(answer.status == 412);
  CHECK(answer.element("Condition") == "If-None-Match");
  CHECK(world.data.counts().dropped == 1);
}

TEST_CASE("a conditional delete leaves what is another object") {
  World world;
  CHECK(world.send("DELETE", "/bucket/key", {{"if-match", kOther}}).status == 412);
  CHECK(world.send("DELETE", "/bucket/key", {{"x-amz-if-match-size", "9"}}).status == 412);
  CHECK(world.send("DELETE", "/bucket/key", {{"x-amz-if-match-size", "ten"}}).code() == "InvalidArgument");
  CHECK(world.send("DELETE", "/bucket/key", {{"x-amz-if-match-last-modified-time", kBefore}}).status == 412);
  CHECK(world.send("DELETE", "/bucket/missing", {{"if-match", kEtag}}).status == 204);
  CHECK(world.get("/bucket/key").status == 200);
  CHECK(world
            .send("DELETE", "/bucket/key",
                  {{"if-match", kEtag}, {"x-amz-if-match-size", "10"}, {"x-amz-if-match-last-modified-time", kModified}})
            .status == 204);
  CHECK(world.get("/bucket/key").status == 404);
}
