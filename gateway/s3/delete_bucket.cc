// DeleteBucket: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/operations.h"

namespace gabion::gateway::s3 {

task<S3Result<>> delete_bucket(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  metadata::Command command;
  command.mutable_delete_bucket()->set_name(request.target.bucket);
  CO_CHECK(co_await commit(service, request, std::move(command)));
  co_await request.exchange.respond(204, {});
  co_return S3Result<>();
}

}  // namespace gabion::gateway::s3
