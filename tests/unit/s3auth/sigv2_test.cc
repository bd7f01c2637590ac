// Examples from https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html, and what boto3 presigns.
#include <catch2/catch_test_macros.hpp>

#include "common/digest.h"
#include "tests/support/s3_signer.h"

using namespace gabion;
using namespace gabion::gateway::s3;
using gabion::test::request;
namespace http = gabion::gateway::http;

namespace {

const test::OneCredential kCredentials;

AuthConfig config() {
  AuthConfig out;
  out.domains = {"s3.us-west-1.amazonaws.com", "s3.amazonaws.com"};
  return out;
}

std::string outcome(const S3Result<Authentication>& result) {
  return result ? (result->anonymous ? "anonymous" : "accepted") : std::string(result.error().code->name);
}

std::string check_at(http::RequestHead head, std::string_view date, std::string_view signature) {
  head.headers.push_back({"authorization", fmt::format("AWS {}:{}", test::kAccessKey, signature)});
  return outcome(authenticate(head, kCredentials, config(), *parse_http_date(date)));
}

http::RequestHead dated(std::string method, std::string target, std::string_view date,
                        std::vector<http::Header> headers = {}) {
  headers.push_back({"Date", std::string(date)});
  return request(std::move(method), std::move(target), std::move(headers));
}

const http::Header kBucketHost{"Host", "awsexamplebucket1.s3.us-west-1.amazonaws.com"};

// A request that SigV2 signs in its query; `text` is the string to sign.
http::RequestHead presigned(std::string method, std::string target, std::string_view text, std::string_view expires) {
  target += target.find('?') == std::string::npos ? "?" : "&";
  target += fmt::format("AWSAccessKeyId={}&Expires={}&Signature={}", test::kAccessKey, expires,
                        percent_encode(base64_encode(as_bytes(hmac_sha1(test::kSecretKey, text))), Slash::encode));
  return request(std::move(method), std::move(target), {{"Host", "localhost:9000"}});
}

std::string check_presigned(const http::RequestHead& head) {
  return outcome(authenticate(head, kCredentials, config(), test::kNow));
}

}  // namespace

TEST_CASE("the SigV2 requests of the documentation are accepted") {
  constexpr std::string_view kGet = "Tue, 27 Mar 2007 19:36:42 +0000";
  CHECK(check_at(dated("GET", "/photos/puppy.jpg", kGet, {kBucketHost}), kGet, "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=") == "accepted");
  constexpr std::string_view kPut = "Tue, 27 Mar 2007 21:15:45 +0000";
  CHECK(check_at(dated("PUT", "/photos/puppy.jpg", kPut, {kBucketHost, {"Content-Type", "image/jpeg"}}), kPut,
                 "iqRzw+ileNPu1fhspnRs8nOjjIA=") == "accepted");
  constexpr std::string_view kList = "Tue, 27 Mar 2007 19:42:41 +0000";
  CHECK(check_at(dated("GET", "/?prefix=photos&max-keys=50&marker=puppy", kList, {kBucketHost}), kList,
                 "m0WP8eCtspQl5Ahe6L1SozdX9YA=") == "accepted");
  constexpr std::string_view kAcl = "Tue, 27 Mar 2007 19:44:46 +0000";
  CHECK(check_at(dated("GET", "/?acl", kAcl, {kBucketHost}), kAcl, "82ZHiFIjc+WbcwFKGUVEQspPn+0=") == "accepted");
  constexpr std::string_view kBuckets = "Wed, 28 Mar 2007 01:29:59 +0000";
  CHECK(check_at(dated("GET", "/", kBuckets, {{"Host", "s3.us-west-1.amazonaws.com"}}), kBuckets,
                 "qGdzdERIC03wnaRNKh6OqZehG9s=") == "accepted");
  constexpr std::string_view kUnicode = "Wed, 28 Mar 2007 01:49:49 +0000";
  CHECK(check_at(dated("GET", "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re", kUnicode, {{"Host", "s3.us-west-1.amazonaws.com"}}),
                 kUnicode, "DNEZGsoieTZ92F3bUfSPQcbGmlM=") == "accepted");
}

TEST_CASE("SigV2 signs repeated x-amz headers joined and sorted") {
  constexpr std::string_view kDate = "Tue, 27 Mar 2007 21:06:08 +0000";
  const auto head = dated("PUT", "/static.example.com/db-backup.dat.gz", kDate,
                          {{"Host", "s3.amazonaws.com"}, {"x-amz-acl", "public-read"},
                           {"content-type", "application/x-download"}, {"Content-MD5", "4gJE4saaMU4BqNR0kLY+lw=="},
                           {"X-Amz-Meta-ReviewedBy", "joe@example.com"}, {"X-Amz-Meta-ReviewedBy", "jane@example.com"},
                           {"X-Amz-Meta-FileChecksum", "0x02661779"}, {"X-Amz-Meta-ChecksumAlgorithm", "crc32"}});
  CHECK(check_at(head, kDate, "jtBQa0Aq+DkULFI8qrpwIjGEx0E=") == "accepted");
}

TEST_CASE("SigV2 leaves the date line empty where x-amz-date is signed among the headers") {
  constexpr std::string_view kDate = "Tue, 27 Mar 2007 21:20:26 +0000";
  auto head = request("DELETE", "/awsexamplebucket1/photos/puppy.jpg",
                      {{"Host", "s3.us-west-1.amazonaws.com"}, {"Date", "Tue, 27 Mar 2007 21:20:27 +0000"},
                       {"x-amz-date", std::string(kDate)}});
  CHECK(check_at(head, kDate, "Ri1hpB1zpS9pGqR7y8kuNFCl4sE=") == "accepted");
}

TEST_CASE("a SigV2 header that does not match is refused") {
  constexpr std::string_view kDate = "Tue, 27 Mar 2007 19:36:42 +0000";
  constexpr std::string_view kRight = "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=";
  const auto head = dated("GET", "/photos/puppy.jpg", kDate, {kBucketHost});
  CHECK(check_at(head, kDate, "qgk2+6Sv9/oM7G3qLEjTH1a1l1h=") == "SignatureDoesNotMatch");
  auto other = head;
  other.method = "DELETE";
  CHECK(check_at(other, kDate, kRight) == "SignatureDoesNotMatch");
  other = head;
  other.target = "/photos/puppy.jpg?acl";
  CHECK(check_at(other, kDate, kRight) == "SignatureDoesNotMatch");
  other = head;
  other.target = "/photos/puppy.jpg?attributes";
  CHECK(check_at(other, kDate, kRight) == "SignatureDoesNotMatch");
  other = head;
  other.headers.push_back({"x-amz-acl", "public-read"});
  CHECK(check_at(other, kDate, kRight) == "SignatureDoesNotMatch");
  // A Host that is not below a configured domain names no bucket, whatever it looks like.
  other = dated("GET", "/photos/puppy.jpg", kDate, {{"Host", "awsexamplebucket1.example.com"}});
  CHECK(check_at(other, kDate, kRight) == "SignatureDoesNotMatch");
  CHECK(check_at(head, "Tue, 27 Mar 2007 19:52:00 +0000", kRight) == "RequestTimeTooSkewed");
  CHECK(check_at(request("GET", "/", {kBucketHost}), kDate, kRight) == "AccessDenied");
}

TEST_CASE("a malformed SigV2 header is refused") {
  for (const char* value : {"AWS ", "AWS x", "AWS :x", "AWS x:"}) {
    INFO(value);
    auto head = request("GET", "/", {kBucketHost, {"Authorization", "?"}, {"Date", "Tue, 27 Mar 2007 19:36:42 +0000"}});
    for (auto& header : head.headers) {
      if (header.name == "authorization") header.value = value;
    }
    CHECK(outcome(authenticate(head, kCredentials, config(), test::kNow)) == "InvalidArgument");
  }
  auto head = dated("GET", "/", "Tue, 27 Mar 2007 19:36:42 +0000", {kBucketHost, {"Authorization", "AWS nobody:c2ln"}});
  CHECK(outcome(authenticate(head, kCredentials, config(), *parse_http_date("Tue, 27 Mar 2007 19:36:42 +0000"))) ==
        "InvalidAccessKeyId");
}

TEST_CASE("a SigV2 URL is accepted until it expires") {
  const std::string expires = std::to_string(test::kNow / 1000000 + 60);
  const auto head = presigned("GET", "/bucket/key", "GET\n\n\n" + expires + "\n/bucket/key", expires);
  const auto result = authenticate(head, kCredentials, config(), test::kNow);
  REQUIRE(result.has_value());
  CHECK(result->presigned);
  CHECK(result->tenant == "acme");
  CHECK(result->payload == PayloadMode::unsigned_payload);
  const auto late = authenticate(head, kCredentials, config(), test::kNow + 60ull * 1000000);
  REQUIRE(late.has_error());
  CHECK(late.error().code == &kAccessDenied);
  CHECK(late.error().message == "Request has expired");
}

TEST_CASE("a SigV2 URL covers sub-resources and response overrides, decoded and sorted") {
  const std::string expires = std::to_string(test::kNow / 1000000 + 60);
  const std::string text = "GET\n\n\n" + expires + "\n/bucket/key?response-content-type=text/plain; a=b&versionId=7";
  CHECK(check_presigned(presigned("GET", "/bucket/key?versionId=7&response-content-type=text%2Fplain%3B%20a%3Db&x=y", text,
                                  expires)) == "accepted");
  CHECK(check_presigned(presigned("GET", "/bucket/key?versionId=8&response-content-type=text%2Fplain%3B%20a%3Db", text,
                                  expires)) == "SignatureDoesNotMatch");
}

TEST_CASE("a SigV2 URL of boto3 carries its headers in the query") {
  const std::string expires = std::to_string(test::kNow / 1000000 + 60);
  const std::string text = "PUT\n\ntext/plain\n" + expires + "\nx-amz-meta-colour:blue\n/bucket/key";
  const auto head = presigned("PUT", "/bucket/key?content-type=text%2Fplain&x-amz-meta-colour=blue", text, expires);
  CHECK(check_presigned(head) == "accepted");
  auto changed = head;
  changed.headers.push_back({"content-type", "text/html"});
  CHECK(check_presigned(changed) == "SignatureDoesNotMatch");
  changed = head;
  changed.headers.push_back({"x-amz-meta-colour", "red"});
  CHECK(check_presigned(changed) == "SignatureDoesNotMatch");
}

TEST_CASE("an incomplete or changed SigV2 URL is refused") {
  const std::string expires = std::to_string(test::kNow / 1000000 + 60);
  const auto good = presigned("GET", "/bucket/key", "GET\n\n\n" + expires + "\n/bucket/key", expires);
  const auto with = [&](std::string_view from, std::string_view to) {
    auto head = good;
    head.target.replace(head.target.find(from), from.size(), to);
    return check_presigned(head);
  };
  CHECK(with("AWSAccessKeyId", "AWSAccessKeyIe") == "AccessDenied");
  CHECK(with("Expires", "Expirez") == "AccessDenied");
  CHECK(with("Signature", "Signatura") == "AccessDenied");
  CHECK(with("Expires=1", "Expires=x1") == "AccessDenied");
  CHECK(with("AKIA", "AKIB") == "InvalidAccessKeyId");
  CHECK(with("Expires=1", "Expires=2") == "SignatureDoesNotMatch");
  CHECK(with("/bucket/key", "/bucket/kez") == "SignatureDoesNotMatch");
  CHECK(with("?AWS", "?torrent&AWS") == "SignatureDoesNotMatch");
}

TEST_CASE("signed chunks under SigV2 are refused, as nothing could verify them") {
  const std::string expires = std::to_string(test::kNow / 1000000 + 60);
  const std::string text =
      "PUT\n\n\n" + expires + "\nx-amz-content-sha256:STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n/bucket/key";
  auto head = presigned("PUT", "/bucket/key", text, expires);
  head.headers.push_back({"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"});
  CHECK(check_presigned(head) == "InvalidRequest");
}
