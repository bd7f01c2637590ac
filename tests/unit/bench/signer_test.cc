// The examples of AWS's documentation, "Authenticating Requests: Using the Authorization Header / Query
// Parameters".
#include "tools/bench/signer.h"

#include <catch2/catch_test_macros.hpp>

#include "common/text.h"

namespace gabion::bench {
namespace {

constexpr std::string_view kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

Signer example() {
  return Signer({.access_key = "AKIAIOSFODNN7EXAMPLE",
                 .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                 .region = "us-east-1"});
}

WallMicros example_time() { return *parse_amz_date("20130524T000000Z"); }

std::string signature_of(std::string_view head) {
  const std::size_t at = head.find("Signature=");
  return std::string(head.substr(at + 10, 64));
}

TEST_CASE("the signature of GET ?lifecycle is the one that AWS publishes") {
  Signer signer = example();
  std::string head;
  signer.sign(head,
              {.method = "GET", .host = "examplebucket.s3.amazonaws.com", .path = "/", .query = "lifecycle="},
              kEmpty, example_time());
  CHECK(signature_of(head) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  CHECK(head.find("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,") !=
        std::string::npos);
  CHECK(head.find("X-Amz-Date: 20130524T000000Z\r\n") == 0);
}

TEST_CASE("the signature of a listing is the one that AWS publishes") {
  Signer signer = example();
  std::string head;
  signer.sign(head,
              {.method = "GET",
               .host = "examplebucket.s3.amazonaws.com",
               .path = "/",
               .query = "max-keys=2&prefix=J"},
              kEmpty, example_time());
  CHECK(signature_of(head) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_CASE("the presigned query is the one that AWS publishes") {
  Signer signer = example();
  const std::string query = signer.presign(
      {.method = "GET", .host = "examplebucket.s3.amazonaws.com", .path = "/test.txt", .query = ""}, 86400,
      example_time());
  CHECK(
      query ==
      "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
      "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
      "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST_CASE("a signer that lives past midnight takes the key of the new day") {
  Signer old = example();
  std::string first, later, expected;
  const ToSign request{
      .method = "GET", .host = "examplebucket.s3.amazonaws.com", .path = "/", .query = "lifecycle="};
  old.sign(first, request, kEmpty, example_time() - 1'000'000);
  old.sign(later, request, kEmpty, example_time());
  example().sign(expected, request, kEmpty, example_time());
  CHECK(first != expected);
  CHECK(later == expected);
}

}  // namespace
}  // namespace gabion::bench
