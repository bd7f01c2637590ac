#include "gateway/s3/auth/body_digests.h"

#include "common/digest.h"
#include "common/encoding.h"

namespace gabion::gateway::s3 {

BodyDigests::BodyDigests(const BodyPromise& promise, const Authentication& authentication,
                         const PayloadOptions& options)
    : lanes_(options.lanes),
      payload_hash_(authentication.payload == PayloadMode::signed_hash ? authentication.payload_hash : std::string()) {
  with_sha256_ = authentication.payload == PayloadMode::signed_hash ||
                 authentication.payload == PayloadMode::streaming_signed ||
                 authentication.payload == PayloadMode::streaming_signed_trailer;
  with_md5_ = options.compute_md5 || promise.content_md5;
  const ChecksumKind* kind = promise.checksum ? promise.checksum : checksum_kind(options.default_checksum);
  if (kind) checksum_.emplace(*kind);
}

// The checksum first: it reads the piece into the cache for the others.
task<void> BodyDigests::update(ByteView piece) {
  if (checksum_) checksum_->update(piece);
  Sha256Stream* const sha256 = with_sha256_ ? &sha256_ : nullptr;
  if (with_md5_ && lanes_) {
    co_await lanes_->update(md5_, sha256, piece);
    co_return;
  }
  if (sha256) sha256->update(piece);
  if (with_md5_) md5_.update(piece);
}

S3Result<void> BodyDigests::finish(const BodyPromise& promise, const std::optional<std::string>& trailer_checksum) {
  TRY_OK(check_payload_hash());
  if (with_md5_) md5_value_ = md5_.finish();
  TRY_OK(check_content_md5(promise));
  const auto& expected = promise.checksum_in_trailer ? trailer_checksum : promise.checksum_value;
  return check_checksum(expected ? &*expected : nullptr);
}

S3Result<void> BodyDigests::check_payload_hash() {
  if (payload_hash_.empty()) return {};
  const std::string computed = sha256_.finish_hex();
  if (equal_in_constant_time(computed, payload_hash_)) return {};
  return S3Error(kXAmzContentSHA256Mismatch)
      .with("ClientComputedContentSHA256", payload_hash_)
      .with("S3ComputedContentSHA256", computed);
}

S3Result<void> BodyDigests::check_content_md5(const BodyPromise& promise) {
  if (!promise.content_md5 || *promise.content_md5 == md5_value_) return {};
  return S3Error(kBadDigest)
      .with("ExpectedDigest", base64_encode(as_bytes(*promise.content_md5)))
      .with("CalculatedDigest", base64_encode(as_bytes(md5_value_)));
}

S3Result<void> BodyDigests::check_checksum(const std::string* expected) {
  if (!checksum_) return {};
  const std::string computed = checksum_->finish();
  if (expected && *expected != computed) {
    return S3Error(kBadDigest,
                   fmt::format("The {} you specified did not match the calculated checksum.", checksum_->kind().name));
  }
  checksum_value_.set_algorithm(checksum_->kind().algorithm);
  checksum_value_.set_value(computed);
  return {};
}

}  // namespace gabion::gateway::s3
