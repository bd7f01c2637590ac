// The S3 operations, one a file. Each reads what it needs from the request, answers through its exchange, and returns an
// error only when it has not answered. References must outlive the task.
#pragma once

#include "gateway/s3/request.h"
#include "gateway/s3/service.h"

namespace gabion::gateway::s3 {

using Operation = task<S3Result<>> (*)(const Service& service, Request& request);

// Service and buckets.
task<S3Result<>> list_buckets(const Service& service, Request& request);
task<S3Result<>> create_bucket(const Service& service, Request& request);
task<S3Result<>> head_bucket(const Service& service, Request& request);
task<S3Result<>> delete_bucket(const Service& service, Request& request);
task<S3Result<>> get_bucket_location(const Service& service, Request& request);
task<S3Result<>> list_objects(const Service& service, Request& request);
task<S3Result<>> list_objects_v2(const Service& service, Request& request);
task<S3Result<>> list_multipart_uploads(const Service& service, Request& request);
task<S3Result<>> delete_objects(const Service& service, Request& request);

// Configuration that a bucket truthfully has or lacks (bucket_configuration.cc), and the one ACL there is (acl.cc).
task<S3Result<>> get_bucket_versioning(const Service& service, Request& request);
task<S3Result<>> get_bucket_encryption(const Service& service, Request& request);
task<S3Result<>> get_bucket_request_payment(const Service& service, Request& request);
task<S3Result<>> get_bucket_ownership_controls(const Service& service, Request& request);
task<S3Result<>> get_empty_configuration(const Service& service, Request& request);
task<S3Result<>> get_absent_configuration(const Service& service, Request& request);
task<S3Result<>> get_absent_object_configuration(const Service& service, Request& request);
task<S3Result<>> get_object_tagging(const Service& service, Request& request);
task<S3Result<>> get_bucket_acl(const Service& service, Request& request);
task<S3Result<>> put_bucket_acl(const Service& service, Request& request);
task<S3Result<>> get_object_acl(const Service& service, Request& request);
task<S3Result<>> put_object_acl(const Service& service, Request& request);

// Objects.
task<S3Result<>> put_object(const Service& service, Request& request);
task<S3Result<>> get_object(const Service& service, Request& request);
task<S3Result<>> head_object(const Service& service, Request& request);
task<S3Result<>> delete_object(const Service& service, Request& request);
task<S3Result<>> copy_object(const Service& service, Request& request);
task<S3Result<>> get_object_attributes(const Service& service, Request& request);

// Multipart uploads.
task<S3Result<>> create_multipart_upload(const Service& service, Request& request);
task<S3Result<>> upload_part(const Service& service, Request& request);
task<S3Result<>> upload_part_copy(const Service& service, Request& request);
task<S3Result<>> complete_multipart_upload(const Service& service, Request& request);
task<S3Result<>> abort_multipart_upload(const Service& service, Request& request);
task<S3Result<>> list_parts(const Service& service, Request& request);

}  // namespace gabion::gateway::s3
