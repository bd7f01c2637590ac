#include "gateway/s3/checksums.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/crc.h"
#include "common/encoding.h"
#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

constexpr metadata::ChecksumAlgorithm kAlgorithms[] = {metadata::CRC32, metadata::CRC32C, metadata::CRC64NVME,
                                                       metadata::SHA1, metadata::SHA256};

// CRCs are big-endian in a checksum.
std::uint64_t to_number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::string to_bytes(std::uint64_t value, std::size_t bytes) {
  std::string out(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(value >> (8 * (bytes - 1 - i)));
  return out;
}

std::uint64_t combine(metadata::ChecksumAlgorithm algorithm, std::uint64_t a, std::uint64_t b, std::uint64_t b_length) {
  switch (algorithm) {
    case metadata::CRC32: return crc32_combine(static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b), b_length);
    case metadata::CRC32C: return crc32c_combine(static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b), b_length);
    default: return crc64nvme_combine(a, b, b_length);
  }
}

std::string composite_of(const ChecksumKind& kind, const std::vector<metadata::Part>& parts) {
  ChecksumStream stream(kind);
  for (const auto& part : parts) stream.update(as_bytes(part.checksum().value()));
  return stream.finish();
}

std::string full_object_of(const ChecksumKind& kind, const std::vector<metadata::Part>& parts) {
  std::uint64_t value = to_number(parts.front().checksum().value());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    value = combine(kind.algorithm, value, to_number(parts[i].checksum().value()), parts[i].size());
  }
  return to_bytes(value, kind.bytes);
}

std::string element_name(const ChecksumKind& kind) { return std::string("Checksum").append(kind.name); }

}  // namespace

std::string checksum_text(std::string_view raw) { return base64_encode(as_bytes(raw)); }

bool can_be_composite(const ChecksumKind& kind) { return kind.algorithm != metadata::CRC64NVME; }

bool can_be_full_object(const ChecksumKind& kind) {
  return kind.algorithm != metadata::SHA1 && kind.algorithm != metadata::SHA256;
}

std::string checksum_text(const metadata::Checksum& checksum, std::uint32_t parts) {
  std::string out = checksum_text(checksum.value());
  if (checksum.composite()) out.append("-").append(std::to_string(parts));
  return out;
}

std::string_view checksum_type(bool composite) { return composite ? "COMPOSITE" : "FULL_OBJECT"; }

void set_checksum_headers(Request& request, const metadata::Checksum& checksum, std::uint32_t parts) {
  const ChecksumKind* kind = checksum_kind(checksum.algorithm());
  if (!kind) return;
  request.exchange.set_header(kind->header, checksum_text(checksum, parts));
  request.exchange.set_header("x-amz-checksum-type", checksum_type(checksum.composite()));
}

void write_checksum(XmlWriter& xml, const metadata::Checksum& checksum, std::uint32_t parts) {
  const ChecksumKind* kind = checksum_kind(checksum.algorithm());
  if (kind) xml.text(element_name(*kind), checksum_text(checksum, parts));
}

void write_checksum_type(XmlWriter& xml, const metadata::Checksum& checksum) {
  if (checksum_kind(checksum.algorithm())) xml.text("ChecksumType", checksum_type(checksum.composite()));
}

S3Result<metadata::Checksum> read_checksum(const XmlElement& element) {
  metadata::Checksum out;
  for (const metadata::ChecksumAlgorithm algorithm : kAlgorithms) {
    const ChecksumKind& kind = *checksum_kind(algorithm);
    const XmlElement child = element.child(element_name(kind));
    if (!child.exists()) continue;
    auto value = parse_checksum(kind, trim(child.text()));
    if (!value || out.algorithm() != metadata::CHECKSUM_NONE) {
      return S3Error(kInvalidRequest, fmt::format("Value for {} is invalid.", element_name(kind)));
    }
    out.set_algorithm(algorithm);
    out.set_value(*std::move(value));
  }
  return out;
}

metadata::Checksum combine_checksums(metadata::ChecksumAlgorithm algorithm, bool composite,
                                     const std::vector<metadata::Part>& parts) {
  const ChecksumKind* kind = checksum_kind(algorithm);
  const auto fits = [&](const metadata::Part& part) {
    return part.checksum().algorithm() == algorithm && part.checksum().value().size() == kind->bytes;
  };
  if (!kind || parts.empty() || !std::all_of(parts.begin(), parts.end(), fits)) return {};
  if (composite ? !can_be_composite(*kind) : !can_be_full_object(*kind)) return {};
  metadata::Checksum out;
  out.set_algorithm(algorithm);
  out.set_composite(composite);
  out.set_value(composite ? composite_of(*kind, parts) : full_object_of(*kind, parts));
  return out;
}

}  // namespace gabion::gateway::s3
