// What the head of a request promises about its body: length, Content-MD5, a checksum in a header or to come in the
// trailer. Reading it finds every contradiction before the body is touched. A plain value.
#pragma once

#include <optional>
#include <string>

#include "gateway/s3/auth/authenticate.h"
#include "gateway/s3/auth/checksum.h"
#include "gateway/s3/auth/payload.h"

namespace gabion::gateway::s3 {

struct BodyPromise {
  std::optional<std::uint64_t> length;       // decoded
  std::optional<std::string> content_md5;    // raw
  const ChecksumKind* checksum = nullptr;    // what the client sends, or nullptr
  std::optional<std::string> checksum_value; // raw; absent when it is in the trailer
  bool checksum_in_trailer = false;
};

bool is_streaming(PayloadMode mode);
bool has_trailer(PayloadMode mode);

S3Result<BodyPromise> read_body_promise(const http::RequestHead& head, PayloadMode mode, const PayloadOptions& options);

}  // namespace gabion::gateway::s3
