#include <catch2/catch_test_macros.hpp>

#include "tests/support/s3_world.h"

using namespace gabion;
using test::Answer;
using test::S3World;

namespace {

std::string content_md5(const std::string& body) { return base64_encode(as_bytes(md5(as_bytes(body)))); }

Answer remove(S3World& world, const std::string& body) {
  return world.send("POST", "/bucket?delete", {{"content-md5", content_md5(body)}}, body);
}

}  // namespace

TEST_CASE("every key is answered for, missing ones as deleted") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/a", "1");
  world.put("/bucket/b", "2");
  world.put("/bucket/a%20%26%20b", "3");
  const Answer answer = remove(world,
                               "<Delete><Object><Key>a</Key></Object><Object><Key>missing</Key></Object>"
                               "<Object><Key>a &amp; b</Key><VersionId>null</VersionId></Object></Delete>");
  CHECK(answer.status == 200);
  CHECK(answer.elements("Key") == std::vector<std::string>{"a", "missing", "a &amp; b"});
  CHECK(answer.elements("Deleted").size() == 3);
  CHECK(answer.element("VersionId") == "null");
  CHECK(world.get("/bucket?list-type=2").elements("Key") == std::vector<std::string>{"b"});
}

TEST_CASE("quiet answers errors only") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/a", "1");
  const Answer answer = remove(world,
                               "<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object><Object><Key>b</Key>"
                               "<VersionId>3HL4kqtJlcpXroDTDmJ</VersionId></Object></Delete>");
  CHECK(answer.status == 200);
  CHECK(answer.elements("Deleted").empty());
  CHECK(answer.elements("Code") == std::vector<std::string>{"NoSuchVersion"});
  CHECK(answer.element("Key") == "b");
  CHECK(remove(world, "<Delete><Quiet>true</Quiet><Object><Key>x</Key></Object></Delete>").elements("Key").empty());
}

TEST_CASE("conditions hold for each key alone") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/a", "0123456789");
  world.put("/bucket/b", "0123456789");
  const Answer answer = remove(world,
                               "<Delete><Object><Key>a</Key><ETag>\"781e5e245d69b566979b86e28d23f2c7\"</ETag></Object>"
                               "<Object><Key>b</Key><ETag>\"other\"</ETag></Object></Delete>");
  CHECK(answer.elements("Deleted").size() == 1);
  CHECK(answer.elements("Code") == std::vector<std::string>{"PreconditionFailed"});
  CHECK(world.get("/bucket/a").status == 404);
  CHECK(world.get("/bucket/b").status == 200);
}

TEST_CASE("a body without a digest, or not of S3's schema, is refused") {
  S3World world;
  world.put("/bucket");
  const std::string body = "<Delete><Object><Key>a</Key></Object></Delete>";
  const Answer unsafe = world.send("POST", "/bucket?delete", {}, body);
  CHECK(unsafe.code() == "InvalidRequest");
  CHECK(unsafe.element("Message") == "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  CHECK(world.send("POST", "/bucket?delete", {{"x-amz-checksum-crc32", "AAAAAA=="}}, body).code() == "BadDigest");
  CHECK(remove(world, "<Delete>").code() == "MalformedXML");
  CHECK(remove(world, std::string(3 * MiB, ' ')).code() == "MaxMessageLengthExceeded");
  CHECK(world.send("POST", "/missing?delete", {{"content-md5", content_md5(body)}}, body).code() == "NoSuchBucket");
}

TEST_CASE("a key that is too long is an error of its own") {
  S3World world;
  world.put("/bucket");
  const Answer answer = remove(world, "<Delete><Object><Key>" + std::string(1025, 'k') + "</Key></Object></Delete>");
  CHECK(answer.status == 200);
  CHECK(answer.elements("Code") == std::vector<std::string>{"KeyTooLongError"});
}
