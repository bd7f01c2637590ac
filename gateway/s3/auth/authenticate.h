// Decides who sent a request: SigV4 in headers or query (presigned), presigned SigV2, or nobody. One place, before
// routing, for every operation. Pure: a function of the request head, the credentials and the time.
// Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html,
// sigv4-streaming.html, sigv4-streaming-trailers.html, and RESTAuthentication.html for SigV2.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "gateway/http/exchange.h"
#include "gateway/s3/error.h"

namespace gabion::gateway::s3 {

struct Credential {
  std::string access_key;
  std::string secret_key;
  std::string tenant;
};

// Where secrets come from. Thread-safe; answers from memory.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  virtual std::optional<Credential> find(std::string_view access_key) const = 0;
};

// How the body is protected, from x-amz-content-sha256.
enum class PayloadMode {
  unsigned_payload,          // UNSIGNED-PAYLOAD, presigned URLs
  signed_hash,               // the hash of the whole body, in `payload_hash`
  streaming_signed,          // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
  streaming_signed_trailer,  // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
  streaming_unsigned_trailer // STREAMING-UNSIGNED-PAYLOAD-TRAILER
};

struct Authentication {
  Authentication() = default;
  bool anonymous = false;
  std::string access_key;
  std::string tenant;
  bool presigned = false;
  PayloadMode payload = PayloadMode::unsigned_payload;
  std::string payload_hash;    // 64 lower-case hex digits; signed_hash only
  // What chunk signatures chain from.
  std::string seed_signature;  // hex
  std::string signing_key;     // raw
  std::string timestamp;       // 20130524T000000Z
  std::string scope;           // 20130524/us-east-1/s3/aws4_request
};

struct AuthConfig {
  // Others: AuthorizationHeaderMalformed with <Region>. "us-east-1" and s3cmd's "US" always pass.
  std::string region = "us-east-1";
  Duration max_skew = std::chrono::minutes(15);
  // Below which the Host names a bucket. SigV2 signs the bucket even where the path does not show it.
  std::vector<std::string> domains;
};

S3Result<Authentication> authenticate(const http::RequestHead& head, const CredentialSource& credentials,
                                      const AuthConfig& config, WallMicros now);

}  // namespace gabion::gateway::s3
