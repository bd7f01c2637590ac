// Checks that spare a client an upload that cannot succeed. The metadata decides again when the change is applied.
#pragma once

#include "gateway/s3/request.h"
#include "gateway/s3/service.h"

namespace gabion::gateway::s3 {

// The conditions of a write against what there is now: PreconditionFailed or NoSuchKey.
task<S3Result<>> check_write_early(const Service& service, const Request& request, metadata::BucketId bucket);
// Writes make the version; naming one is an error.
S3Result<> refuse_version_id(const Request& request);

}  // namespace gabion::gateway::s3
