#include <catch2/catch_test_macros.hpp>
#include <functional>

#include "gateway/s3/auth/signing.h"
#include "tests/support/s3_signer.h"

using namespace gabion;
using namespace gabion::gateway::s3;
using gabion::test::request;
using gabion::test::sign;
using gabion::test::SignOptions;
namespace http = gabion::gateway::http;

namespace {

const test::OneCredential kCredentials;
constexpr WallMicros kMinute = 60ull * 1000000;

http::RequestHead plain() {
  return request("PUT", "/bucket/key?partNumber=1&uploadId=abc",
                 {{"Host", "s3.example.com:9000"}, {"Content-Type", "text/plain"}, {"x-amz-meta-colour", "blue"}});
}

S3Result<Authentication> check(const http::RequestHead& head, WallMicros now = test::kNow) {
  return authenticate(head, kCredentials, {}, now);
}

std::string outcome(const S3Result<Authentication>& result) {
  return result ? (result->anonymous ? "anonymous" : "accepted") : std::string(result.error().code->name);
}

std::string* value_of(http::RequestHead& head, std::string_view name) {
  for (auto& header : head.headers) {
    if (header.name == name) return &header.value;
  }
  return nullptr;
}

void replace(std::string& text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
}

void drop(http::RequestHead& head, std::string_view name) {
  std::erase_if(head.headers, [&](const http::Header& header) { return header.name == name; });
}

std::string member(const S3Error& error, std::string_view name) {
  for (const auto& [key, value] : error.details) {
    if (key == name) return value;
  }
  return "(absent)";
}

struct Mutation {
  const char* name;
  std::function<void(http::RequestHead&)> change;
  const char* expected;
};

void authorization(http::RequestHead& head, std::string_view from, std::string_view to) {
  replace(*value_of(head, "authorization"), from, to);
}

}  // namespace

TEST_CASE("header values are trimmed and their inner white space is one space") {
  const auto canonical = [](std::string_view value) {
    std::string out;
    append_canonical_value(out, value);
    return out;
  };
  CHECK(canonical("value1") == "value1");
  CHECK(canonical("  a   b   c  ") == "a b c");
  CHECK(canonical("\ta\t b") == "a b");
  CHECK(canonical("\"a   b   c\"") == "\"a b c\"");
  CHECK(canonical("   ").empty());
}

TEST_CASE("a canonical request lists headers as signed, with repeated ones joined in order") {
  const auto head = request("POST", "/?foo=Zoo&foo=aha",
                            {{"Host", "example.amazonaws.com"}, {"My-Header1", "value2"}, {"X-Other", "not signed"},
                             {"My-Header1", " value1  x "}, {"X-Amz-Date", "20150830T123600Z"}});
  const auto target = RequestTarget::parse(head.target);
  CHECK(canonical_request(head, *target, "host;my-header1;x-amz-date", "UNSIGNED-PAYLOAD") ==
        "POST\n/\nfoo=Zoo&foo=aha\nhost:example.amazonaws.com\nmy-header1:value2,value1 x\n"
        "x-amz-date:20150830T123600Z\n\nhost;my-header1;x-amz-date\nUNSIGNED-PAYLOAD");
  // A header that is not there leaves no line, which is another request than one where it is empty.
  CHECK(canonical_request(head, *target, "absent;host", "h") ==
        "POST\n/\nfoo=Zoo&foo=aha\nhost:example.amazonaws.com\n\nabsent;host\nh");
}

TEST_CASE("the signing key of the documentation is derived") {
  const auto& key = signing_key("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1");
  CHECK(key.raw.size() == 32);
  const auto& again = signing_key("AKIDEXAMPLE", "another secret", "20150830", "us-east-1");
  const std::string other = again.raw;
  CHECK(other != signing_key("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1").raw);
}

TEST_CASE("a signed request is accepted and tells what chunk signatures chain from") {
  const auto head = sign(plain());
  const auto result = check(head);
  REQUIRE(result.has_value());
  CHECK_FALSE(result->anonymous);
  CHECK(result->timestamp == test::kTimestamp);
  CHECK(result->scope == test::kScope);
  CHECK(result->signing_key.size() == 32);
  CHECK(result->seed_signature.size() == 64);
  CHECK(head.get("authorization").ends_with(result->seed_signature));
  CHECK(result->payload == PayloadMode::signed_hash);
  CHECK(result->payload_hash == test::kEmptySha256);
}

TEST_CASE("a request that differs from what was signed in any way is refused") {
  const Mutation mutations[] = {
      {"nothing", [](auto&) {}, "accepted"},
      {"method", [](auto& head) { head.method = "GET"; }, "SignatureDoesNotMatch"},
      {"path", [](auto& head) { replace(head.target, "/key", "/kez"); }, "SignatureDoesNotMatch"},
      {"path, doubled slash", [](auto& head) { replace(head.target, "/key", "//key"); }, "SignatureDoesNotMatch"},
      {"path, other escape of the same bytes", [](auto& head) { replace(head.target, "/key", "/%6bey"); }, "accepted"},
      {"query value", [](auto& head) { replace(head.target, "partNumber=1", "partNumber=2"); }, "SignatureDoesNotMatch"},
      {"query order", [](auto& head) { head.target = "/bucket/key?uploadId=abc&partNumber=1"; }, "accepted"},
      {"query added", [](auto& head) { head.target += "&acl"; }, "SignatureDoesNotMatch"},
      {"query removed", [](auto& head) { replace(head.target, "&uploadId=abc", ""); }, "SignatureDoesNotMatch"},
      {"host", [](auto& head) { *value_of(head, "host") = "s3.example.com"; }, "SignatureDoesNotMatch"},
      {"signed header", [](auto& head) { *value_of(head, "x-amz-meta-colour") = "red"; }, "SignatureDoesNotMatch"},
      {"signed header twice", [](auto& head) { head.headers.push_back({"x-amz-meta-colour", "red"}); },
       "SignatureDoesNotMatch"},
      {"signed header dropped", [](auto& head) { drop(head, "x-amz-meta-colour"); },
       "SignatureDoesNotMatch"},
      {"header not signed", [](auto& head) { *value_of(head, "content-type") = "text/html"; }, "accepted"},
      {"x-amz header added", [](auto& head) { head.headers.push_back({"x-amz-acl", "public-read"}); }, "AccessDenied"},
      {"copy source added", [](auto& head) { head.headers.push_back({"x-amz-copy-source", "/b/k"}); }, "AccessDenied"},
      {"payload hash", [](auto& head) { *value_of(head, "x-amz-content-sha256") = std::string(64, 'a'); },
       "SignatureDoesNotMatch"},
      {"payload hash for none", [](auto& head) { *value_of(head, "x-amz-content-sha256") = "UNSIGNED-PAYLOAD"; },
       "SignatureDoesNotMatch"},
      {"payload mode unsigned trailer",
       [](auto& head) { *value_of(head, "x-amz-content-sha256") = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"; },
       "SignatureDoesNotMatch"},
      {"payload hash missing", [](auto& head) { drop(head, "x-amz-content-sha256"); },
       "InvalidRequest"},
      {"payload hash in upper case", [](auto& head) { *value_of(head, "x-amz-content-sha256") = std::string(64, 'A'); },
       "InvalidArgument"},
      {"payload hash garbage", [](auto& head) { *value_of(head, "x-amz-content-sha256") = "xyz"; }, "InvalidArgument"},
      {"payload hash twice", [](auto& head) { head.headers.push_back({"x-amz-content-sha256", "UNSIGNED-PAYLOAD"}); },
       "InvalidRequest"},
      {"asymmetric chunks",
       [](auto& head) { *value_of(head, "x-amz-content-sha256") = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"; },
       "NotImplemented"},
      {"date", [](auto& head) { *value_of(head, "x-amz-date") = "20130524T000001Z"; }, "SignatureDoesNotMatch"},
      {"date of another day", [](auto& head) { *value_of(head, "x-amz-date") = "20130525T000000Z"; },
       "AuthorizationHeaderMalformed"},
      {"date malformed", [](auto& head) { *value_of(head, "x-amz-date") = "yesterday"; }, "AccessDenied"},
      {"date missing", [](auto& head) { drop(head, "x-amz-date"); },
       "AccessDenied"},
      {"date twice", [](auto& head) { head.headers.push_back({"x-amz-date", std::string(test::kTimestamp)}); },
       "InvalidRequest"},
      {"authorization twice", [](auto& head) { head.headers.push_back({"authorization", "AWS a:b"}); }, "InvalidRequest"},
      {"token", [](auto& head) { head.headers.push_back({"x-amz-security-token", "t"}); }, "InvalidToken"},
      {"signature", [](auto& head) { value_of(head, "authorization")->back() ^= 1; }, "SignatureDoesNotMatch"},
      {"signature cut", [](auto& head) { value_of(head, "authorization")->pop_back(); }, "SignatureDoesNotMatch"},
      {"signature longer", [](auto& head) { *value_of(head, "authorization") += "0"; }, "SignatureDoesNotMatch"},
      {"signature empty", [](auto& head) { auto& a = *value_of(head, "authorization"); a.resize(a.size() - 64); },
       "AuthorizationHeaderMalformed"},
      {"access key", [](auto& head) { authorization(head, "AKIA", "AKIB"); }, "InvalidAccessKeyId"},
      {"access key empty", [](auto& head) { authorization(head, test::kAccessKey, ""); }, "AuthorizationHeaderMalformed"},
      {"scope date", [](auto& head) { authorization(head, "20130524/", "20130525/"); }, "AuthorizationHeaderMalformed"},
      {"scope date malformed", [](auto& head) { authorization(head, "20130524/", "2013/"); }, "AuthorizationHeaderMalformed"},
      {"region", [](auto& head) { authorization(head, "us-east-1", "eu-west-1"); }, "AuthorizationHeaderMalformed"},
      {"region of s3cmd", [](auto& head) { authorization(head, "us-east-1", "US"); }, "SignatureDoesNotMatch"},
      {"service", [](auto& head) { authorization(head, "/s3/", "/sqs/"); }, "AuthorizationHeaderMalformed"},
      {"terminal", [](auto& head) { authorization(head, "aws4_request", "aws4"); }, "AuthorizationHeaderMalformed"},
      {"credential short", [](auto& head) { authorization(head, "/s3/", "/"); }, "AuthorizationHeaderMalformed"},
      {"host not signed", [](auto& head) { authorization(head, "SignedHeaders=host;", "SignedHeaders="); }, "AccessDenied"},
      {"fewer headers signed", [](auto& head) { authorization(head, ";x-amz-meta-colour", ""); }, "AccessDenied"},
      {"names in upper case", [](auto& head) { authorization(head, "=host;", "=Host;"); }, "AuthorizationHeaderMalformed"},
      {"no names", [](auto& head) { authorization(head, "SignedHeaders=host", "SignedHeaders=;host"); },
       "AuthorizationHeaderMalformed"},
      {"a part twice", [](auto& head) { *value_of(head, "authorization") += ", Signature=00"; },
       "AuthorizationHeaderMalformed"},
      {"an unknown part", [](auto& head) { *value_of(head, "authorization") += ", Colour=blue"; },
       "AuthorizationHeaderMalformed"},
      {"only the algorithm", [](auto& head) { *value_of(head, "authorization") = "AWS4-HMAC-SHA256"; },
       "AuthorizationHeaderMalformed"},
      {"the asymmetric algorithm", [](auto& head) { *value_of(head, "authorization") = "AWS4-ECDSA-P256-SHA256 Credential=a"; },
       "NotImplemented"},
      {"another algorithm", [](auto& head) { authorization(head, "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"); }, "InvalidArgument"},
      {"another scheme", [](auto& head) { *value_of(head, "authorization") = "Bearer token"; }, "InvalidArgument"},
      {"empty authorization", [](auto& head) { *value_of(head, "authorization") = ""; }, "InvalidArgument"},
      {"a presigned parameter too", [](auto& head) { head.target += "&X-Amz-Signature=00"; }, "InvalidArgument"},
      {"a SigV2 parameter too", [](auto& head) { head.target += "&AWSAccessKeyId=x"; }, "InvalidArgument"},
      {"target malformed", [](auto& head) { head.target += "%zz"; }, "InvalidURI"},
  };
  for (const Mutation& mutation : mutations) {
    INFO(mutation.name);
    http::RequestHead head = sign(plain());
    mutation.change(head);
    CHECK(outcome(check(head)) == mutation.expected);
  }
}

TEST_CASE("every single changed character of a signed request's authorization is noticed") {
  const http::RequestHead good = sign(plain());
  const std::size_t length = good.get("authorization").size();
  for (std::size_t i = 0; i < length; ++i) {
    http::RequestHead head = good;
    std::string& text = *value_of(head, "authorization");
    text[i] = text[i] == 'x' ? 'y' : 'x';
    INFO(text);
    CHECK(check(head).has_error());
  }
}

TEST_CASE("each streaming mode needs a valid signature over the head") {
  for (const char* mode : {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                           "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "UNSIGNED-PAYLOAD"}) {
    INFO(mode);
    SignOptions options;
    options.payload_hash = mode;
    http::RequestHead head = sign(plain(), options);
    CHECK(outcome(check(head)) == "accepted");
    value_of(head, "authorization")->back() ^= 1;
    CHECK(outcome(check(head)) == "SignatureDoesNotMatch");
    // The same in the query, where a server once forgot to look.
    http::RequestHead bare = plain();
    bare.headers.push_back({"x-amz-content-sha256", mode});
    http::RequestHead presigned = test::presign(bare);
    CHECK(outcome(check(presigned)) == "accepted");
    presigned.target.back() ^= 1;
    CHECK(outcome(check(presigned)) == "SignatureDoesNotMatch");
  }
}

TEST_CASE("a wrong signature shows what was signed") {
  http::RequestHead head = sign(plain());
  value_of(head, "authorization")->back() ^= 1;
  const auto result = check(head);
  REQUIRE(result.has_error());
  const S3Error& error = result.error();
  CHECK(member(error, "AWSAccessKeyId") == test::kAccessKey);
  CHECK(member(error, "StringToSign").starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"));
  CHECK(member(error, "StringToSignBytes").starts_with("41 57 53 34 2d"));
  CHECK(member(error, "SignatureProvided").size() == 64);
  CHECK(member(error, "CanonicalRequest").starts_with("PUT\n/bucket/key\npartNumber=1&uploadId=abc\nhost:s3.example.com:9000\n"));
  CHECK(member(error, "CanonicalRequestBytes").starts_with("50 55 54 0a 2f"));
}

TEST_CASE("errors of authentication carry the members that SDKs read") {
  http::RequestHead head = sign(plain());
  authorization(head, "us-east-1", "eu-west-1");
  AuthConfig config;
  config.region = "gabion-1";
  const auto region = authenticate(head, kCredentials, config, test::kNow);
  REQUIRE(region.has_error());
  CHECK(region.error().message ==
        "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'gabion-1'");
  CHECK(member(region.error(), "Region") == "gabion-1");

  head = sign(plain());
  head.headers.push_back({"x-amz-acl", "private"});
  CHECK(member(check(head).error(), "HeadersNotSigned") == "x-amz-acl");

  head = sign(plain());
  authorization(head, "AKIA", "AKIB");
  CHECK(member(check(head).error(), "AWSAccessKeyId") == "AKIBIOSFODNN7EXAMPLE");
}

TEST_CASE("the configured region, us-east-1 and US are accepted") {
  AuthConfig config;
  config.region = "gabion-1";
  for (const char* region : {"gabion-1", "us-east-1", "US"}) {
    SignOptions options;
    options.scope = fmt::format("20130524/{}/s3/aws4_request", region);
    CHECK(outcome(authenticate(sign(plain(), options), kCredentials, config, test::kNow)) == "accepted");
  }
}

TEST_CASE("a clock that is more than 15 minutes off is refused") {
  const auto head = sign(plain());
  CHECK(outcome(check(head, test::kNow + 15 * kMinute)) == "accepted");
  CHECK(outcome(check(head, test::kNow - 15 * kMinute)) == "accepted");
  const auto late = check(head, test::kNow + 15 * kMinute + 1);
  REQUIRE(late.has_error());
  CHECK(late.error().code == &kRequestTimeTooSkewed);
  CHECK(member(late.error(), "RequestTime") == test::kTimestamp);
  CHECK(member(late.error(), "ServerTime") == "2013-05-24T00:15:00.000Z");
  CHECK(member(late.error(), "MaxAllowedSkewMilliseconds") == "900000");
  CHECK(outcome(check(head, test::kNow - 15 * kMinute - 1)) == "RequestTimeTooSkewed");
}

TEST_CASE("Date is used where there is no x-amz-date, and x-amz-date counts where both are") {
  http::RequestHead head = plain();
  head.headers.push_back({"date", "Fri, 24 May 2013 00:00:00 GMT"});
  head.headers.push_back({"x-amz-content-sha256", std::string(test::kEmptySha256)});
  const std::string names = test::headers_to_sign(head);
  const std::string signature = test::v4_signature(head, names, test::kEmptySha256, test::kTimestamp, test::kScope);
  head.headers.push_back({"authorization", fmt::format("AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}",
                                                       test::kAccessKey, test::kScope, names, signature)});
  CHECK(outcome(check(head)) == "accepted");

  http::RequestHead both = plain();
  both.headers.push_back({"date", "Fri, 24 May 1999 00:00:00 GMT"});
  CHECK(outcome(check(sign(both))) == "accepted");
}

TEST_CASE("a presigned URL that differs from what was signed in any way is refused") {
  const Mutation mutations[] = {
      {"nothing", [](auto&) {}, "accepted"},
      {"method", [](auto& head) { head.method = "DELETE"; }, "SignatureDoesNotMatch"},
      {"path", [](auto& head) { replace(head.target, "/key", "/kez"); }, "SignatureDoesNotMatch"},
      {"a parameter added", [](auto& head) { head.target += "&acl"; }, "SignatureDoesNotMatch"},
      {"expiry", [](auto& head) { replace(head.target, "Expires=86400", "Expires=86401"); }, "SignatureDoesNotMatch"},
      {"host", [](auto& head) { *value_of(head, "host") = "other"; }, "SignatureDoesNotMatch"},
      {"signed header dropped", [](auto& head) { drop(head, "x-amz-meta-colour"); },
       "SignatureDoesNotMatch"},
      {"x-amz header added", [](auto& head) { head.headers.push_back({"x-amz-meta-size", "1"}); }, "AccessDenied"},
      {"header added", [](auto& head) { head.headers.push_back({"cache-control", "no-cache"}); }, "accepted"},
      {"payload hash in a header", [](auto& head) { head.headers.push_back({"x-amz-content-sha256", std::string(64, 'a')}); },
       "SignatureDoesNotMatch"},
      {"unsigned payload said again", [](auto& head) { head.headers.push_back({"x-amz-content-sha256", "UNSIGNED-PAYLOAD"}); },
       "accepted"},
      {"payload hash malformed", [](auto& head) { head.headers.push_back({"x-amz-content-sha256", "zz"}); },
       "InvalidArgument"},
      {"algorithm missing", [](auto& head) { replace(head.target, "X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""); },
       "AuthorizationQueryParametersError"},
      {"algorithm unknown", [](auto& head) { replace(head.target, "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"); },
       "AuthorizationQueryParametersError"},
      {"algorithm asymmetric", [](auto& head) { replace(head.target, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"); },
       "NotImplemented"},
      {"credential missing", [](auto& head) { replace(head.target, "X-Amz-Credential", "X-Credential"); },
       "AuthorizationQueryParametersError"},
      {"credential escaped twice", [](auto& head) { replace(head.target, "%2F20130524", "%252F20130524%252Fa%252Fb%252Fc"); },
       "AuthorizationQueryParametersError"},
      {"access key", [](auto& head) { replace(head.target, "AKIA", "AKIB"); }, "InvalidAccessKeyId"},
      {"region", [](auto& head) { replace(head.target, "us-east-1", "eu-west-1"); }, "AuthorizationQueryParametersError"},
      {"service", [](auto& head) { replace(head.target, "%2Fs3%2F", "%2Fsqs%2F"); }, "AuthorizationQueryParametersError"},
      {"terminal", [](auto& head) { replace(head.target, "aws4_request", "aws5"); }, "AuthorizationQueryParametersError"},
      {"scope day", [](auto& head) { replace(head.target, "%2F20130524", "%2F20130525"); },
       "AuthorizationQueryParametersError"},
      {"date missing", [](auto& head) { replace(head.target, "X-Amz-Date", "X-Date"); }, "AuthorizationQueryParametersError"},
      {"date malformed", [](auto& head) { replace(head.target, "20130524T000000Z", "20130524"); },
       "AuthorizationQueryParametersError"},
      {"expiry missing", [](auto& head) { replace(head.target, "X-Amz-Expires", "X-Expires"); },
       "AuthorizationQueryParametersError"},
      {"expiry no number", [](auto& head) { replace(head.target, "=86400", "=soon"); }, "AuthorizationQueryParametersError"},
      {"expiry negative", [](auto& head) { replace(head.target, "=86400", "=-1"); }, "AuthorizationQueryParametersError"},
      {"expiry past a week", [](auto& head) { replace(head.target, "=86400", "=604801"); },
       "AuthorizationQueryParametersError"},
      {"expiry huge", [](auto& head) { replace(head.target, "=86400", "=99999999999999999999999"); },
       "AuthorizationQueryParametersError"},
      {"expiry zero", [](auto& head) { replace(head.target, "=86400", "=0"); }, "AccessDenied"},
      {"signed headers missing", [](auto& head) { replace(head.target, "X-Amz-SignedHeaders", "X-SignedHeaders"); },
       "AuthorizationQueryParametersError"},
      {"signed headers without host", [](auto& head) { replace(head.target, "SignedHeaders=host%3B", "SignedHeaders="); },
       "AccessDenied"},
      {"signed headers with a line end", [](auto& head) { replace(head.target, "SignedHeaders=host", "SignedHeaders=host%0Ax"); },
       "AuthorizationQueryParametersError"},
      {"signature missing", [](auto& head) { replace(head.target, "X-Amz-Signature", "X-Signature"); },
       "AuthorizationQueryParametersError"},
      {"signature", [](auto& head) { head.target.back() ^= 1; }, "SignatureDoesNotMatch"},
      {"a second signature", [](auto& head) { head.target += "&X-Amz-Signature=00"; }, "accepted"},
      {"token", [](auto& head) { head.target += "&X-Amz-Security-Token=t"; }, "InvalidToken"},
      {"authorization too", [](auto& head) { head.headers.push_back({"authorization", "AWS a:b"}); }, "InvalidArgument"},
  };
  for (const Mutation& mutation : mutations) {
    INFO(mutation.name);
    http::RequestHead head = test::presign(plain());
    mutation.change(head);
    CHECK(outcome(check(head)) == mutation.expected);
  }
}

TEST_CASE("a presigned URL is valid for its own time only") {
  const auto head = test::presign(plain(), "604800");
  CHECK(outcome(check(head, test::kNow + 604800ull * 1000000 - 1)) == "accepted");
  const auto expired = check(head, test::kNow + 604800ull * 1000000);
  REQUIRE(expired.has_error());
  CHECK(expired.error().message == "Request has expired");
  CHECK(member(expired.error(), "Expires") == "2013-05-31T00:00:00.000Z");
  CHECK(member(expired.error(), "ServerTime") == "2013-05-31T00:00:00.000Z");
  CHECK(member(expired.error(), "X-Amz-Expires") == "604800");
  CHECK(outcome(check(head, test::kNow - 15 * kMinute)) == "accepted");
  const auto early = check(head, test::kNow - 15 * kMinute - 1);
  REQUIRE(early.has_error());
  CHECK(early.error().message == "Request is not yet valid");
  CHECK(early.error().code == &kAccessDenied);
}

TEST_CASE("a request without any signature is anonymous") {
  CHECK(outcome(check(plain())) == "anonymous");
  http::RequestHead head = plain();
  head.headers.push_back({"x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"});
  CHECK(check(head)->payload == PayloadMode::streaming_unsigned_trailer);
  *value_of(head, "x-amz-content-sha256") = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
  CHECK(outcome(check(head)) == "InvalidRequest");
  *value_of(head, "x-amz-content-sha256") = "nonsense";
  CHECK(outcome(check(head)) == "InvalidArgument");
  *value_of(head, "x-amz-content-sha256") = std::string(64, '0');
  CHECK(check(head)->payload == PayloadMode::signed_hash);
}

TEST_CASE("an unsigned aws-chunked body is recognised without x-amz-content-sha256") {
  http::RequestHead head = plain();
  head.headers.push_back({"content-encoding", "gzip, aws-chunked"});
  CHECK(check(head)->payload == PayloadMode::unsigned_payload);
  head.headers.push_back({"x-amz-decoded-content-length", "5"});
  CHECK(check(head)->payload == PayloadMode::streaming_unsigned_trailer);
}

TEST_CASE("an access key may contain slashes") {
  class Slashed final : public CredentialSource {
    std::optional<Credential> find(std::string_view key) const override {
      if (key != "tenant/user") return std::nullopt;
      return Credential{std::string(key), std::string(test::kSecretKey), "tenant"};
    }
  } const credentials;
  SignOptions options;
  options.access_key = "tenant/user";
  CHECK(outcome(authenticate(sign(plain(), options), credentials, {}, test::kNow)) == "accepted");
  CHECK(outcome(authenticate(test::presign(plain(), "60", options), credentials, {}, test::kNow)) == "accepted");
}
