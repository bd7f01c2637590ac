#include <catch2/catch_test_macros.hpp>

#include "tests/support/s3_world.h"

using namespace gabion;
using test::Answer;
using test::S3World;

TEST_CASE("a bucket is created once, found, and deleted when it is empty") {
  S3World world;
  CHECK(world.send("HEAD", "/bucket").status == 404);
  const Answer created = world.send("PUT", "/bucket");
  CHECK(created.status == 200);
  CHECK(created.header("Location") == "/bucket");
  const Answer again = world.put("/bucket");
  CHECK(again.status == 409);
  CHECK(again.code() == "BucketAlreadyOwnedByYou");
  CHECK(again.element("BucketName") == "bucket");

  for (const char* target : {"/bucket", "/bucket/"}) {
    const Answer head = world.send("HEAD", target);
    CHECK(head.status == 200);
    CHECK(head.header("x-amz-bucket-region") == "us-east-1");
    CHECK(head.header("Content-Type") == "application/xml");
  }
  world.put("/bucket/key", "x");
  const Answer full = world.send("DELETE", "/bucket");
  CHECK(full.status == 409);
  CHECK(full.code() == "BucketNotEmpty");
  world.send("DELETE", "/bucket/key");
  CHECK(world.send("DELETE", "/bucket").status == 204);
  CHECK(world.send("DELETE", "/bucket").code() == "NoSuchBucket");
}

TEST_CASE("a bucket of another tenant is taken and closed") {
  S3World world;
  metadata::Command command;
  command.mutable_create_bucket()->set_name("theirs");
  command.mutable_create_bucket()->set_owner("other");
  world.metadata.apply(command);
  CHECK(world.put("/theirs").code() == "BucketAlreadyExists");
  CHECK(world.send("HEAD", "/theirs").status == 403);
  CHECK(world.get("/theirs").code() == "AccessDenied");
  CHECK(world.put("/theirs/key", "x").code() == "AccessDenied");
  CHECK(world.get("/").elements("Name").empty());
}

TEST_CASE("bucket names are checked when they are created") {
  S3World world;
  for (const char* name : {"ab", "UPPER", "a_b", "192.168.5.4", "health", "minio", "xn--abc"}) {
    INFO(name);
    const Answer answer = world.put(std::string("/") + name);
    CHECK(answer.code() == "InvalidBucketName");
    CHECK(answer.element("BucketName") == name);
  }
}

TEST_CASE("the location constraint is this region or absent") {
  gateway::s3::Options options;
  options.region = "eu-south-9";
  S3World world(options);
  const auto body = [](const std::string& constraint) {
    return "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>" + constraint +
           "</LocationConstraint></CreateBucketConfiguration>";
  };
  CHECK(world.put("/one", body("eu-south-9")).status == 200);
  CHECK(world.put("/two", body("")).status == 200);
  CHECK(world.put("/three", "<CreateBucketConfiguration/>").status == 200);
  CHECK(world.put("/four", body("us-west-2")).code() == "IllegalLocationConstraintException");
  const Answer unknown = world.put("/five", body("nowhere"));
  CHECK(unknown.code() == "InvalidLocationConstraint");
  CHECK(unknown.element("LocationConstraint") == "nowhere");
  CHECK(world.put("/six", "<CreateBucketConfiguration>").code() == "MalformedXML");
  CHECK(world.put("/seven", "<CreateBucketConfiguration><Tags/></CreateBucketConfiguration>").status == 501);
  CHECK(world.get("/one?location").element("LocationConstraint").empty());
  CHECK(world.get("/one?location").body.find(">eu-south-9</LocationConstraint>") != std::string::npos);
}

TEST_CASE("the first region is an empty location") {
  S3World world;
  world.put("/bucket");
  const Answer answer = world.get("/bucket/?location");
  CHECK(answer.body.find("<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></LocationConstraint>") !=
        std::string::npos);
  CHECK(world.get("/missing?location").code() == "NoSuchBucket");
}

TEST_CASE("buckets are listed by name, in pages when asked for") {
  S3World world;
  for (const char* name : {"/beta", "/alpha", "/gamma", "/alpine"}) world.put(name);
  const Answer all = world.get("/");
  CHECK(all.status == 200);
  CHECK(all.elements("Name") == std::vector<std::string>{"alpha", "alpine", "beta", "gamma"});
  CHECK(all.element("ID") == "gabion");
  CHECK(all.elements("CreationDate").front() == "2013-05-24T00:00:00.000Z");
  CHECK(world.get("/?prefix=al").elements("Name") == std::vector<std::string>{"alpha", "alpine"});
  const Answer first = world.get("/?max-buckets=3");
  CHECK(first.elements("Name") == std::vector<std::string>{"alpha", "alpine", "beta"});
  const Answer second = world.get("/?max-buckets=3&continuation-token=" + first.element("ContinuationToken"));
  CHECK(second.elements("Name") == std::vector<std::string>{"gamma"});
  CHECK(second.element("ContinuationToken").empty());
  CHECK(world.get("/?bucket-region=elsewhere").elements("Name").empty());
  CHECK(world.get("/?max-buckets=0").code() == "InvalidArgument");
  CHECK(world.get("/?continuation-token=xyz").code() == "InvalidArgument");
}

TEST_CASE("the expected owner is compared and never ignored") {
  S3World world;
  world.put("/bucket");
  CHECK(world.send("HEAD", "/bucket", {{"x-amz-expected-bucket-owner", "gabion"}}).status == 200);
  CHECK(world.send("HEAD", "/bucket", {{"x-amz-expected-bucket-owner", "111122223333"}}).status == 403);
  CHECK(world.put("/bucket/key", "x", {{"x-amz-expected-bucket-owner", "111122223333"}}).code() == "AccessDenied");
  CHECK(world.get("/bucket/key").status == 404);
}
