#include <catch2/catch_test_macros.hpp>

#include "gateway/s3/object_headers.h"
#include "tests/support/s3_world.h"

using namespace gabion;
using test::Answer;
using test::S3World;

TEST_CASE("content headers are kept as they were sent") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "x",
            {{"Cache-Control", "no-cache"},
             {"Content-Disposition", "attachment; filename=a"},
             {"Content-Encoding", "gzip"},
             {"Content-Language", "de"},
             {"Expires", "whenever"},
             {"Content-Type", "text/plain"}});
  const Answer head = world.send("HEAD", "/bucket/key");
  CHECK(head.header("Cache-Control") == "no-cache");
  CHECK(head.header("Content-Disposition") == "attachment; filename=a");
  CHECK(head.header("Content-Encoding") == "gzip");
  CHECK(head.header("Content-Language") == "de");
  CHECK(head.header("Expires") == "whenever");
}

TEST_CASE("the content type has AWS's default, also when it is sent empty") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/none", "x");
  world.put("/bucket/empty", "x", {{"content-type", ""}});
  CHECK(world.get("/bucket/none").header("Content-Type") == "binary/octet-stream");
  CHECK(world.get("/bucket/empty").header("Content-Type") == "binary/octet-stream");
}

TEST_CASE("aws-chunked describes the transfer and is not kept") {
  S3World world;
  world.put("/bucket");
  struct Case {
    std::string sent, kept;
  };
  for (const Case& c : {Case{"aws-chunked", ""}, Case{"aws-chunked,gzip", "gzip"}, Case{"gzip, aws-chunked", "gzip"},
                        Case{"br, gzip", "br,gzip"}, Case{"AWS-Chunked,", ""}}) {
    INFO(c.sent);
    world.put("/bucket/key", "x", {{"content-encoding", c.sent}});
    const Answer get = world.get("/bucket/key");
    CHECK(get.header("Content-Encoding") == c.kept);
    CHECK(get.has("Content-Encoding") == !c.kept.empty());
  }
}

TEST_CASE("response parameters replace headers on GET and HEAD, and cannot split them") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "x", {{"content-type", "text/plain"}, {"cache-control", "no-cache"}});
  const std::string target =
      "/bucket/key?response-content-type=image/png&response-cache-control=max-age%3D5&response-content-language=en"
      "&response-expires=never&response-content-encoding=br&response-content-disposition=a%0d%0aX-Evil:1";
  for (const char* method : {"GET", "HEAD"}) {
    const Answer answer = world.send(method, target);
    CHECK(answer.status == 200);
    CHECK(answer.header("Content-Type") == "image/png");
    CHECK(answer.header("Cache-Control") == "max-age=5");
    CHECK(answer.header("Content-Language") == "en");
    CHECK(answer.header("Expires") == "never");
    CHECK(answer.header("Content-Encoding") == "br");
    CHECK(answer.header("Content-Disposition").find_first_of("\r\n") == std::string::npos);
    CHECK_FALSE(answer.has("X-Evil"));
  }
}

TEST_CASE("user metadata keeps names with underscores, joins repeated ones and replaces all at once") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "x", {{"x-amz-meta-Some_Name", "one"}, {"x-amz-meta-some_name", "two"}, {"x-amz-meta-a", ""}});
  const Answer get = world.get("/bucket/key");
  CHECK(get.header("x-amz-meta-some_name") == "one,two");
  CHECK(get.has("x-amz-meta-a"));
  world.put("/bucket/key", "x", {{"x-amz-meta-b", "3"}});
  CHECK_FALSE(world.get("/bucket/key").has("x-amz-meta-a"));
  CHECK(world.get("/bucket/key").header("x-amz-meta-b") == "3");
}

TEST_CASE("two KiB of user metadata are enough for everybody") {
  S3World world;
  world.put("/bucket");
  CHECK(world.put("/bucket/key", "x", {{"x-amz-meta-a", std::string(2047, 'v')}}).status == 200);
  const Answer answer = world.put("/bucket/key", "x", {{"x-amz-meta-a", std::string(2048, 'v')}});
  CHECK(answer.status == 400);
  CHECK(answer.code() == "MetadataTooLarge");
  CHECK(answer.element("Size") == "2049");
  CHECK(answer.element("MaxSizeAllowed") == "2048");
}

TEST_CASE("text that is not ASCII travels as an encoded word") {
  using gateway::s3::decode_metadata_value;
  using gateway::s3::encode_metadata_value;
  CHECK(decode_metadata_value("=?UTF-8?Q?hello_world=21?=") == "hello world!");
  CHECK(decode_metadata_value("=?utf-8?b?aGVsbG8=?=") == "hello");
  CHECK(decode_metadata_value("=?UTF-8?Q?=E2=82=AC?=") == "=?UTF-8?Q?=E2=82=AC?=");
  CHECK(decode_metadata_value("=?UTF-8?Q?a=0Ab?=") == "=?UTF-8?Q?a=0Ab?=");
  CHECK(decode_metadata_value("=?latin1?Q?a?=") == "=?latin1?Q?a?=");
  CHECK(decode_metadata_value("=?UTF-8?Q?=4?=") == "=?UTF-8?Q?=4?=");
  CHECK(decode_metadata_value("=?=") == "=?=");
  CHECK(decode_metadata_value("caf\xe9") == "caf\xc3\xa9");
  CHECK(encode_metadata_value("plain = text?") == "plain = text?");
  CHECK(encode_metadata_value("5 \xE2\x82\xAC=?_") == "=?UTF-8?Q?5_=E2=82=AC=3D=3F=5F?=");

  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "x", {{"x-amz-meta-raw", "\xE2\x82\xAC"}, {"x-amz-meta-word", "=?UTF-8?Q?ascii?="}});
  CHECK(world.get("/bucket/key").header("x-amz-meta-raw") == "=?UTF-8?Q?=E2=82=AC?=");
  CHECK(world.get("/bucket/key").header("x-amz-meta-word") == "ascii");
  CHECK_FALSE(world.get("/bucket/key").has("x-amz-missing-meta"));
}

TEST_CASE("there is one storage class, and others are told apart from mistakes") {
  S3World world;
  world.put("/bucket");
  CHECK(world.put("/bucket/key", "x", {{"x-amz-storage-class", "STANDARD"}}).status == 200);
  CHECK_FALSE(world.get("/bucket/key").has("x-amz-storage-class"));
  CHECK(world.put("/bucket/key", "x", {{"x-amz-storage-class", "GLACIER"}}).status == 501);
  const Answer answer = world.put("/bucket/key", "x", {{"x-amz-storage-class", "CHEAP"}});
  CHECK(answer.code() == "InvalidStorageClass");
  CHECK(answer.element("StorageClassRequested") == "CHEAP");
}
