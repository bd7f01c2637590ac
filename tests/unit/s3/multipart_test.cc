#include <catch2/catch_test_macros.hpp>

#include "tests/support/s3_world.h"

using namespace gabion;
using test::Answer;
using test::S3World;

namespace {

const std::string kBig(5 * MiB, 'a');

struct World : S3World {
  World() { put("/bucket"); }

  std::string create(const std::string& key = "key", Headers headers = {}) {
    return send("POST", "/bucket/" + key + "?uploads", std::move(headers)).element("UploadId");
  }
  Answer part(const std::string& id, int number, const std::string& body, Headers headers = {},
              const std::string& key = "key") {
    return put("/bucket/" + key + "?partNumber=" + std::to_string(number) + "&uploadId=" + id, body, std::move(headers));
  }
  // `parts`: number and ETag, with further elements behind the ETag's.
  Answer complete(const std::string& id, const std::vector<std::pair<int, std::string>>& parts, Headers headers = {},
                  const std::string& key = "key") {
    std::string body = "<CompleteMultipartUpload>";
    for (const auto& [number, etag] : parts) {
      body += "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>" + etag + "</Part>";
    }
    return send("POST", "/bucket/" + key + "?uploadId=" + id, std::move(headers), body + "</CompleteMultipartUpload>");
  }
};

std::string tag(const std::string& body, const std::string& more = "") {
  return "\"" + hex_encode(as_bytes(md5(as_bytes(body)))) + "\"</ETag>" + more;
}

}  // namespace

TEST_CASE("parts become one object with its tag, metadata and part numbers") {
  World world;
  const Answer created = world.send("POST", "/bucket/key?uploads", {{"content-type", "text/plain"}, {"x-amz-meta-a", "1"}});
  CHECK(created.status == 200);
  CHECK(created.element("Bucket") == "bucket");
  CHECK(created.element("Key") == "key");
  const std::string id = created.element("UploadId");
  CHECK(id.size() == 48);
  const Answer one = world.part(id, 1, kBig);
  CHECK(one.status == 200);
  CHECK(one.header("ETag") + "</ETag>" == tag(kBig));
  world.part(id, 2, "tail");
  CHECK(world.get("/bucket/key").status == 404);

  const Answer done = world.complete(id, {{1, tag(kBig)}, {2, tag("tail")}});
  CHECK(done.status == 200);
  const std::string md5s = md5(as_bytes(kBig)) + md5(as_bytes("tail"));
  const std::string etag = hex_encode(as_bytes(md5(as_bytes(md5s)))) + "-2";
  CHECK(done.element("ETag") == "&quot;" + etag + "&quot;");
  CHECK(done.element("Location") == "http://s3.example.com/bucket/key");
  CHECK(done.element("Key") == "key");

  const Answer get = world.get("/bucket/key", {{"x-amz-checksum-mode", "ENABLED"}});
  CHECK(get.body == kBig + "tail");
  CHECK(get.header("ETag") == "\"" + etag + "\"");
  CHECK(get.header("Content-Type") == "text/plain");
  CHECK(get.header("x-amz-meta-a") == "1");
  CHECK(get.header("x-amz-checksum-type") == "FULL_OBJECT");
  CHECK(get.has("x-amz-checksum-crc64nvme"));
  CHECK_FALSE(get.has("x-amz-mp-parts-count"));

  const Answer second = world.get("/bucket/key?partNumber=2");
  CHECK(second.status == 206);
  CHECK(second.body == "tail");
  CHECK(second.header("Content-Range") == "bytes 5242880-5242883/5242884");
  CHECK(second.header("x-amz-mp-parts-count") == "2");
  CHECK(second.header("ETag") == "\"" + etag + "\"");
  const Answer head = world.send("HEAD", "/bucket/key?partNumber=1");
  CHECK(head.status == 206);
  CHECK(head.content_length == 5 * MiB);
  CHECK(world.get("/bucket/key?partNumber=3").element("ActualPartCount") == "2");
}

TEST_CASE("the full-object checksum is combined from the parts'") {
  World world;
  for (const auto& [name, element, header] :
       std::vector<std::array<std::string, 3>>{{"CRC32", "ChecksumCRC32", "x-amz-checksum-crc32"},
                                               {"CRC32C", "ChecksumCRC32C", "x-amz-checksum-crc32c"},
                                               {"CRC64NVME", "ChecksumCRC64NVME", "x-amz-checksum-crc64nvme"}}) {
    INFO(name);
    const std::string id = world.create("key", {{"x-amz-checksum-algorithm", name}, {"x-amz-checksum-type", "FULL_OBJECT"}});
    world.part(id, 1, kBig);
    world.part(id, 2, "hello world");
    const Answer done = world.complete(id, {{1, tag(kBig)}, {2, tag("hello world")}});
    REQUIRE(done.status == 200);
    CHECK(done.element("ChecksumType") == "FULL_OBJECT");
    const std::string checksum = done.element(element);
    // The same bytes uploaded at once must agree.
    CHECK(world.put("/bucket/same", kBig + "hello world", {{header, checksum}}).status == 200);
  }
}

TEST_CASE("a composite checksum is that of the parts' checksums") {
  World world;
  const Answer created = world.send("POST", "/bucket/key?uploads", {{"x-amz-checksum-algorithm", "SHA256"}});
  CHECK(created.header("x-amz-checksum-algorithm") == "SHA256");
  CHECK(created.header("x-amz-checksum-type") == "COMPOSITE");
  const std::string id = created.element("UploadId");
  const std::string sum = base64_encode(as_bytes(sha256(as_bytes("one"))));
  const Answer part = world.part(id, 1, "one", {{"x-amz-checksum-sha256", sum}});
  CHECK(part.header("x-amz-checksum-sha256") == sum);
  const std::string named = "<ChecksumSHA256>" + sum + "</ChecksumSHA256>";
  const Answer missing = world.complete(id, {{1, tag("one")}});
  CHECK(missing.code() == "InvalidRequest");
  CHECK(missing.element("Message").ends_with("It was missing for part 1 in the request."));
  const std::string wrong = base64_encode(as_bytes(sha256(as_bytes("two"))));
  CHECK(world.complete(id, {{1, tag("one", "<ChecksumSHA256>" + wrong + "</ChecksumSHA256>")}}).code() == "InvalidPart");
  CHECK(world.complete(id, {{1, tag("one", named)}}, {{"x-amz-checksum-type", "FULL_OBJECT"}}).code() == "InvalidRequest");
  CHECK(world.complete(id, {{1, tag("one", named)}}, {{"x-amz-checksum-sha256", wrong}}).code() == "BadDigest");
  const Answer done = world.complete(id, {{1, tag("one", named)}});
  const std::string expected = base64_encode(as_bytes(sha256(as_bytes(sha256(as_bytes("one")))))) + "-1";
  CHECK(done.element("ChecksumSHA256") == expected);
  CHECK(done.element("ChecksumType") == "COMPOSITE");
  CHECK(world.get("/bucket/key", {{"x-amz-checksum-mode", "ENABLED"}}).header("x-amz-checksum-sha256") == expected);
}

TEST_CASE("checksum plans that S3 does not have are refused") {
  World world;
  const auto code = [&](S3World::Headers headers) {
    return world.send("POST", "/bucket/key?uploads", std::move(headers)).code();
  };
  CHECK(code({{"x-amz-checksum-type", "COMPOSITE"}}) == "InvalidRequest");
  CHECK(code({{"x-amz-checksum-algorithm", "CRC64NVME"}, {"x-amz-checksum-type", "COMPOSITE"}}) == "InvalidRequest");
  CHECK(code({{"x-amz-checksum-algorithm", "SHA1"}, {"x-amz-checksum-type", "FULL_OBJECT"}}) == "InvalidRequest");
  CHECK(code({{"x-amz-checksum-algorithm", "CRC32"}, {"x-amz-checksum-type", "HALF"}}) == "InvalidRequest");
  CHECK(code({{"x-amz-checksum-algorithm", "ADLER"}}) == "InvalidRequest");
  CHECK(code({{"x-amz-checksum-algorithm", "SHA512"}}) == "NotImplemented");
}

TEST_CASE("a part with another checksum than its upload's is refused") {
  World world;
  const std::string id = world.create("key", {{"x-amz-checksum-algorithm", "SHA256"}});
  const Answer answer = world.part(id, 1, "abcdefg", {{"x-amz-checksum-crc32", "MSpqpg=="}});
  CHECK(answer.code() == "InvalidRequest");
  CHECK(answer.element("Message") ==
        "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32");
}

TEST_CASE("the list of parts must ascend, exist and be large enough") {
  World world;
  const std::string id = world.create();
  world.part(id, 1, "small");
  world.part(id, 3, "three");
  CHECK(world.complete(id, {{3, tag("three")}, {1, tag("small")}}).code() == "InvalidPartOrder");
  CHECK(world.complete(id, {{1, tag("small")}, {1, tag("small")}}).code() == "InvalidPartOrder");
  const Answer unknown = world.complete(id, {{2, tag("two")}});
  CHECK(unknown.code() == "InvalidPart");
  CHECK(unknown.element("PartNumber") == "2");
  CHECK(unknown.element("UploadId") == id);
  CHECK(world.complete(id, {{1, tag("other")}}).code() == "InvalidPart");
  CHECK(world.complete(id, {{1, "rubbish</ETag>"}}).code() == "InvalidPart");
  const Answer small = world.complete(id, {{1, tag("small")}, {3, tag("three")}});
  CHECK(small.code() == "EntityTooSmall");
  CHECK(small.element("PartNumber") == "1");
  CHECK(small.element("ProposedSize") == "5");
  CHECK(small.element("MinSizeAllowed") == "5242880");
  CHECK(world.complete(id, {{3, tag("three")}}, {{"x-amz-mp-object-size", "6"}}).code() == "InvalidRequest");
  CHECK(world.complete(id, {{3, tag("three")}}, {{"x-amz-mp-object-size", "5"}}).status == 200);
  CHECK(world.get("/bucket/key").body == "three");
}

TEST_CASE("tags in the list may be unquoted and the namespace absent or there") {
  World world;
  const std::string id = world.create();
  world.part(id, 1, "body");
  const std::string etag = hex_encode(as_bytes(md5(as_bytes("body"))));
  const Answer done = world.send("POST", "/bucket/key?uploadId=" + id, {},
                                 "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><ETag>" +
                                     etag + "</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>");
  CHECK(done.status == 200);
}

TEST_CASE("completing again with the same parts gives the same answer") {
  World world;
  const std::string id = world.create();
  world.part(id, 1, "body");
  const Answer first = world.complete(id, {{1, tag("body")}});
  const Answer again = world.complete(id, {{1, tag("body")}});
  CHECK(again.status == 200);
  CHECK(again.body == first.body);
  CHECK(world.complete(id, {{1, tag("other")}}).code() == "NoSuchUpload");
  CHECK(world.complete(id, {{1, tag("body")}}, {}, "otherkey").code() == "NoSuchUpload");
}

TEST_CASE("an aborted upload is gone") {
  World world;
  const std::string id = world.create();
  world.part(id, 1, "body");
  CHECK(world.send("DELETE", "/bucket/key?uploadId=" + id).status == 204);
  const Answer again = world.send("DELETE", "/bucket/key?uploadId=" + id);
  CHECK(again.code() == "NoSuchUpload");
  CHECK(again.element("UploadId") == id);
  CHECK(world.part(id, 2, "more").code() == "NoSuchUpload");
  CHECK(world.complete(id, {{1, tag("body")}}).code() == "NoSuchUpload");
  CHECK(world.get("/bucket/key?uploadId=" + id).code() == "NoSuchUpload");
  for (const char* id_of_nobody : {"", "x", "%00", "../../etc"}) {
    CHECK(world.send("DELETE", std::string("/bucket/key?uploadId=") + id_of_nobody).code() == "NoSuchUpload");
  }
}

TEST_CASE("part numbers run from 1 to 10000") {
  World world;
  const std::string id = world.create();
  for (const char* number : {"0", "10001", "-1", "x", ""}) {
    const Answer answer = world.put(std::string("/bucket/key?partNumber=") + number + "&uploadId=" + id, "x");
    CHECK(answer.code() == "InvalidArgument");
    CHECK(answer.element("Message") == "Part number must be an integer between 1 and 10000, inclusive");
  }
  CHECK(world.part(id, 10000, "x").status == 200);
}

TEST_CASE("of parts sent twice the last counts") {
  World world;
  const std::string id = world.create();
  world.part(id, 1, "first");
  world.part(id, 1, "second");
  CHECK(world.complete(id, {{1, tag("first")}}).code() == "InvalidPart");
  CHECK(world.complete(id, {{1, tag("second")}}).status == 200);
  CHECK(world.get("/bucket/key").body == "second");
}

TEST_CASE("conditions are decided at completion, and changes during the upload conflict") {
  World world;
  const std::string taken = world.create();
  world.part(taken, 1, "body");
  const Answer put = world.put("/bucket/key", "other");
  CHECK(world.complete(taken, {{1, tag("body")}}, {{"if-none-match", "*"}}).code() == "PreconditionFailed");
  const Answer conflict = world.complete(taken, {{1, tag("body")}}, {{"if-match", put.header("ETag")}});
  CHECK(conflict.status == 409);
  CHECK(conflict.code() == "ConditionalRequestConflict");
  CHECK(conflict.element("Condition") == "If-Match");
  world.send("DELETE", "/bucket/key");
  CHECK(world.complete(taken, {{1, tag("body")}}, {{"if-none-match", "*"}}).element("Condition") == "If-None-Match");
  const std::string fresh = world.create();
  world.part(fresh, 1, "body");
  CHECK(world.complete(fresh, {{1, tag("body")}}, {{"if-none-match", "*"}}).status == 200);
}

TEST_CASE("parts are listed in pages") {
  World world;
  const std::string id = world.create("key", {{"x-amz-checksum-algorithm", "CRC32"}});
  for (const int number : {1, 3, 7}) world.part(id, number, std::string(static_cast<std::size_t>(number), 'x'));
  const Answer all = world.get("/bucket/key?uploadId=" + id);
  CHECK(all.status == 200);
  CHECK(all.elements("PartNumber") == std::vector<std::string>{"1", "3", "7"});
  CHECK(all.elements("Size") == std::vector<std::string>{"1", "3", "7"});
  CHECK(all.element("ETag").starts_with("&quot;"));
  CHECK(all.element("ChecksumAlgorithm") == "CRC32");
  CHECK(all.elements("ChecksumCRC32").size() == 3);
  CHECK(all.element("Initiator") == all.element("Owner"));
  const Answer first = world.get("/bucket/key?max-parts=2&uploadId=" + id);
  CHECK(first.element("IsTruncated") == "true");
  CHECK(first.element("NextPartNumberMarker") == "3");
  const Answer rest = world.get("/bucket/key?max-parts=2&part-number-marker=3&uploadId=" + id);
  CHECK(rest.elements("PartNumber") == std::vector<std::string>{"7"});
  CHECK(rest.element("PartNumberMarker") == "3");
  const Answer beyond = world.get("/bucket/key?part-number-marker=8&uploadId=" + id);
  CHECK(beyond.elements("PartNumber").empty());
  CHECK(beyond.element("NextPartNumberMarker") == "0");
  CHECK(world.get("/bucket/key?max-parts=0&uploadId=" + id).element("IsTruncated") == "false");
  CHECK(world.get("/bucket/key?part-number-marker=x&uploadId=" + id).code() == "InvalidArgument");
}

TEST_CASE("uploads are listed by key and time, in pages, with prefixes") {
  World world;
  std::vector<std::string> ids;
  for (const char* key : {"b", "a", "b", "dir/x"}) {
    ids.push_back(world.create(key));
    world.clock.advance(std::chrono::seconds(1));
  }
  const Answer all = world.get("/bucket?uploads");
  CHECK(all.elements("Key") == std::vector<std::string>{"a", "b", "b", "dir/x"});
  CHECK(all.elements("UploadId") == std::vector<std::string>{ids[1], ids[0], ids[2], ids[3]});
  CHECK(all.element("Initiated") == "2013-05-24T00:00:01.000Z");
  CHECK(world.get("/bucket").elements("Key").empty());
  const Answer rolled = world.get("/bucket?uploads&delimiter=/");
  CHECK(rolled.element("CommonPrefixes") == "<Prefix>dir/</Prefix>");
  const Answer first = world.get("/bucket?uploads&max-uploads=2");
  CHECK(first.element("IsTruncated") == "true");
  CHECK(first.element("NextKeyMarker") == "b");
  CHECK(first.element("NextUploadIdMarker") == ids[0]);
  const Answer rest = world.get("/bucket?uploads&max-uploads=2&key-marker=b&upload-id-marker=" + ids[0]);
  CHECK(rest.elements("UploadId") == std::vector<std::string>{ids[2], ids[3]});
  CHECK(world.get("/bucket?uploads&key-marker=b").elements("Key") == std::vector<std::string>{"dir/x"});
  CHECK(world.get("/bucket?uploads&upload-id-marker=" + ids[0]).elements("Key").size() == 4);
  const Answer wrong = world.get("/bucket?uploads&key-marker=a&upload-id-marker=" + ids[0]);
  CHECK(wrong.code() == "InvalidArgument");
  CHECK(wrong.element("Message") == "Invalid uploadId marker");
  CHECK(world.get("/bucket?uploads&max-uploads=0").elements("Key").empty());
}

TEST_CASE("attributes tell what was asked for") {
  World world;
  const std::string id =
      world.create("key", {{"x-amz-checksum-algorithm", "CRC32"}, {"x-amz-checksum-type", "FULL_OBJECT"}});
  world.part(id, 1, kBig);
  world.part(id, 2, "tail");
  const std::string etag = world.complete(id, {{1, tag(kBig)}, {2, tag("tail")}}).element("ETag");
  const Answer all = world.get("/bucket/key?attributes", {{"x-amz-object-attributes", "ETag,Checksum,ObjectParts"},
                                                          {"x-amz-object-attributes", "StorageClass, ObjectSize"}});
  CHECK(all.status == 200);
  CHECK("&quot;" + all.element("ETag") + "&quot;" == etag);
  CHECK(all.element("ObjectSize") == "5242884");
  CHECK(all.element("StorageClass") == "STANDARD");
  CHECK(all.element("ChecksumType") == "FULL_OBJECT");
  CHECK(all.element("PartsCount") == "2");
  CHECK(all.elements("PartNumber") == std::vector<std::string>{"1", "2"});
  CHECK(all.header("Last-Modified") == "Fri, 24 May 2013 00:00:00 GMT");
  const Answer page =
      world.get("/bucket/key?attributes", {{"x-amz-object-attributes", "ObjectParts"}, {"x-amz-max-parts", "1"}});
  CHECK(page.element("IsTruncated") == "true");
  CHECK(page.element("NextPartNumberMarker") == "1");
  CHECK(page.elements("ETag").empty());
  CHECK(world.get("/bucket/key?attributes").code() == "InvalidRequest");
  CHECK(world.get("/bucket/key?attributes", {{"x-amz-object-attributes", "Colour"}}).code() == "InvalidArgument");
  CHECK(world.get("/bucket/none?attributes", {{"x-amz-object-attributes", "ETag"}}).code() == "NoSuchKey");
}
