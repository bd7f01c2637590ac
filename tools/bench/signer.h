// AWS Signature Version 4 for S3, the client's side: in headers and as a presigned query. Keeps the key of
// the day, so a signature costs a few hashes of short texts. Not thread-safe; one a worker.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/clock.h"

namespace gabion::bench {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string region;
};

struct ToSign {
  std::string_view method;
  std::string_view host;
  std::string_view path;   // percent-encoded
  std::string_view query;  // canonical: encoded, sorted by name, every name with '='
};

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

class Signer {
 public:
  explicit Signer(Credentials credentials) : credentials_(std::move(credentials)) {}

  // Appends the header lines X-Amz-Date, X-Amz-Content-Sha256 and Authorization to a request head.
  // `payload_hash` is the hex SHA-256 of the body, or kUnsignedPayload.
  void sign(std::string& head, const ToSign& request, std::string_view payload_hash, WallMicros now);
  // The query, without the question mark, that makes a request valid for `seconds`. The names in
  // `request.query` begin with lower-case letters, as those of S3 do.
  std::string presign(const ToSign& request, std::uint64_t seconds, WallMicros now);

 private:
  void set_time(WallMicros now);
  std::string signature(std::string_view canonical_request) const;

  Credentials credentials_;
  std::uint64_t second_ = ~std::uint64_t{0};
  std::string time_;   // 20130524T000000Z
  std::string scope_;  // 20130524/us-east-1/s3/aws4_request
  std::string key_;
};

}  // namespace gabion::bench
