#include "gateway/s3/catalog.h"

#include "common/log.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kExpectedOwner = "x-amz-expected-bucket-owner";

S3Error no_such_bucket(std::string name) { return S3Error(kNoSuchBucket).with("BucketName", std::move(name)); }

// Whether the failure of a commit leaves open if it happened.
bool is_unknown(const Error& error) { return error.code == Errc::unknown_outcome; }

}  // namespace

S3Error failure(const Request& request, const Error& error) {
  S3Error out = to_s3(error);
  if (out.code->status >= 500) {
    LOG(warn, "s3", "a request failed", field("request_id", request.exchange.request_id()),
        field("code", to_string(error.code)), field("error", error.message));
  }
  return out;
}

task<S3Result<metadata::Bucket>> find_bucket(const Service& service, const Request& request) {
  co_return co_await find_bucket(service, request, request.target.bucket, kExpectedOwner);
}

task<S3Result<metadata::Bucket>> find_bucket(const Service& service, const Request& request, std::string name,
                                             std::string_view owner_header) {
  auto found = co_await service.metadata.bucket(request.context, name);
  if (!found) {
    if (found.error().code == Errc::not_found) co_return no_such_bucket(std::move(name));
    co_return failure(request, found.error());
  }
  if (found->owner() != request.authentication.tenant) co_return S3Error(kAccessDenied);
  const std::string* expected = request.find_header(owner_header);
  if (expected && *expected != service.options.owner_id) co_return S3Error(kAccessDenied);
  co_return *std::move(found);
}

task<S3Result<metadata::Object>> find_object(const Service& service, const Request& request, metadata::BucketId bucket,
                                             std::string key, metadata::Metadata::With with) {
  auto found = co_await service.metadata.object(request.context, bucket, key, with);
  if (!found) {
    if (found.error().code == Errc::not_found) co_return no_such_key(std::move(key));
    co_return failure(request, found.error());
  }
  if (found->version.delete_marker()) co_return no_such_key(std::move(key));
  co_return *std::move(found);
}

task<S3Result<metadata::CommandResult>> commit(const Service& service, const Request& request,
                                               metadata::Command command) {
  auto result = co_await service.metadata.commit(request.context, std::move(command));
  if (!result) co_return failure(request, result.error());
  if (result->outcome() != metadata::APPLIED) co_return refusal(request, *result);
  co_return *std::move(result);
}

task<S3Result<metadata::CommandResult>> commit_written(const Service& service, const Request& request,
                                                       metadata::Command command,
                                                       std::unique_ptr<data::Writer> writer) {
  auto result = co_await service.metadata.commit(request.context, std::move(command));
  const bool may_have_happened = result ? result->outcome() == metadata::APPLIED : is_unknown(result.error());
  if (writer && may_have_happened) writer->release();
  if (!result) co_return failure(request, result.error());
  if (result->outcome() != metadata::APPLIED) co_return refusal(request, *result);
  co_return *std::move(result);
}

S3Error refusal(const Request& request, const metadata::CommandResult& result) {
  switch (result.outcome()) {
    case metadata::NO_SUCH_BUCKET: return no_such_bucket(request.target.bucket);
    case metadata::NO_SUCH_KEY: return no_such_key(request.target.key);
    case metadata::NO_SUCH_UPLOAD: return no_such_upload(request);
    case metadata::BUCKET_EXISTS: return S3Error(kBucketAlreadyExists).with("BucketName", request.target.bucket);
    case metadata::BUCKET_NOT_EMPTY: return S3Error(kBucketNotEmpty).with("BucketName", request.target.bucket);
    case metadata::PRECONDITION_FAILED: return S3Error(kPreconditionFailed).with("Condition", result.detail());
    case metadata::INVALID_PART:
      return S3Error(kInvalidPart)
          .with("UploadId", std::string(request.parameter("uploadId")))
          .with("PartNumber", std::to_string(result.part()));
    case metadata::CONDITION_CONFLICT:
      return S3Error(kConditionalRequestConflict)
          .with("Condition", result.detail())
          .with("Key", request.target.key);
    case metadata::SOURCE_GONE:
    case metadata::MOVED:
    case metadata::STALE: return S3Error(kServiceUnavailable);
    default: return S3Error(kInternalError);
  }
}

S3Error no_such_key(std::string key) { return S3Error(kNoSuchKey).with("Key", std::move(key)); }

S3Error no_such_upload(const Request& request) {
  return S3Error(kNoSuchUpload).with("UploadId", std::string(request.parameter("uploadId")));
}

}  // namespace gabion::gateway::s3
