#include "gateway/s3/opaque_token.h"

#include <algorithm>

#include "common/encoding.h"

namespace gabion::gateway::s3 {
namespace {

constexpr char kVersion = '1';

}  // namespace

std::string encode_token(std::string_view position) {
  std::string out = base64_encode(as_bytes(std::string(1, kVersion).append(position)));
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  out.erase(out.find_last_not_of('=') + 1);
  return out;
}

S3Result<std::string> decode_token(std::string_view token) {
  std::string padded(token);
  std::replace(padded.begin(), padded.end(), '-', '+');
  std::replace(padded.begin(), padded.end(), '_', '/');
  padded.append((4 - padded.size() % 4) % 4, '=');
  auto position = base64_decode(padded);
  if (!position || position->empty() || position->front() != kVersion) {
    return S3Error(kInvalidArgument, "The continuation token provided is incorrect")
        .with("ArgumentName", "continuation-token")
        .with("ArgumentValue", std::string(token));
  }
  return position->substr(1);
}

}  // namespace gabion::gateway::s3
