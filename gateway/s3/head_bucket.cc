// HeadBucket: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/operations.h"

namespace gabion::gateway::s3 {

task<S3Result<>> head_bucket(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  request.exchange.set_header("x-amz-bucket-region", service.options.region);
  request.exchange.set_header("Content-Type", "application/xml");
  co_await request.exchange.respond(200, {});
  co_return S3Result<>();
}

}  // namespace gabion::gateway::s3
