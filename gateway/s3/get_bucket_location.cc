// GetBucketLocation: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/xml.h"

namespace gabion::gateway::s3 {

task<S3Result<>> get_bucket_location(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  XmlWriter xml("LocationConstraint");
  // The first region has no name here, as AWS has it.
  if (service.options.region != "us-east-1") append_xml_text(xml.buffer(), service.options.region);
  co_return co_await respond_xml(request, std::move(xml).finish());
}

}  // namespace gabion::gateway::s3
