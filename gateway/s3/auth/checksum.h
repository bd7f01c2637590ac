// S3's object checksums as a client sends them: names, headers, values, and the computation over a body. Values are raw
// bytes, big-endian for the CRCs; S3 writes them in base64. Pure; a ChecksumStream belongs to one task. What becomes of
// the checksums of parts is in gateway/s3/checksums.h.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "gateway/s3/error.h"
#include "metadata/records.pb.h"

namespace gabion::gateway::s3 {

struct ChecksumKind {
  metadata::ChecksumAlgorithm algorithm;
  std::string_view name;    // "CRC32", as in XML and x-amz-checksum-algorithm
  std::string_view header;  // "x-amz-checksum-crc32"
  std::size_t bytes;        // of a value
};

// nullptr for CHECKSUM_NONE.
const ChecksumKind* checksum_kind(metadata::ChecksumAlgorithm algorithm);
// By header in lower case, or nullptr.
const ChecksumKind* checksum_of_header(std::string_view header);
// By name in any case. NotImplemented for one that S3 knows and this server does not (SHA512, MD5, XXHASH64, ...),
// InvalidRequest for any other.
S3Result<const ChecksumKind*> checksum_of_name(std::string_view name);

// The raw value of a header; nullopt unless it is base64 of exactly kind.bytes.
std::optional<std::string> parse_checksum(const ChecksumKind& kind, std::string_view text);

class ChecksumStream {
 public:
  explicit ChecksumStream(const ChecksumKind& kind);
  ~ChecksumStream();
  ChecksumStream(ChecksumStream&&) noexcept;
  ChecksumStream& operator=(ChecksumStream&&) noexcept;
  void update(ByteView bytes);
  std::string finish();  // once
  const ChecksumKind& kind() const { return *kind_; }

 private:
  struct State;
  const ChecksumKind* kind_;
  std::unique_ptr<State> state_;
};

std::string checksum_of(const ChecksumKind& kind, ByteView bytes);

}  // namespace gabion::gateway::s3
