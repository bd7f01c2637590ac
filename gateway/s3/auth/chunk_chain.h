// The chain of signatures through a body of signed chunks: each covers the one before it, the first covers the request's.
// Belongs to one task.
#pragma once

#include <string>
#include <string_view>

#include "gateway/s3/auth/authenticate.h"
#include "gateway/s3/auth/streams.h"

namespace gabion::gateway::s3 {

class ChunkChain {
 public:
  explicit ChunkChain(const Authentication& authentication)
      : key_(authentication.signing_key),
        access_key_(authentication.access_key),
        timestamp_(authentication.timestamp),
        scope_(authentication.scope),
        previous_(authentication.seed_signature) {}

  // The signatures that are right next; each call moves the chain on. `sha256` in hex, of the chunk's data or of the
  // trailer lines ("name:value\n" each).
  std::string sign_chunk(std::string_view sha256);
  std::string sign_trailer(std::string_view sha256);
  // SignatureDoesNotMatch unless `signature` is the right one.
  S3Result<void> check_chunk(std::string_view sha256, std::string_view signature);
  S3Result<void> check_trailer(std::string_view sha256, std::string_view signature);

 private:
  std::string chunk_text(std::string_view sha256) const;
  std::string trailer_text(std::string_view sha256) const;
  S3Result<void> check(std::string text, std::string_view signature);

  const HmacKey key_;
  const std::string access_key_;
  const std::string timestamp_;
  const std::string scope_;
  std::string previous_;
};

}  // namespace gabion::gateway::s3
