#include "gateway/s3/names.h"

#include <catch2/catch_test_macros.hpp>

#include "gateway/s3/copy_source.h"
#include "gateway/s3/opaque_token.h"
#include "gateway/s3/request.h"

using namespace gabion;
using namespace gabion::gateway::s3;

namespace {

S3Result<Target> target(const std::string& path, const std::string& host = "localhost:9000") {
  const auto uri = RequestTarget::parse(path);
  if (!uri) return uri.error();
  return find_target(uri->path, host, {"s3.example.com", "example.com"});
}

}  // namespace

TEST_CASE("bucket names follow the rules of DNS and AWS's reservations") {
  for (const char* name : {"abc", "a-b", "a.b.c", "0ab", "my-bucket.2024", "1.2.3", "1.2.3.4.5", "1.2.3.x"}) {
    INFO(name);
    CHECK(is_valid_bucket_name(name));
  }
  CHECK(is_valid_bucket_name(std::string(63, 'a')));
  for (const char* name : {"",
                           "ab",
                           "Abc",
                           "a_b",
                           "-ab",
                           "ab-",
                           ".ab",
                           "ab.",
                           "a..b",
                           "a.-b",
                           "a-.b",
                           "192.168.5.4",
                           "xn--abc",
                           "sthree-abc",
                           "amzn-s3-demo-abc",
                           "abc-s3alias",
                           "abc--ol-s3",
                           "abc.mrap",
                           "abc--x-s3",
                           "abc--table-s3",
                           "health",
                           "minio",
                           "a b",
                           "a/b"}) {
    INFO(name);
    CHECK_FALSE(is_valid_bucket_name(name));
  }
  CHECK_FALSE(is_valid_bucket_name(std::string(64, 'a')));
}

TEST_CASE("the path names bucket and key, and keys are opaque") {
  struct Case {
    std::string path, bucket, key;
  };
  for (const Case& c : std::vector<Case>{
           {"/", "", ""},
           {"/bucket", "bucket", ""},
           {"/bucket/", "bucket", ""},
           {"/bucket/key", "bucket", "key"},
           {"/bucket//key", "bucket", "/key"},
           {"//bucket//key", "bucket", "/key"},
           {"/bucket/a//b", "bucket", "a//b"},
           {"/bucket/a/./b", "bucket", "a/./b"},
           {"/bucket/a/../b", "bucket", "a/../b"},
           {"/bucket/trailing/", "bucket", "trailing/"},
           {"/bucket/a+b", "bucket", "a+b"},
           {"/bucket/file%252Fname", "bucket", "file%2Fname"},
           {"/bucket/a%2Fb", "bucket", "a/b"},
           {"/bucket/%F0%9F%98%80", "bucket", "\xF0\x9F\x98\x80"},
           {"/bucket/a%20b%3F%23%3B", "bucket", "a b?#;"},
           {"/bucket/%01", "bucket", "\x01"},
       }) {
    INFO(c.path);
    const auto found = target(c.path);
    REQUIRE(found.has_value());
    CHECK(found->bucket == c.bucket);
    CHECK(found->key == c.key);
    CHECK_FALSE(found->virtual_host);
  }
}

TEST_CASE("the longest domain that the Host ends in decides virtual-host style") {
  struct Case {
    std::string host, bucket, key;
    bool virtual_host;
  };
  for (const Case& c : std::vector<Case>{
           {"pics.s3.example.com", "pics", "a/b", true},
           {"pics.s3.example.com:9000", "pics", "a/b", true},
           {"my.pics.s3.example.com", "my.pics", "a/b", true},
           {"PICS.S3.example.com", "pics", "a/b", true},
           {"other.example.com", "other", "a/b", true},
           {"s3.example.com", "a", "b", false},
           {"example.com:80", "a", "b", false},
           {"elsewhere.org", "a", "b", false},
       }) {
    INFO(c.host);
    const auto found = target("/a/b", c.host);
    REQUIRE(found.has_value());
    CHECK(found->bucket == c.bucket);
    CHECK(found->key == c.key);
    CHECK(found->virtual_host == c.virtual_host);
  }
}

TEST_CASE("paths that no key may have are refused") {
  CHECK(target("/bucket/%zz").error().code == &kInvalidURI);
  CHECK(target("/bucket/%00").error().code == &kInvalidURI);
  CHECK(target("/bucket/%ae%8a").error().code == &kInvalidURI);
  CHECK(target("/bucket/../other").error().code == &kInvalidURI);
  CHECK(target("/bucket/a/../../b").error().code == &kInvalidURI);
  CHECK(target("/bucket/%2e%2e/b").error().code == &kInvalidURI);
  CHECK(target("/b%20d/key").error().code == &kInvalidBucketName);
  CHECK(target("/bucket/" + std::string(1024, 'k')).has_value());
  const auto too_long = target("/bucket/" + std::string(1025, 'k'));
  REQUIRE(too_long.has_error());
  CHECK(too_long.error().code == &kKeyTooLongError);
  CHECK(too_long.error().details == decltype(S3Error::details){{"Size", "1025"}, {"MaxSizeAllowed", "1024"}});
}

TEST_CASE("a copy source is decoded once and may name the null version") {
  struct Case {
    std::string header, bucket, key;
  };
  for (const Case& c : std::vector<Case>{
           {"bucket/key", "bucket", "key"},
           {"/bucket/key", "bucket", "key"},
           {"bucket/a%20b+c", "bucket", "a b+c"},
           {"bucket/file%252Fname", "bucket", "file%2Fname"},
           {"bucket//key", "bucket", "/key"},
           {"bucket/key?versionId=null", "bucket", "key"},
           {"bucket/what?versionId=x?versionId=null", "bucket", "what?versionId=x"},
           {"/bucket/%E2%82%AC", "bucket", "\xE2\x82\xAC"},
       }) {
    INFO(c.header);
    const auto source = parse_copy_source(c.header);
    REQUIRE(source.has_value());
    CHECK(source->bucket == c.bucket);
    CHECK(source->key == c.key);
  }
  for (const char* header : {"", "/", "bucket", "bucket/", "/bucket/", "bucket/%zz", "bucket/%00", "b b/key",
                             "bucket/key?versionId=", "bucket/key?versionId=3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", "//key"}) {
    INFO(header);
    const auto source = parse_copy_source(header);
    REQUIRE(source.has_error());
    CHECK(source.error().code == &kInvalidArgument);
  }
}

TEST_CASE("continuation tokens give back the position and nothing else passes for one") {
  for (const std::string& position :
       {std::string("a"), std::string("\xff\xfe\xfb"), std::string(1024, 'k'), std::string()}) {
    const std::string token = encode_token(position);
    CHECK(token.find_first_of("+/=") == std::string::npos);
    CHECK(decode_token(token).value() == position);
  }
  for (const char* token : {"x", "!!!!", "AAAA", "bm90IG91cnM"}) CHECK(decode_token(token).has_error());
}
