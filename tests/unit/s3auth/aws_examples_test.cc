// The examples that AWS publishes with its documentation of signatures.
// Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, sigv4-query-string-auth.html,
// sigv4-streaming.html, sigv4-streaming-trailers.html
#include <catch2/catch_test_macros.hpp>

#include "gateway/s3/auth/payload.h"
#include "tests/support/run.h"
#include "tests/support/s3_signer.h"

using namespace gabion;
using namespace gabion::gateway::s3;
using gabion::test::request;
namespace http = gabion::gateway::http;

namespace {

const test::OneCredential kCredentials;

std::string authorization(std::string_view signed_headers, std::string_view signature) {
  return fmt::format("AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}", test::kAccessKey, test::kScope,
                     signed_headers, signature);
}

S3Result<Authentication> check(const http::RequestHead& head) { return authenticate(head, kCredentials, {}, test::kNow); }

task<S3Result<std::string>> read(http::Exchange& exchange, Authentication authentication) {
  CO_TRY(const auto payload, Payload::open(exchange, authentication, {}));
  co_return co_await payload->read_all(1 << 20);
}

struct Example {
  const char* name;
  const char* method;
  const char* target;
  std::vector<http::Header> headers;
  const char* signed_headers;
  const char* signature;
};

const http::Header kHost{"Host", "examplebucket.s3.amazonaws.com"};
const http::Header kDate{"x-amz-date", std::string(test::kTimestamp)};
const http::Header kNoBody{"x-amz-content-sha256", std::string(test::kEmptySha256)};

const Example kExamples[] = {
    {"GET object", "GET", "/test.txt", {kHost, {"Range", "bytes=0-9"}, kNoBody, kDate},
     "host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PUT object", "PUT", "/test%24file.text",
     {kHost, {"Date", "Fri, 24 May 2013 00:00:00 GMT"}, kDate, {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
      {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}},
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GET bucket lifecycle", "GET", "/?lifecycle", {kHost, kNoBody, kDate}, "host;x-amz-content-sha256;x-amz-date",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"list objects", "GET", "/?max-keys=2&prefix=J", {kHost, kNoBody, kDate}, "host;x-amz-content-sha256;x-amz-date",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

}  // namespace

TEST_CASE("the requests that AWS signs in its documentation are accepted") {
  for (const Example& example : kExamples) {
    INFO(example.name);
    http::RequestHead head = request(example.method, example.target, example.headers);
    head.headers.push_back({"authorization", authorization(example.signed_headers, example.signature)});
    const auto result = check(head);
    REQUIRE(result.has_value());
    CHECK(result->access_key == test::kAccessKey);
    CHECK(result->tenant == "acme");
    CHECK_FALSE(result->presigned);
  }
}

TEST_CASE("the signed PUT of the documentation covers its body") {
  http::RequestHead head = request(kExamples[1].method, kExamples[1].target, kExamples[1].headers);
  head.headers.push_back({"authorization", authorization(kExamples[1].signed_headers, kExamples[1].signature)});
  head.content_length = 21;
  const auto authentication = check(head);
  REQUIRE(authentication.has_value());
  test::FakeExchange exchange(head, {"Welcome to ", "Amazon S3."});
  const auto body = test::run(read(exchange, *authentication));
  REQUIRE(body.has_value());
  CHECK(*body == "Welcome to Amazon S3.");
}

TEST_CASE("the presigned URL of the documentation is accepted for a day") {
  const auto head = request("GET",
                            "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%"
                            "2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-"
                            "SignedHeaders=host&X-Amz-Signature="
                            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
                            {kHost});
  const auto result = check(head);
  REQUIRE(result.has_value());
  CHECK(result->presigned);
  CHECK(result->payload == PayloadMode::unsigned_payload);
  const auto late = authenticate(head, kCredentials, {}, test::kNow + 86400ull * 1000000);
  REQUIRE(late.has_error());
  CHECK(late.error().code == &kAccessDenied);
  CHECK(late.error().message == "Request has expired");
}

TEST_CASE("the signed chunks of the documentation are accepted") {
  http::RequestHead head = request(
      "PUT", "/examplebucket/chunkObject.txt",
      {{"Host", "s3.amazonaws.com"}, kDate, {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
       {"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, {"Content-Encoding", "aws-chunked"},
       {"x-amz-decoded-content-length", "66560"}, {"Content-Length", "66824"}});
  head.headers.push_back(
      {"authorization",
       authorization("content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
                     "x-amz-storage-class",
                     "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")});
  const auto authentication = check(head);
  REQUIRE(authentication.has_value());
  CHECK(authentication->payload == PayloadMode::streaming_signed);
  const std::string body =
      "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
      std::string(65536, 'a') +
      "\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
      std::string(1024, 'a') +
      "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
  CHECK(body.size() == 66824);
  test::FakeExchange exchange(head, {body});
  const auto decoded = test::run(read(exchange, *authentication));
  REQUIRE(decoded.has_value());
  CHECK(*decoded == std::string(66560, 'a'));
}

TEST_CASE("the signed trailer of the documentation is accepted") {
  http::RequestHead head = request(
      "PUT", "/examplebucket/chunkObject.txt",
      {{"Host", "s3.amazonaws.com"}, kDate, {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
       {"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"}, {"Content-Encoding", "aws-chunked"},
       {"x-amz-decoded-content-length", "66560"}, {"x-amz-trailer", "x-amz-checksum-crc32c"},
       {"Transfer-Encoding", "chunked"}});
  head.headers.push_back(
      {"authorization",
       authorization("content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
                     "x-amz-storage-class;x-amz-trailer",
                     "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")});
  const auto authentication = check(head);
  REQUIRE(authentication.has_value());
  const std::string body =
      "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" +
      std::string(65536, 'a') +
      "\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" +
      std::string(1024, 'a') +
      "\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
      "x-amz-checksum-crc32c:sOO8/Q==\r\n"
      "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
  test::FakeExchange exchange(head, {body});
  const auto decoded = test::run(read(exchange, *authentication));
  if (decoded.has_error()) FAIL(decoded.error());
  CHECK(*decoded == std::string(66560, 'a'));
}
