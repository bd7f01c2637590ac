#include "gateway/s3/uploads.h"

#include <fmt/format.h>

#include <array>

#include "common/encoding.h"
#include "common/text.h"
#include "gateway/s3/auth/checksum.h"
#include "gateway/s3/catalog.h"
#include "gateway/s3/numbers.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::size_t kPartsAPage = 1000;
constexpr std::size_t kSecretBytes = 16;
constexpr std::size_t kIdDigits = 2 * (sizeof(std::uint64_t) + kSecretBytes);

std::string lower_name(metadata::ChecksumAlgorithm algorithm) {
  const ChecksumKind* kind = checksum_kind(algorithm);
  return kind ? to_lower(kind->name) : "null";
}

}  // namespace

std::string new_upload_id(Clock& clock, Rng& rng) {
  std::string raw;
  append_be64(raw, clock.wall());
  std::array<std::byte, kSecretBytes> secret;
  rng.fill(secret);
  raw.append(as_text(secret));
  return hex_encode(as_bytes(raw));
}

bool is_upload_id(std::string_view text) {
  return text.size() == kIdDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

task<S3Result<metadata::PartPage>> find_part_page(const Service& service, const Request& request,
                                                  metadata::BucketId bucket, std::uint32_t after, std::size_t limit) {
  std::string id(request.parameter("uploadId"));
  if (!is_upload_id(id)) co_return no_such_upload(request);
  auto page = co_await service.metadata.list_parts(request.context, bucket, request.target.key, std::move(id), after,
                                                   limit);
  if (!page && page.error().code == Errc::not_found) co_return no_such_upload(request);
  if (!page) co_return failure(request, page.error());
  co_return *std::move(page);
}

task<S3Result<metadata::Upload>> find_upload(const Service& service, const Request& request,
                                             metadata::BucketId bucket) {
  // No part has a number past the last, so the page holds the upload alone.
  CO_TRY(auto page, co_await find_part_page(service, request, bucket, kPartNumberMax, 1));
  co_return std::move(page.upload);
}

task<S3Result<UploadParts>> find_parts(const Service& service, const Request& request, metadata::BucketId bucket) {
  UploadParts out;
  std::uint32_t after = 0;
  while (true) {
    CO_TRY(auto page, co_await find_part_page(service, request, bucket, after, kPartsAPage));
    out.upload = std::move(page.upload);
    for (auto& part : page.parts) out.parts.push_back(std::move(part));
    if (!page.truncated || page.parts.empty()) co_return out;
    after = out.parts.back().number();
  }
}

metadata::ChecksumAlgorithm part_checksum(const metadata::Upload& upload) {
  const auto algorithm = upload.checksum_algorithm();
  return algorithm == metadata::CHECKSUM_NONE ? metadata::CRC64NVME : algorithm;
}

S3Result<> check_part_checksum(const metadata::Upload& upload, const metadata::Checksum& checksum) {
  const auto expected = upload.checksum_algorithm();
  if (expected == metadata::CHECKSUM_NONE || expected == checksum.algorithm()) return {};
  return S3Error(kInvalidRequest,
                 fmt::format("Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                             lower_name(expected), lower_name(checksum.algorithm())));
}

}  // namespace gabion::gateway::s3
