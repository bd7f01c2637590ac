#include "gateway/s3/write_check.h"

#include "gateway/s3/catalog.h"
#include "gateway/s3/conditions.h"

namespace gabion::gateway::s3 {

task<S3Result<>> check_write_early(const Service& service, const Request& request, metadata::BucketId bucket) {
  const std::string* match = request.find_header("if-match");
  const std::string* none_match = request.find_header("if-none-match");
  if (!match && !none_match) co_return S3Result<>();
  auto found = co_await service.metadata.object(request.context, bucket, request.target.key,
                                                metadata::Metadata::With::version);
  if (!found && found.error().code != Errc::not_found) co_return failure(request, found.error());
  const bool exists = found && !found->version.delete_marker();
  if (match && !exists) co_return no_such_key(request.target.key);
  if (!exists) co_return S3Result<>();
  const std::string etag = etag_text(found->version);
  if (match && !EtagList::parse(*match).matches(etag)) {
    co_return S3Error(kPreconditionFailed).with("Condition", "If-Match");
  }
  if (none_match && EtagList::parse(*none_match).matches(etag)) {
    co_return S3Error(kPreconditionFailed).with("Condition", "If-None-Match");
  }
  co_return S3Result<>();
}

S3Result<> refuse_version_id(const Request& request) {
  const std::string* id = request.find_parameter("versionId");
  if (!id) return {};
  return S3Error(kInvalidArgument, "This operation does not accept a version-id.")
      .with("ArgumentName", "versionId")
      .with("ArgumentValue", *id);
}

}  // namespace gabion::gateway::s3
