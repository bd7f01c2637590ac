#include "gateway/s3/auth/chunk_chain.h"

#include "common/digest.h"
#include "gateway/s3/auth/mechanisms.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kSha256OfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

}  // namespace

std::string ChunkChain::chunk_text(std::string_view sha256) const {
  return fmt::format("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}", timestamp_, scope_, previous_, kSha256OfNothing,
                     sha256);
}

std::string ChunkChain::trailer_text(std::string_view sha256) const {
  return fmt::format("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}", timestamp_, scope_, previous_, sha256);
}

std::string ChunkChain::sign_chunk(std::string_view sha256) { return previous_ = key_.sign_hex(chunk_text(sha256)); }
std::string ChunkChain::sign_trailer(std::string_view sha256) { return previous_ = key_.sign_hex(trailer_text(sha256)); }

S3Result<void> ChunkChain::check_chunk(std::string_view sha256, std::string_view signature) {
  return check(chunk_text(sha256), signature);
}
S3Result<void> ChunkChain::check_trailer(std::string_view sha256, std::string_view signature) {
  return check(trailer_text(sha256), signature);
}

S3Result<void> ChunkChain::check(std::string text, std::string_view signature) {
  previous_ = key_.sign_hex(text);
  if (equal_in_constant_time(previous_, signature)) return {};
  return signature_does_not_match(access_key_, signature, std::move(text));
}

}  // namespace gabion::gateway::s3
