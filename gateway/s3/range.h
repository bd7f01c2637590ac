// Byte ranges: the Range header of GET and HEAD, and the strict one of UploadPartCopy. Pure functions.
// Source: https://www.rfc-editor.org/rfc/rfc9110#section-14, with AWS's leniency: what is malformed is ignored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/s3/error.h"

namespace gabion::gateway::s3 {

struct ByteRange {
  ByteRange() = default;
  ByteRange(std::uint64_t o, std::uint64_t l) : offset(o), length(l) {}
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// The part of `size` bytes that the header asks for; nullopt when it asks for the whole (absent, malformed, several
// ranges). InvalidRange when nothing of it exists.
S3Result<std::optional<ByteRange>> parse_range(std::string_view header, std::uint64_t size);
// "bytes=a-b" and nothing else; both ends must exist.
S3Result<ByteRange> parse_copy_range(std::string_view header, std::uint64_t size);
std::string content_range(const ByteRange& range, std::uint64_t size);

}  // namespace gabion::gateway::s3
