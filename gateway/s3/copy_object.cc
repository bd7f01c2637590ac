// CopyObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
// The copy shares the source's manifest; its bytes do not move. They are read only when the client asks for a checksum
// that the source does not have.
#include "gateway/s3/catalog.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/copy_source.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/stored_body.h"
#include "gateway/s3/write_check.h"

namespace gabion::gateway::s3 {
namespace {

// How often a copy starts again because its source was replaced between reading and committing.
constexpr int kAttempts = 4;

enum class Directive { copy, replace };

S3Result<Directive> read_directive(const Request& request, std::string_view name) {
  const std::string_view value = request.header(name);
  if (value.empty() || value == "COPY") return Directive::copy;
  if (value == "REPLACE") return Directive::replace;
  return S3Error(kInvalidArgument, "Unknown metadata directive.")
      .with("ArgumentName", std::string(name))
      .with("ArgumentValue", std::string(value));
}

// A copy onto itself has to change something, or it is a mistake.
S3Result<> check_self_copy(const Request& request, const CopySource& source, metadata::BucketId source_bucket,
                           metadata::BucketId bucket, Directive directive) {
  const bool same = source_bucket == bucket && source.key == request.target.key;
  const bool changes = directive == Directive::replace || request.has_header("x-amz-storage-class") ||
                       request.has_header("x-amz-server-side-encryption");
  if (!same || changes) return {};
  return S3Error(kInvalidRequest,
                 "This copy request is illegal because it is trying to copy an object to itself without changing the "
                 "object's metadata, storage class, website redirect location or encryption attributes.");
}

S3Result<metadata::Version> copied_version(const Request& request, const metadata::Version& source,
                                           Directive directive) {
  metadata::Version out;
  if (directive == Directive::replace) {
    TRY_OK(read_object_headers(request, out));
  } else {
    out = source;
    out.clear_sequence();
    out.clear_version_id();
    out.clear_modified_us();
    out.clear_manifest();
    TRY_OK(read_storage_class(request, out));
  }
  out.set_size(source.size());
  out.set_etag(source.etag());
  out.set_etag_parts(source.etag_parts());
  *out.mutable_checksum() = source.checksum();
  out.set_owner(request.authentication.tenant);
  return out;
}

task<S3Result<metadata::Checksum>> compute_checksum(const Service& service, const Request& request,
                                                    const metadata::Object& source, const ChecksumKind* kind) {
  ChecksumStream stream(*kind);
  if (source.version.size() > 0) {
    auto reader = co_await service.data.read(request.context, source.group, source.version.manifest(), source.manifest, 0,
                                             source.version.size());
    if (!reader) co_return failure(request, reader.error());
    while (true) {
      auto piece = co_await (*reader)->next();
      if (!piece) co_return failure(request, piece.error());
      if (piece->empty()) break;
      stream.update(piece->view());
    }
  }
  metadata::Checksum out;
  out.set_algorithm(kind->algorithm);
  out.set_value(stream.finish());
  co_return out;
}

metadata::Command copy_command(const Request& request, metadata::BucketId bucket, metadata::Version version,
                               const metadata::Object& source) {
  metadata::Command command;
  auto& put = *command.mutable_put_object();
  put.set_bucket(bucket);
  put.set_key(request.target.key);
  *put.mutable_version() = std::move(version);
  if (source.version.manifest() != 0) {
    put.mutable_share()->set_manifest(source.version.manifest());
    put.mutable_share()->set_length(source.version.size());
    put.mutable_share()->set_group(source.group);
  }
  if (auto conditions = write_conditions(request)) *put.mutable_conditions() = *std::move(conditions);
  return command;
}

struct Copied {
  Copied() = default;
  bool source_gone = false;
  metadata::Version version;
};

// What a copy is of and to, found once.
struct CopyPlan {
  CopyPlan() = default;
  metadata::BucketId from = 0;
  std::string key;
  metadata::BucketId to = 0;
  Directive directive = Directive::copy;
  const ChecksumKind* checksum = nullptr;  // that the copy must have
};

// One attempt: read the source, commit its share.
task<S3Result<Copied>> copy_once(const Service& service, const Request& request, const CopyPlan& plan) {
  CO_TRY(const auto object, co_await find_source(service, request, plan.from, plan.key));
  if (object.version.size() > kUploadBytesMax) {
    co_return S3Error(kInvalidRequest,
                      "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120");
  }
  CO_TRY(auto version, copied_version(request, object.version, plan.directive));
  if (plan.checksum && version.checksum().algorithm() != plan.checksum->algorithm) {
    CO_TRY(*version.mutable_checksum(), co_await compute_checksum(service, request, object, plan.checksum));
  }
  auto command = copy_command(request, plan.to, version, object);
  auto result = co_await service.metadata.commit(request.context, std::move(command));
  if (!result) co_return failure(request, result.error());
  Copied out;
  out.source_gone = result->outcome() == metadata::SOURCE_GONE;
  if (!out.source_gone && result->outcome() != metadata::APPLIED) co_return refusal(request, *result);
  version.set_modified_us(result->version().modified_us());
  out.version = std::move(version);
  co_return out;
}

std::string to_xml(const metadata::Version& version) {
  XmlWriter xml("CopyObjectResult");
  xml.text("ETag", quoted(etag_text(version)));
  xml.date("LastModified", version.modified_us() / 1000000 * 1000000);
  write_checksum(xml, version.checksum(), version.etag_parts());
  write_checksum_type(xml, version.checksum());
  return std::move(xml).finish();
}

}  // namespace

task<S3Result<>> copy_object(const Service& service, Request& request) {
  CO_CHECK(refuse_version_id(request));
  CO_TRY(const CopySource source, parse_copy_source(request.header("x-amz-copy-source")));
  CopyPlan plan;
  CO_TRY(plan.directive, read_directive(request, "x-amz-metadata-directive"));
  if (const std::string* name = request.find_header("x-amz-checksum-algorithm")) {
    CO_TRY(plan.checksum, checksum_of_name(*name));
  }
  CO_TRY(const metadata::Bucket to, co_await find_bucket(service, request));
  CO_TRY(const metadata::Bucket from, co_await find_source_bucket(service, request, source.bucket));
  CO_CHECK(check_self_copy(request, source, from.id(), to.id(), plan.directive));
  plan.from = from.id();
  plan.to = to.id();
  plan.key = source.key;
  Copied copied;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    CO_TRY(copied, co_await copy_once(service, request, plan));
    if (!copied.source_gone) break;
  }
  if (copied.source_gone) co_return S3Error(kServiceUnavailable);
  set_encryption_header(request);
  co_return co_await respond_xml(request, to_xml(copied.version));
}

}  // namespace gabion::gateway::s3
