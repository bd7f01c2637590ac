#include <catch2/catch_test_macros.hpp>

#include "tests/support/s3_world.h"

using namespace gabion;
using test::Answer;
using test::S3World;

namespace {

const std::string kText = "0123456789";
const std::string kTextEtag = "\"781e5e245d69b566979b86e28d23f2c7\"";

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + i * 7 % 26);
  return out;
}

}  // namespace

TEST_CASE("what was put comes back with its headers") {
  S3World world;
  world.put("/bucket");
  const Answer put = world.put("/bucket/key", kText, {{"content-type", "text/plain"}});
  CHECK(put.status == 200);
  CHECK(put.header("ETag") == kTextEtag);
  CHECK(put.header("x-amz-checksum-crc64nvme").size() == 12);
  CHECK(put.header("x-amz-checksum-type") == "FULL_OBJECT");
  CHECK(put.header("x-amz-server-side-encryption") == "AES256");
  CHECK_FALSE(put.has("x-amz-version-id"));

  const Answer get = world.get("/bucket/key");
  CHECK(get.status == 200);
  CHECK(get.body == kText);
  CHECK(get.header("ETag") == kTextEtag);
  CHECK(get.header("Content-Type") == "text/plain");
  CHECK(get.header("Last-Modified") == "Fri, 24 May 2013 00:00:00 GMT");
  CHECK(get.header("Accept-Ranges") == "bytes");
  CHECK_FALSE(get.has("x-amz-storage-class"));
  CHECK_FALSE(get.has("x-amz-checksum-crc64nvme"));

  const Answer head = world.send("HEAD", "/bucket/key");
  CHECK(head.status == 200);
  CHECK(head.body.empty());
  CHECK(head.content_length == 10);
  CHECK(head.header("ETag") == kTextEtag);
}

TEST_CASE("checksums come back when they are asked for, in any case") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "hello world");
  for (const char* mode : {"ENABLED", "enabled"}) {
    const Answer get = world.get("/bucket/key", {{"x-amz-checksum-mode", mode}});
    CHECK(get.header("x-amz-checksum-crc64nvme") == "jSnVw/bqjr4=");
    CHECK(get.header("x-amz-checksum-type") == "FULL_OBJECT");
  }
  CHECK_FALSE(world.get("/bucket/key", {{"x-amz-checksum-mode", "ENABLED"}, {"range", "bytes=0-3"}})
                  .has("x-amz-checksum-crc64nvme"));
  const Answer put = world.put("/bucket/crc", "abcdefg", {{"x-amz-checksum-crc32", "MSpqpg=="}});
  CHECK(put.status == 200);
  CHECK(put.header("x-amz-checksum-crc32") == "MSpqpg==");
  CHECK(world.send("HEAD", "/bucket/crc", {{"x-amz-checksum-mode", "ENABLED"}}).header("x-amz-checksum-crc32") ==
        "MSpqpg==");
}

TEST_CASE("an upload whose checksum is wrong leaves the old object as it was") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "old");
  const Answer bad = world.put("/bucket/key", "new", {{"x-amz-checksum-crc32", "MSpqpg=="}});
  CHECK(bad.status == 400);
  CHECK(bad.code() == "BadDigest");
  CHECK(world.put("/bucket/key", "new", {{"content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="}}).code() == "BadDigest");
  CHECK(world.put("/bucket/key", "new", {{"content-md5", ""}}).code() == "InvalidDigest");
  CHECK(world.get("/bucket/key").body == "old");
  CHECK(world.data.counts().released == 1);
}

TEST_CASE("a client that goes away in the middle leaves the old object as it was") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", "old");
  test::SignOptions options;
  options.payload_hash = "UNSIGNED-PAYLOAD";
  test::FakeExchange exchange(test::sign(world.head("PUT", "/bucket/key", {{"content-length", "100"}}), options),
                              {"only some"});
  exchange.fail_body(Error(Errc::end_of_stream, "gone"));
  CHECK(world.run(exchange).code() == "IncompleteBody");
  CHECK(world.get("/bucket/key").body == "old");
  CHECK(world.data.counts().dropped == 1);
}

TEST_CASE("empty objects have no blocks and the checksum of nothing") {
  S3World world;
  world.put("/bucket");
  const Answer put = world.put("/bucket/empty", "");
  CHECK(put.status == 200);
  CHECK(put.header("ETag") == "\"d41d8cd98f00b204e9800998ecf8427e\"");
  CHECK(world.data.counts().opened == 0);
  const Answer get = world.get("/bucket/empty");
  CHECK(get.status == 200);
  CHECK(get.body.empty());
  CHECK(world.get("/bucket/empty", {{"range", "bytes=0-0"}}).status == 416);
  CHECK(world.get("/bucket/empty?partNumber=1").status == 206);
}

TEST_CASE("a large object is sent piece by piece, whole and in ranges") {
  S3World world;
  world.put("/bucket");
  const std::string body = pattern(300000);
  world.put("/bucket/large", body);
  CHECK(world.get("/bucket/large").body == body);
  const Answer range = world.get("/bucket/large", {{"range", "bytes=1000-250999"}});
  CHECK(range.status == 206);
  CHECK(range.body == body.substr(1000, 250000));
  CHECK(range.header("Content-Range") == "bytes 1000-250999/300000");
  const Answer head = world.send("HEAD", "/bucket/large", {{"range", "bytes=-10"}});
  CHECK(head.status == 206);
  CHECK(head.content_length == 10);
  CHECK(head.header("Content-Range") == "bytes 299990-299999/300000");
}

TEST_CASE("a range that cannot be satisfied tells the size") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", kText);
  const Answer answer = world.get("/bucket/key", {{"range", "bytes=100-200"}});
  CHECK(answer.status == 416);
  CHECK(answer.code() == "InvalidRange");
  CHECK(answer.element("RangeRequested") == "bytes=100-200");
  CHECK(answer.element("ActualObjectSize") == "10");
  CHECK(answer.header("Content-Range") == "bytes */10");
  CHECK(world.get("/bucket/key", {{"range", "bytes=0-1,3-4"}}).status == 200);
}

TEST_CASE("If-Range turns a range into the whole when the object is another") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", kText);
  CHECK(world.get("/bucket/key", {{"range", "bytes=0-1"}, {"if-range", kTextEtag}}).status == 206);
  CHECK(world.get("/bucket/key", {{"range", "bytes=0-1"}, {"if-range", "\"other\""}}).status == 200);
  CHECK(world.get("/bucket/key", {{"range", "bytes=0-1"}, {"if-range", "Fri, 24 May 2013 00:00:00 GMT"}}).status == 206);
  CHECK(world.get("/bucket/key", {{"range", "bytes=0-1"}, {"if-range", "Fri, 24 May 2013 00:00:01 GMT"}}).status == 200);
}

TEST_CASE("an object that cannot be read is an error before the head and a broken body after it") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/small", kText);
  world.put("/bucket/large", pattern(300000));
  world.data.fail_reads(Error(Errc::unavailable, "too few shards"));
  for (const char* key : {"/bucket/small", "/bucket/large"}) {
    const Answer answer = world.get(key);
    CHECK(answer.status == 503);
    CHECK(answer.code() == "ServiceUnavailable");
    CHECK(answer.has("Retry-After"));
    CHECK_FALSE(answer.has("ETag"));
  }
  world.data.fail_reads(Error(Errc::corrupt, "bad"), 2);
  const Answer cut = world.get("/bucket/large");
  CHECK(cut.status == 200);
  CHECK(cut.content_length == 300000);
  CHECK(cut.body.size() == 200 * KiB);
}

TEST_CASE("a node short of memory or drives says so before it takes the body") {
  S3World world;
  world.put("/bucket");
  world.data.fail_writes(Error(Errc::exhausted, "no memory"));
  const Answer full = world.put("/bucket/key", kText);
  CHECK(full.status == 503);
  CHECK(full.code() == "SlowDown");
  CHECK(full.header("Retry-After") == "1");
  world.data.fail_writes(std::nullopt);
  world.data.fail_appends(Error(Errc::unavailable, "too few drives"));
  CHECK(world.put("/bucket/key", kText).code() == "ServiceUnavailable");
  CHECK(world.get("/bucket/key").code() == "NoSuchKey");
}

TEST_CASE("a commit that surely failed gives its blocks back, one that may have happened keeps them") {
  S3World world;
  world.put("/bucket");
  world.metadata.fail_next_commit(Error(Errc::unavailable, "no log"));
  CHECK(world.put("/bucket/key", kText).status == 503);
  CHECK(world.data.counts().dropped == 1);
  world.metadata.fail_next_commit(Error(Errc::unknown_outcome, "who knows"), true);
  CHECK(world.put("/bucket/key", kText).status == 500);
  CHECK(world.data.counts().dropped == 1);
  CHECK(world.data.counts().released == 1);
  CHECK(world.get("/bucket/key").body == kText);
}

TEST_CASE("shards that could not be written travel in the commit as repair intents") {
  S3World world;
  world.put("/bucket");
  metadata::RepairIntent intent;
  intent.set_block("0123456789abcdef");
  intent.add_shards(2);
  world.data.report_missing_shard(intent);
  world.put("/bucket/key", kText);
  sim::SimWorld sim(1);
  const auto repairs = sim.run(world.metadata.repairs({}, metadata::kRootGroup, "", 10));
  REQUIRE(repairs.has_value());
  REQUIRE(repairs->size() == 1);
  CHECK((*repairs)[0].block() == "0123456789abcdef");
}

TEST_CASE("the length of an upload is checked before its body") {
  S3World world;
  world.put("/bucket");
  CHECK(world.send("PUT", "/bucket/key").code() == "MissingContentLength");
  test::SignOptions options;
  options.payload_hash = "UNSIGNED-PAYLOAD";
  test::FakeExchange large(test::sign(world.head("PUT", "/bucket/key", {{"content-length", "5368709121"}}), options));
  const Answer answer = world.run(large);
  CHECK(answer.code() == "EntityTooLarge");
  CHECK(answer.element("ProposedSize") == "5368709121");
  CHECK(answer.element("MaxSizeAllowed") == "5368709120");
  CHECK(large.body_reads() == 0);
}

TEST_CASE("nothing of the body is read before the bucket is known to exist") {
  S3World world;
  test::SignOptions options;
  options.payload_hash = "UNSIGNED-PAYLOAD";
  test::FakeExchange exchange(
      test::sign(world.head("PUT", "/bucket/key", {{"content-length", "3"}, {"expect", "100-continue"}}), options), {"abc"});
  const Answer answer = world.run(exchange);
  CHECK(answer.code() == "NoSuchBucket");
  CHECK(answer.element("BucketName") == "bucket");
  CHECK(exchange.body_reads() == 0);
}

TEST_CASE("a chunked body without a length is an object all the same") {
  S3World world;
  world.put("/bucket");
  test::SignOptions options;
  options.payload_hash = "UNSIGNED-PAYLOAD";
  test::FakeExchange some(test::sign(world.head("PUT", "/bucket/some", {{"transfer-encoding", "chunked"}}), options),
                          {"ab", "cd"});
  CHECK(world.run(some).status == 200);
  CHECK(world.get("/bucket/some").body == "abcd");
  test::FakeExchange none(test::sign(world.head("PUT", "/bucket/none", {{"transfer-encoding", "chunked"}}), options));
  CHECK(world.run(none).status == 200);
  CHECK(world.get("/bucket/none").status == 200);
  CHECK(world.data.counts().dropped == 1);
}

TEST_CASE("deleting is done when it is not there") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", kText);
  CHECK(world.send("DELETE", "/bucket/key").status == 204);
  CHECK(world.get("/bucket/key").code() == "NoSuchKey");
  CHECK(world.get("/bucket/key").element("Key") == "key");
  CHECK(world.send("HEAD", "/bucket/key").status == 404);
  CHECK(world.send("DELETE", "/bucket/key").status == 204);
  CHECK(world.send("DELETE", "/missing/key").code() == "NoSuchBucket");
}

TEST_CASE("only the null version exists") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", kText);
  CHECK(world.get("/bucket/key?versionId=null").body == kText);
  for (const char* method : {"GET", "DELETE"}) {
    const Answer answer = world.send(method, "/bucket/key?versionId=3HL4kqtJlcpXroDTDmJ");
    CHECK(answer.code() == "InvalidArgument");
    CHECK(answer.element("Message") == "Invalid version id specified");
    CHECK(answer.element("ArgumentName") == "versionId");
    CHECK(answer.element("ArgumentValue") == "3HL4kqtJlcpXroDTDmJ");
  }
  CHECK(world.get("/bucket/key?versionId=").element("Message") == "Version id cannot be the empty string");
  CHECK(world.put("/bucket/key?versionId=null", "new").code() == "InvalidArgument");
  CHECK(world.send("DELETE", "/bucket/key?versionId=null").status == 204);
  CHECK(world.get("/bucket/key").status == 404);
}

TEST_CASE("a part number reads the whole of a plain object, and only as number one") {
  S3World world;
  world.put("/bucket");
  world.put("/bucket/key", kText);
  const Answer part = world.get("/bucket/key?partNumber=1");
  CHECK(part.status == 206);
  CHECK(part.body == kText);
  CHECK(part.header("Content-Range") == "bytes 0-9/10");
  CHECK_FALSE(part.has("x-amz-mp-parts-count"));
  const Answer beyond = world.get("/bucket/key?partNumber=2");
  CHECK(beyond.status == 416);
  CHECK(beyond.code() == "InvalidPartNumber");
  CHECK(beyond.element("ActualPartCount") == "1");
  CHECK(world.get("/bucket/key?partNumber=0").code() == "InvalidArgument");
  CHECK(world.get("/bucket/key?partNumber=1", {{"range", "bytes=0-1"}}).code() == "InvalidRequest");
}

TEST_CASE("keys of every kind are distinct") {
  S3World world;
  world.put("/bucket");
  const std::vector<std::string> keys = {"a//b", "%2Fleading", "trailing/", "a/./b", "a/../b", "a%252Fb",     "a/b",
                                         "a+b",  "a%20b",      "a%3Bb",     "a%3Fb", "a%23b",  "%F0%9F%98%80"};
  for (const auto& key : keys) CHECK(world.put("/bucket/" + key, key).status == 200);
  for (const auto& key : keys) CHECK(world.get("/bucket/" + key).body == key);
}

TEST_CASE("virtual-host style names the bucket in the Host") {
  gateway::s3::Options options;
  options.domains = {"s3.example.com"};
  S3World world(options);
  CHECK(world.put("/pics").status == 200);
  CHECK(world.put("/a/b", kText, {{"host", "pics.s3.example.com:9000"}}).status == 200);
  CHECK(world.get("/pics/a/b").body == kText);
  CHECK(world.get("/?list-type=2", {{"host", "pics.s3.example.com"}}).element("Key") == "a/b");
}
