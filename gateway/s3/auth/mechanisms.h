// The mechanisms that authenticate() chooses from. Each verifies one form of signature; nothing outside this folder calls
// them. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "gateway/s3/auth/authenticate.h"
#include "gateway/s3/auth/uri.h"

namespace gabion::gateway::s3 {

struct SignedRequest {
  const http::RequestHead& head;
  const RequestTarget& target;
  const CredentialSource& credentials;
  const AuthConfig& config;
  WallMicros now;
};

S3Result<Authentication> authenticate_v4_header(const SignedRequest& request, std::string_view authorization);
S3Result<Authentication> authenticate_v4_query(const SignedRequest& request);
S3Result<Authentication> authenticate_v2_header(const SignedRequest& request, std::string_view authorization);
S3Result<Authentication> authenticate_v2_query(const SignedRequest& request);

// Sets how the body is protected from a value of x-amz-content-sha256.
S3Result<void> set_payload_mode(std::string_view content_sha256, Authentication& authentication);
// The same for requests whose signature does not cover the body: anonymous ones and SigV2. Chunk signatures, which could
// not be verified, are refused.
S3Result<void> set_uncovered_payload_mode(const http::RequestHead& head, Authentication& authentication);

// A secret to calculate with when the access key is unknown, so that such a request takes the same time as a wrong
// signature.
inline constexpr std::string_view kSecretOfNobody = "0123456789012345678901234567890123456789";

S3Error unknown_access_key(std::string_view access_key);
S3Error signature_does_not_match(std::string_view access_key, std::string_view provided, std::string string_to_sign);
// Nothing when the time of a request is near enough; `sent` is how the request wrote it.
S3Result<void> check_skew(const SignedRequest& request, WallMicros at, std::string_view sent);
// "61 62 63", as S3 shows what it signed.
std::string spaced_hex(std::string_view text);

}  // namespace gabion::gateway::s3
