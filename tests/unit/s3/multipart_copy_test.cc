#include <catch2/catch_test_macros.hpp>

#include "tests/support/s3_world.h"

using namespace gabion;
using test::Answer;
using test::S3World;

namespace {

struct World : S3World {
  World() {
    put("/bucket");
    put("/bucket/source", "0123456789");
    id = send("POST", "/bucket/key?uploads").element("UploadId");
  }
  Answer copy(int number, Headers headers = {}, const std::string& source = "bucket/source") {
    headers.push_back({"x-amz-copy-source", source});
    return put("/bucket/key?partNumber=" + std::to_string(number) + "&uploadId=" + id, "", std::move(headers));
  }
  Answer complete(const std::vector<std::string>& etags) {
    std::string body = "<CompleteMultipartUpload>";
    for (std::size_t i = 0; i < etags.size(); ++i) {
      body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + etags[i] + "</ETag></Part>";
    }
    return send("POST", "/bucket/key?uploadId=" + id, {}, body + "</CompleteMultipartUpload>");
  }
  std::string id;
};

std::string etag_of(const std::string& body) { return "&quot;" + hex_encode(as_bytes(md5(as_bytes(body)))) + "&quot;"; }

}  // namespace

TEST_CASE("a part copied whole shares the bytes of its source without reading them") {
  World world;
  const Answer part = world.copy(1);
  CHECK(part.status == 200);
  CHECK(part.element("ETag") == etag_of("0123456789"));
  CHECK(part.element("LastModified") == "2013-05-24T00:00:00.000Z");
  CHECK(world.data.counts().reads == 0);
  CHECK(world.complete({part.element("ETag")}).status == 200);
  world.send("DELETE", "/bucket/source");
  CHECK(world.get("/bucket/key").body == "0123456789");
  CHECK(world.data.counts().opened == 1);
}

TEST_CASE("a range is cut out, and its tag is that of its bytes") {
  World world;
  const Answer part = world.copy(1, {{"x-amz-copy-source-range", "bytes=2-5"}});
  CHECK(part.element("ETag") == etag_of("2345"));
  CHECK(world.complete({part.element("ETag")}).status == 200);
  CHECK(world.get("/bucket/key").body == "2345");
}

TEST_CASE("a multipart object is a source like any other") {
  World world;
  const std::string big(5 * MiB, 'b');
  world.put("/bucket/key?partNumber=1&uploadId=" + world.id, big);
  world.put("/bucket/key?partNumber=2&uploadId=" + world.id, "0123456789");
  REQUIRE(world.complete({etag_of(big), etag_of("0123456789")}).status == 200);
  world.id = world.send("POST", "/bucket/key?uploads").element("UploadId");
  const Answer part = world.copy(1, {{"x-amz-copy-source-range", "bytes=5242878-5242883"}}, "bucket/key");
  CHECK(part.element("ETag") == etag_of("bb0123"));
  CHECK(world.complete({part.element("ETag")}).status == 200);
  CHECK(world.get("/bucket/key").body == "bb0123");
}

TEST_CASE("ranges and conditions that do not hold are refused") {
  World world;
  CHECK(world.copy(1, {{"x-amz-copy-source-range", "bytes=0-10"}}).element("Message") ==
        "Range specified is not valid for source object of size: 10");
  CHECK(world.copy(1, {{"x-amz-copy-source-range", "bytes=10-11"}}).code() == "InvalidRequest");
  CHECK(world.copy(1, {{"x-amz-copy-source-range", "0-1"}}).code() == "InvalidArgument");
  CHECK(world.copy(1, {{"x-amz-copy-source-if-match", "\"other\""}}).status == 412);
  CHECK(world.copy(0).code() == "InvalidArgument");
  CHECK(world.copy(1, {}, "bucket/none").code() == "NoSuchKey");
  CHECK(world.copy(1, {}, "none/source").code() == "NoSuchBucket");
  world.id = std::string(48, '0');
  CHECK(world.copy(1).code() == "NoSuchUpload");
}

TEST_CASE("a part whose source is replaced meanwhile is of the new one") {
  World world;
  world.metadata.before_commit([](const metadata::Command& command) { return command.has_put_part(); },
                               [&] { world.put("/bucket/source", "another"); });
  const Answer part = world.copy(1);
  CHECK(part.element("ETag") == etag_of("another"));
  world.complete({part.element("ETag")});
  CHECK(world.get("/bucket/key").body == "another");
}
