// Everything that is computed over a body while it passes: the hash of the payload or of a chunk, the MD5, the checksum.
// Belongs to one task.
#pragma once

#include <optional>
#include <string>

#include "gateway/s3/auth/body_promise.h"
#include "gateway/s3/auth/md5_lanes.h"
#include "gateway/s3/auth/streams.h"

namespace gabion::gateway::s3 {

class BodyDigests {
 public:
  BodyDigests(const BodyPromise& promise, const Authentication& authentication, const PayloadOptions& options);

  task<void> update(ByteView piece);
  // SHA-256 in hex over what came since the last call: of a chunk.
  std::string take_chunk_hash() { return sha256_.finish_hex(); }
  // At the end of the body: whether it is what was promised. `trailer_checksum` is the raw value that came in the
  // trailer. XAmzContentSHA256Mismatch or BadDigest.
  S3Result<void> finish(const BodyPromise& promise, const std::optional<std::string>& trailer_checksum);

  const std::string& md5() const { return md5_value_; }
  const metadata::Checksum& checksum() const { return checksum_value_; }

 private:
  S3Result<void> check_payload_hash();
  S3Result<void> check_content_md5(const BodyPromise& promise);
  S3Result<void> check_checksum(const std::string* expected);

  Md5Lanes* const lanes_;
  const std::string payload_hash_;  // empty: not promised
  bool with_sha256_ = false;
  bool with_md5_ = false;
  Sha256Stream sha256_;
  Md5Stream md5_;
  std::optional<ChecksumStream> checksum_;
  std::string md5_value_;
  metadata::Checksum checksum_value_;
};

}  // namespace gabion::gateway::s3
