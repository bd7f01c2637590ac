#include <catch2/catch_test_macros.hpp>

#include "tests/support/s3_world.h"

using namespace gabion;
using test::Answer;
using test::S3World;
using Names = std::vector<std::string>;

namespace {

struct World : S3World {
  explicit World(const Names& keys) {
    put("/bucket");
    for (const auto& key : keys) put("/bucket/" + key, "x");
  }
};

Names prefixes(const Answer& answer) {
  Names out;
  for (const auto& entry : answer.elements("CommonPrefixes")) {
    out.push_back(entry.substr(8, entry.size() - 17));  // inside <Prefix>
  }
  return out;
}

}  // namespace

TEST_CASE("a listing shows what is known of each key") {
  World world({});
  world.put("/bucket/key", "0123456789");
  const Answer v1 = world.get("/bucket");
  CHECK(v1.status == 200);
  CHECK(v1.header("Content-Type") == "application/xml");
  CHECK(v1.body ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Name>bucket</Name><Prefix></Prefix><Marker></Marker><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
        "<Contents><Key>key</Key><LastModified>2013-05-24T00:00:00.000Z</LastModified>"
        "<ETag>&quot;781e5e245d69b566979b86e28d23f2c7&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
        "<ChecksumType>FULL_OBJECT</ChecksumType><Size>10</Size><StorageClass>STANDARD</StorageClass>"
        "<Owner><ID>gabion</ID><DisplayName>gabion</DisplayName></Owner></Contents></ListBucketResult>");
  const Answer v2 = world.get("/bucket/?list-type=2");
  CHECK(v2.element("KeyCount") == "1");
  CHECK(v2.elements("Owner").empty());
  CHECK(world.get("/bucket?list-type=2&fetch-owner=true").elements("Owner").size() == 1);
  CHECK(world.get("/missing").code() == "NoSuchBucket");
  CHECK(world.get("/bucket?list-type=3").code() == "InvalidArgument");
}

TEST_CASE("keys come in the order of their bytes, and common prefixes among them") {
  World world({"foo%2B1/bar", "foo/bar/xyzzy", "quux%20ab/thud", "asdf%2Bb", "b/x", "b"});
  CHECK(world.get("/bucket").elements("Key") == Names{"asdf+b", "b", "b/x", "foo+1/bar", "foo/bar/xyzzy", "quux ab/thud"});
  const Answer rolled = world.get("/bucket?delimiter=/&encoding-type=url");
  CHECK(rolled.elements("Key") == Names{"asdf%2Bb", "b"});
  CHECK(prefixes(rolled) == Names{"b/", "foo%2B1/", "foo/", "quux%20ab/"});
  CHECK(rolled.element("EncodingType") == "url");
  CHECK(rolled.element("Delimiter") == "/");
}

TEST_CASE("version 2 pages count common prefixes and go on where they stopped") {
  World world({"a/1", "a/2", "b", "c/1", "d"});
  Names seen;
  std::string token;
  int pages = 0;
  while (true) {
    const Answer page =
        world.get("/bucket?list-type=2&delimiter=/&max-keys=2" + (token.empty() ? "" : "&continuation-token=" + token));
    REQUIRE(page.status == 200);
    ++pages;
    for (const auto& key : page.elements("Key")) seen.push_back(key);
    for (const auto& prefix : prefixes(page)) seen.push_back(prefix);
    CHECK(page.element("ContinuationToken") == token);
    CHECK(page.element("KeyCount") == (pages == 3 ? "0" : "2"));
    token = page.element("NextContinuationToken");
    CHECK((page.element("IsTruncated") == "true") == !token.empty());
    if (token.empty()) break;
    if (pages > 5) break;
  }
  std::sort(seen.begin(), seen.end());
  CHECK(seen == Names{"a/", "b", "c/", "d"});
  CHECK(pages == 2);
}

TEST_CASE("version 1 pages have a next marker only with a delimiter") {
  World world({"a/1", "a/2", "b", "c"});
  const Answer plain = world.get("/bucket?max-keys=2");
  CHECK(plain.element("IsTruncated") == "true");
  CHECK(plain.elements("NextMarker").empty());
  const Answer rolled = world.get("/bucket?max-keys=1&delimiter=/");
  CHECK(rolled.element("NextMarker") == "a/");
  const Answer second = world.get("/bucket?max-keys=1&delimiter=/&marker=a/");
  CHECK(second.elements("Key") == Names{"b"});
  CHECK(second.element("Marker") == "a/");
  CHECK(second.element("NextMarker") == "b");
  const Answer third = world.get("/bucket?max-keys=1&delimiter=/&marker=b");
  CHECK(third.element("IsTruncated") == "false");
  CHECK(third.elements("NextMarker").empty());
}

TEST_CASE("a marker inside a common prefix means that all of it was seen") {
  World world({"folder/aSub/f1", "folder/aSub/f2", "folder/bSub/f1", "folder/c"});
  const Answer page = world.get("/bucket?prefix=folder/&delimiter=/&marker=folder/aSub/f1");
  CHECK(prefixes(page) == Names{"folder/bSub/"});
  CHECK(page.elements("Key") == Names{"folder/c"});
  CHECK(world.get("/bucket?marker=folder/aSub/f1").elements("Key").front() == "folder/aSub/f2");
}

TEST_CASE("prefixes and delimiters may be any text") {
  World world({"a%25b", "a%25c%25d", "b%20c", "x::y::z", "new%0Aline"});
  CHECK(prefixes(world.get("/bucket?delimiter=%25")) == Names{"a%"});
  CHECK(prefixes(world.get("/bucket?prefix=a%25&delimiter=%25")) == Names{"a%c%"});
  CHECK(prefixes(world.get("/bucket?delimiter=+")) == Names{"b "});
  CHECK(prefixes(world.get("/bucket?delimiter=::")) == Names{"x::"});
  CHECK(prefixes(world.get("/bucket?delimiter=%0A")) == Names{"new&#xA;"});
  CHECK(world.get("/bucket?prefix=new").elements("Key") == Names{"new&#xA;line"});
  CHECK(world.get("/bucket?prefix=new&encoding-type=url").elements("Key") == Names{"new%0Aline"});
  CHECK(world.get("/bucket?delimiter=").elements("Delimiter").empty());
  CHECK(world.get("/bucket?prefix=none").elements("Key").empty());
  CHECK(world.get("/bucket?prefix=%ff").code() == "InvalidArgument");
}

TEST_CASE("the number of keys is a number up to a thousand") {
  World world({"a", "b"});
  const Answer none = world.get("/bucket?max-keys=0");
  CHECK(none.status == 200);
  CHECK(none.elements("Key").empty());
  CHECK(none.element("IsTruncated") == "false");
  CHECK(none.element("MaxKeys") == "0");
  CHECK(world.get("/bucket?max-keys=5000").element("MaxKeys") == "1000");
  CHECK(world.get("/bucket?max-keys=").element("MaxKeys") == "1000");
  for (const char* bad : {"-1", "abc", "1.5", "99999999999999999999"}) {
    const Answer answer = world.get(std::string("/bucket?max-keys=") + bad);
    CHECK(answer.code() == "InvalidArgument");
    CHECK(answer.element("ArgumentName") == "max-keys");
  }
}

TEST_CASE("encodings that do not exist are refused") {
  World world({});
  for (const char* target :
       {"/bucket?encoding-type=", "/bucket?encoding-type=base64", "/bucket?list-type=2&encoding-type=xml"}) {
    const Answer answer = world.get(target);
    CHECK(answer.code() == "InvalidArgument");
    CHECK(answer.element("Message") == "Invalid Encoding Method specified in Request");
  }
}

TEST_CASE("start-after begins a listing and a token goes on with it") {
  World world({"a", "b", "c", "d"});
  const Answer first = world.get("/bucket?list-type=2&start-after=a&max-keys=1");
  CHECK(first.elements("Key") == Names{"b"});
  CHECK(first.element("StartAfter") == "a");
  const Answer second =
      world.get("/bucket?list-type=2&start-after=a&continuation-token=" + first.element("NextContinuationToken"));
  CHECK(second.elements("Key") == Names{"c", "d"});
  CHECK(second.element("StartAfter") == "a");
  const Answer empty = world.get("/bucket?list-type=2&continuation-token=");
  CHECK(empty.status == 200);
  CHECK(empty.elements("ContinuationToken") == Names{""});
  const Answer bad = world.get("/bucket?list-type=2&continuation-token=rubbish");
  CHECK(bad.code() == "InvalidArgument");
  CHECK(bad.element("Message") == "The continuation token provided is incorrect");
}

TEST_CASE("what was written is listed at once and what was deleted is not") {
  World world({"a"});
  CHECK(world.get("/bucket").elements("Key") == Names{"a"});
  world.put("/bucket/b", "x");
  CHECK(world.get("/bucket").elements("Key") == Names{"a", "b"});
  world.send("DELETE", "/bucket/a");
  CHECK(world.get("/bucket").elements("Key") == Names{"b"});
}
