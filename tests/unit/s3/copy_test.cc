#include <catch2/catch_test_macros.hpp>

#include "tests/support/s3_world.h"

using namespace gabion;
using test::Answer;
using test::S3World;

namespace {

const std::string kEtag = "\"781e5e245d69b566979b86e28d23f2c7\"";
const std::string kOther = "\"00000000000000000000000000000000\"";

struct World : S3World {
  World() {
    put("/from");
    put("/dest");
    put("/from/source", "0123456789", {{"content-type", "text/plain"}, {"x-amz-meta-a", "1"}});
    clock.advance(std::chrono::hours(1));
  }
  Answer copy(const std::string& target, const std::string& source, Headers headers = {}) {
    headers.push_back({"x-amz-copy-source", source});
    return put(target, "", std::move(headers));
  }
};

}  // namespace

TEST_CASE("a copy has the bytes and the metadata of its source, and no bytes move") {
  World world;
  const Answer copied = world.copy("/dest/copy", "/from/source");
  CHECK(copied.status == 200);
  CHECK(copied.element("ETag") == "&quot;781e5e245d69b566979b86e28d23f2c7&quot;");
  CHECK(copied.element("LastModified") == "2013-05-24T01:00:00.000Z");
  CHECK(copied.element("ChecksumType") == "FULL_OBJECT");
  CHECK(world.data.counts().opened == 1);
  CHECK(world.data.counts().reads == 0);
  const Answer get = world.get("/dest/copy");
  CHECK(get.body == "0123456789");
  CHECK(get.header("ETag") == kEtag);
  CHECK(get.header("Content-Type") == "text/plain");
  CHECK(get.header("x-amz-meta-a") == "1");
  CHECK(get.header("Last-Modified") == "Fri, 24 May 2013 01:00:00 GMT");
  world.send("DELETE", "/from/source");
  CHECK(world.get("/dest/copy").body == "0123456789");
}

TEST_CASE("REPLACE takes the metadata of the request and drops the source's") {
  World world;
  CHECK(world.copy("/dest/copy", "from/source", {{"x-amz-metadata-directive", "REPLACE"}, {"x-amz-meta-b", "2"}}).status ==
        200);
  const Answer get = world.get("/dest/copy");
  CHECK(get.header("Content-Type") == "binary/octet-stream");
  CHECK_FALSE(get.has("x-amz-meta-a"));
  CHECK(get.header("x-amz-meta-b") == "2");
  CHECK(world.copy("/dest/copy", "from/source", {{"x-amz-metadata-directive", "MERGE"}}).code() == "InvalidArgument");
}

TEST_CASE("a copy onto itself must change something") {
  World world;
  const Answer refused = world.copy("/from/source", "from/source");
  CHECK(refused.code() == "InvalidRequest");
  CHECK(refused.element("Message").starts_with("This copy request is illegal because"));
  CHECK(world.copy("/from/source", "from/source", {{"x-amz-acl", "private"}}).code() == "InvalidRequest");
  CHECK(world.copy("/from/source", "from/source", {{"x-amz-metadata-directive", "REPLACE"}, {"x-amz-meta-c", "3"}}).status ==
        200);
  CHECK(world.get("/from/source").header("x-amz-meta-c") == "3");
  CHECK(world.get("/from/source").body == "0123456789");
  CHECK(world.copy("/from/source", "from/source", {{"x-amz-storage-class", "STANDARD"}}).status == 200);
}

TEST_CASE("every condition on the source that fails is 412") {
  World world;
  struct Case {
    S3World::Headers headers;
    std::string condition;
  };
  for (const Case& c : std::vector<Case>{
           {{{"x-amz-copy-source-if-match", kOther}}, "x-amz-copy-source-If-Match"},
           {{{"x-amz-copy-source-if-none-match", kEtag}}, "x-amz-copy-source-If-None-Match"},
           {{{"x-amz-copy-source-if-unmodified-since", "Thu, 23 May 2013 00:00:00 GMT"}},
            "x-amz-copy-source-If-Unmodified-Since"},
           {{{"x-amz-copy-source-if-modified-since", "Fri, 24 May 2013 00:00:00 GMT"}},
            "x-amz-copy-source-If-Modified-Since"},
           {{{"x-amz-copy-source-if-none-match", kEtag},
             {"x-amz-copy-source-if-modified-since", "Thu, 23 May 2013 00:00:00 GMT"}},
            "x-amz-copy-source-If-None-Match"},
       }) {
    const Answer answer = world.copy("/dest/copy", "from/source", c.headers);
    CHECK(answer.status == 412);
    CHECK(answer.element("Condition") == c.condition);
  }
  CHECK(world
            .copy("/dest/copy", "from/source",
                  {{"x-amz-copy-source-if-match", kEtag},
                   {"x-amz-copy-source-if-unmodified-since", "Thu, 23 May 2013 00:00:00 GMT"}})
            .status == 200);
}

TEST_CASE("conditions on the destination are decided with the copy") {
  World world;
  CHECK(world.copy("/dest/copy", "from/source", {{"if-match", kEtag}}).code() == "NoSuchKey");
  CHECK(world.copy("/dest/copy", "from/source", {{"if-none-match", "*"}}).status == 200);
  CHECK(world.copy("/dest/copy", "from/source", {{"if-none-match", "*"}}).status == 412);
  CHECK(world.copy("/dest/copy", "from/source", {{"if-match", kEtag}}).status == 200);
}

TEST_CASE("what is missing is named") {
  World world;
  CHECK(world.copy("/dest/copy", "nowhere/source").code() == "NoSuchBucket");
  CHECK(world.copy("/nowhere/copy", "from/source").code() == "NoSuchBucket");
  const Answer missing = world.copy("/dest/copy", "from/missing");
  CHECK(missing.code() == "NoSuchKey");
  CHECK(missing.element("Key") == "missing");
  CHECK(world.copy("/dest/copy", "rubbish").code() == "InvalidArgument");
  CHECK(world.copy("/dest/copy", "from/source?versionId=abc").code() == "InvalidArgument");
  CHECK(world.copy("/dest/copy", "from/source", {{"x-amz-source-expected-bucket-owner", "x"}}).code() == "AccessDenied");
}

TEST_CASE("a copy whose source is replaced meanwhile copies the new one") {
  World world;
  world.metadata.before_commit([](const metadata::Command& command) { return command.put_object().has_share(); },
                               [&] { world.put("/from/source", "new bytes"); });
  CHECK(world.copy("/dest/copy", "from/source").status == 200);
  CHECK(world.get("/dest/copy").body == "new bytes");
}

TEST_CASE("a checksum that the source lacks is computed from its bytes") {
  World world;
  world.put("/from/letters", "abcdefg");
  const Answer copied = world.copy("/dest/copy", "from/letters", {{"x-amz-checksum-algorithm", "SHA1"}});
  CHECK(copied.element("ChecksumSHA1") == "L7XhNBn8iSRoZeejJPR27GJOh0A=");
  CHECK(world.data.counts().reads == 1);
  CHECK(world.send("HEAD", "/dest/copy", {{"x-amz-checksum-mode", "ENABLED"}}).header("x-amz-checksum-sha1") ==
        "L7XhNBn8iSRoZeejJPR27GJOh0A=");
}

TEST_CASE("an empty object is copied too") {
  World world;
  world.put("/from/empty", "");
  CHECK(world.copy("/dest/empty", "from/empty").status == 200);
  CHECK(world.get("/dest/empty").status == 200);
}
