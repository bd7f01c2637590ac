// The source of CopyObject and UploadPartCopy: naming it, finding it, checking its conditions.
#pragma once

#include <string>
#include <string_view>

#include "gateway/s3/request.h"
#include "gateway/s3/service.h"

namespace gabion::gateway::s3 {

struct CopySource {
  CopySource() = default;
  std::string bucket;
  std::string key;
};

// x-amz-copy-source: "bucket/key" or "/bucket/key", percent-encoded once, with "?versionId=null" at most. InvalidArgument
// for anything else.
S3Result<CopySource> parse_copy_source(std::string_view header);

// The source's bucket: it exists, is the caller's, and is whose x-amz-source-expected-bucket-owner says.
task<S3Result<metadata::Bucket>> find_source_bucket(const Service& service, const Request& request, std::string name);
// The object with its manifest, for which the x-amz-copy-source-if-* conditions hold. References must outlive the tasks.
task<S3Result<metadata::Object>> find_source(const Service& service, const Request& request,
                                             metadata::BucketId bucket, std::string key);

}  // namespace gabion::gateway::s3
