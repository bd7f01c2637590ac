// UploadPartCopy: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
// The part shares a slice of the source's manifest; nothing is written. The bytes are read where their MD5 or checksum is
// not known already: the ETag of the finished object is made from them.
#include "common/digest.h"
#include "gateway/s3/catalog.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/copy_source.h"
#include "gateway/s3/numbers.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/range.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/stored_body.h"
#include "gateway/s3/uploads.h"

namespace gabion::gateway::s3 {
namespace {

// How often a copy starts again because its source was replaced between reading and committing.
constexpr int kAttempts = 4;

S3Result<ByteRange> copied_range(const Request& request, const metadata::Version& source) {
  const std::string* header = request.find_header("x-amz-copy-source-range");
  ByteRange range(0, source.size());
  if (header) {
    TRY(range, parse_copy_range(*header, source.size()));
  }
  if (range.length <= kUploadBytesMax) return range;
  return S3Error(kInvalidRequest,
                 "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120");
}

// The metadata cuts the range out of whatever the source's manifest consists of.
void share_range(metadata::PutPart& put, const metadata::Object& source, const ByteRange& range) {
  if (range.length == 0) return;
  auto* share = put.add_shares();
  share->set_manifest(source.version.manifest());
  share->set_group(source.group);
  share->set_offset(range.offset);
  share->set_length(range.length);
}

// The part's MD5 and checksum, if the source's are those of exactly these bytes.
bool take_known_digests(const metadata::Version& source, const ByteRange& range, const ChecksumKind& kind,
                        metadata::Part& part) {
  const bool whole = range.length == source.size() && source.etag_parts() == 0;
  if (!whole || source.checksum().algorithm() != kind.algorithm || source.checksum().composite()) return false;
  part.set_md5(source.etag());
  *part.mutable_checksum() = source.checksum();
  return true;
}

task<S3Result<metadata::Part>> describe_part(const Service& service, const Request& request,
                                             const metadata::Object& source, ByteRange range,
                                             metadata::ChecksumAlgorithm algorithm) {
  metadata::Part part;
  part.set_size(range.length);
  const ChecksumKind& kind = *checksum_kind(algorithm);
  if (take_known_digests(source.version, range, kind, part)) co_return part;
  Digest md5(DigestKind::md5);
  ChecksumStream checksum(kind);
  if (range.length > 0) {
    auto reader = co_await service.data.read(request.context, source.group, source.version.manifest(), source.manifest,
                                             range.offset, range.length);
    if (!reader) co_return failure(request, reader.error());
    while (true) {
      auto piece = co_await (*reader)->next();
      if (!piece) co_return failure(request, piece.error());
      if (piece->empty()) break;
      md5.update(piece->view());
      checksum.update(piece->view());
    }
  }
  part.set_md5(md5.finish());
  part.mutable_checksum()->set_algorithm(algorithm);
  part.mutable_checksum()->set_value(checksum.finish());
  co_return part;
}

struct PartCopyPlan {
  PartCopyPlan() = default;
  std::uint32_t number = 0;
  metadata::BucketId from = 0;
  std::string key;
  metadata::BucketId to = 0;
  metadata::ChecksumAlgorithm algorithm = metadata::CHECKSUM_NONE;
};

// One attempt. nullopt when the source was replaced meanwhile.
task<S3Result<std::optional<metadata::Part>>> copy_once(const Service& service, const Request& request,
                                                        const PartCopyPlan& plan) {
  CO_TRY(const auto source, co_await find_source(service, request, plan.from, plan.key));
  CO_TRY(const ByteRange range, copied_range(request, source.version));
  CO_TRY(auto part, co_await describe_part(service, request, source, range, plan.algorithm));
  part.set_number(plan.number);
  metadata::Command command;
  auto& put = *command.mutable_put_part();
  put.set_bucket(plan.to);
  put.set_key(request.target.key);
  put.set_upload_id(std::string(request.parameter("uploadId")));
  *put.mutable_part() = part;
  share_range(put, source, range);
  auto result = co_await service.metadata.commit(request.context, std::move(command));
  if (!result) co_return failure(request, result.error());
  if (result->outcome() == metadata::SOURCE_GONE) co_return std::optional<metadata::Part>();
  if (result->outcome() != metadata::APPLIED) co_return refusal(request, *result);
  co_return std::optional(std::move(part));
}

std::string to_xml(const metadata::Part& part, WallMicros now) {
  XmlWriter xml("CopyPartResult");
  xml.text("ETag", quoted(etag_text(part.md5(), 0)));
  xml.date("LastModified", now / 1000000 * 1000000);
  write_checksum(xml, part.checksum(), 0);
  return std::move(xml).finish();
}

}  // namespace

task<S3Result<>> upload_part_copy(const Service& service, Request& request) {
  PartCopyPlan plan;
  CO_TRY(plan.number, parse_part_number(request.parameter("partNumber")));
  CO_TRY(const CopySource source, parse_copy_source(request.header("x-amz-copy-source")));
  CO_TRY(const metadata::Bucket to, co_await find_bucket(service, request));
  CO_TRY(const metadata::Upload upload, co_await find_upload(service, request, to.id()));
  CO_TRY(const metadata::Bucket from, co_await find_source_bucket(service, request, source.bucket));
  plan.from = from.id();
  plan.key = source.key;
  plan.to = to.id();
  plan.algorithm = part_checksum(upload);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    CO_TRY(const auto part, co_await copy_once(service, request, plan));
    if (!part) continue;
    set_encryption_header(request);
    co_return co_await respond_xml(request, to_xml(*part, service.clock.wall()));
  }
  co_return S3Error(kServiceUnavailable);
}

}  // namespace gabion::gateway::s3
