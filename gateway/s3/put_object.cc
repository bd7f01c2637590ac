// PutObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/stored_body.h"
#include "gateway/s3/write_check.h"

namespace gabion::gateway::s3 {
namespace {

metadata::Command put_command(const Request& request, metadata::BucketId bucket, metadata::Version version,
                              StoredBody& body) {
  metadata::Command command;
  auto& put = *command.mutable_put_object();
  put.set_bucket(bucket);
  put.set_key(request.target.key);
  version.set_size(body.size);
  version.set_etag(body.md5);
  version.set_owner(request.authentication.tenant);
  *version.mutable_checksum() = body.checksum;
  *put.mutable_version() = std::move(version);
  if (body.size > 0) *put.mutable_manifest() = std::move(body.written.manifest);
  if (auto conditions = write_conditions(request)) *put.mutable_conditions() = *std::move(conditions);
  for (auto& intent : body.written.intents) *put.add_intents() = std::move(intent);
  return command;
}

}  // namespace

task<S3Result<>> put_object(const Service& service, Request& request) {
  CO_CHECK(refuse_version_id(request));
  metadata::Version version;
  CO_CHECK(read_object_headers(request, version));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_TRY(auto payload, open_upload(service, request, metadata::CRC64NVME));
  CO_CHECK(co_await check_write_early(service, request, bucket.id()));

  CO_TRY(auto body, co_await store_body(service, request, std::move(payload)));
  auto command = put_command(request, bucket.id(), std::move(version), body);
  CO_TRY(const auto result, co_await commit_written(service, request, std::move(command), std::move(body.writer)));

  request.exchange.set_header("ETag", quoted(etag_text(body.md5, 0)));
  set_checksum_headers(request, body.checksum, 0);
  set_encryption_header(request);
  co_await request.exchange.respond(200, {});
  co_return S3Result<>();
}

}  // namespace gabion::gateway::s3
