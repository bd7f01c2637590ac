// AbortMultipartUpload: https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/uploads.h"

namespace gabion::gateway::s3 {

task<S3Result<>> abort_multipart_upload(const Service& service, Request& request) {
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  if (!is_upload_id(request.parameter("uploadId"))) co_return no_such_upload(request);
  metadata::Command command;
  auto& abort = *command.mutable_abort_upload();
  abort.set_bucket(bucket.id());
  abort.set_key(request.target.key);
  abort.set_upload_id(std::string(request.parameter("uploadId")));
  CO_CHECK(co_await commit(service, request, std::move(command)));
  co_await request.exchange.respond(204, {});
  co_return S3Result<>();
}

}  // namespace gabion::gateway::s3
