// UploadPart: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/numbers.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/stored_body.h"
#include "gateway/s3/uploads.h"

namespace gabion::gateway::s3 {
namespace {

metadata::Command part_command(const Request& request, metadata::BucketId bucket, std::uint32_t number,
                               StoredBody& body) {
  metadata::Command command;
  auto& put = *command.mutable_put_part();
  put.set_bucket(bucket);
  put.set_key(request.target.key);
  put.set_upload_id(std::string(request.parameter("uploadId")));
  auto& part = *put.mutable_part();
  part.set_number(number);
  part.set_size(body.size);
  part.set_md5(body.md5);
  *part.mutable_checksum() = body.checksum;
  if (body.size > 0) *put.mutable_manifest() = std::move(body.written.manifest);
  for (auto& intent : body.written.intents) *put.add_intents() = std::move(intent);
  return command;
}

}  // namespace

task<S3Result<>> upload_part(const Service& service, Request& request) {
  CO_TRY(const std::uint32_t number, parse_part_number(request.parameter("partNumber")));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_TRY(const metadata::Upload upload, co_await find_upload(service, request, bucket.id()));
  CO_TRY(auto payload, open_upload(service, request, part_checksum(upload)));
  CO_TRY(auto body, co_await store_body(service, request, std::move(payload)));
  CO_CHECK(check_part_checksum(upload, body.checksum));
  auto command = part_command(request, bucket.id(), number, body);
  CO_CHECK(co_await commit_written(service, request, std::move(command), std::move(body.writer)));
  request.exchange.set_header("ETag", quoted(etag_text(body.md5, 0)));
  if (const ChecksumKind* kind = checksum_kind(body.checksum.algorithm())) {
    request.exchange.set_header(kind->header, checksum_text(body.checksum.value()));
  }
  set_encryption_header(request);
  co_await request.exchange.respond(200, {});
  co_return S3Result<>();
}

}  // namespace gabion::gateway::s3
