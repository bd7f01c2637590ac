#include "gateway/s3/auth/checksum.h"

#include <algorithm>
#include <array>

#include "common/check.h"
#include "common/crc.h"
#include "common/digest.h"
#include "common/encoding.h"
#include "common/text.h"
#include "gateway/s3/auth/streams.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::array<ChecksumKind, 5> kKinds = {{
    {metadata::CRC32, "CRC32", "x-amz-checksum-crc32", 4},
    {metadata::CRC32C, "CRC32C", "x-amz-checksum-crc32c", 4},
    {metadata::CRC64NVME, "CRC64NVME", "x-amz-checksum-crc64nvme", 8},
    {metadata::SHA1, "SHA1", "x-amz-checksum-sha1", 20},
    {metadata::SHA256, "SHA256", "x-amz-checksum-sha256", 32},
}};

constexpr std::array<std::string_view, 5> kNotSupported = {"SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"};

std::string big_endian(std::uint64_t value, std::size_t bytes) {
  std::string out;
  for (std::size_t i = bytes; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

}  // namespace

const ChecksumKind* checksum_kind(metadata::ChecksumAlgorithm algorithm) {
  const auto found = std::find_if(kKinds.begin(), kKinds.end(),
                                  [&](const ChecksumKind& kind) { return kind.algorithm == algorithm; });
  return found == kKinds.end() ? nullptr : &*found;
}

const ChecksumKind* checksum_of_header(std::string_view header) {
  const auto found =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const ChecksumKind& kind) { return kind.header == header; });
  return found == kKinds.end() ? nullptr : &*found;
}

S3Result<const ChecksumKind*> checksum_of_name(std::string_view name) {
  for (const ChecksumKind& kind : kKinds) {
    if (equals_ignoring_case(kind.name, name)) return &kind;
  }
  for (const std::string_view other : kNotSupported) {
    if (equals_ignoring_case(other, name)) {
      return S3Error(kNotImplemented)
          .with("additionalMessage", fmt::format("The checksum algorithm {} is not supported.", other));
    }
  }
  return S3Error(kInvalidRequest,
                 "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
                 "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
}

std::optional<std::string> parse_checksum(const ChecksumKind& kind, std::string_view text) {
  auto raw = base64_decode(text);
  if (!raw || raw->size() != kind.bytes) return std::nullopt;
  return raw;
}

struct ChecksumStream::State {
  std::uint64_t crc = 0;
  Sha256Stream sha256;
  std::optional<Digest> sha1;
};

ChecksumStream::ChecksumStream(const ChecksumKind& kind) : kind_(&kind), state_(std::make_unique<State>()) {
  if (kind.algorithm == metadata::SHA1) state_->sha1.emplace(DigestKind::sha1);
}
ChecksumStream::~ChecksumStream() = default;
ChecksumStream::ChecksumStream(ChecksumStream&&) noexcept = default;
ChecksumStream& ChecksumStream::operator=(ChecksumStream&&) noexcept = default;

void ChecksumStream::update(ByteView bytes) {
  std::uint64_t& crc = state_->crc;
  switch (kind_->algorithm) {
    case metadata::CRC32: crc = crc32(static_cast<std::uint32_t>(crc), bytes); break;
    case metadata::CRC32C: crc = crc32c(static_cast<std::uint32_t>(crc), bytes); break;
    case metadata::CRC64NVME: crc = crc64nvme(crc, bytes); break;
    case metadata::SHA1: state_->sha1->update(bytes); break;
    case metadata::SHA256: state_->sha256.update(bytes); break;
    default: GABION_CHECK(false, "a kind of checksum is one of the five");
  }
}

std::string ChecksumStream::finish() {
  if (kind_->algorithm == metadata::SHA1) return state_->sha1->finish();
  if (kind_->algorithm == metadata::SHA256) return std::string(as_text(state_->sha256.finish()));
  return big_endian(state_->crc, kind_->bytes);
}

std::string checksum_of(const ChecksumKind& kind, ByteView bytes) {
  ChecksumStream stream(kind);
  stream.update(bytes);
  return stream.finish();
}

}  // namespace gabion::gateway::s3
