// DeleteObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
#include "common/text.h"
#include "gateway/s3/catalog.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"

namespace gabion::gateway::s3 {
namespace {

S3Error invalid_header(std::string_view name, std::string_view value) {
  return S3Error(kInvalidArgument)
      .with("ArgumentName", std::string(name))
      .with("ArgumentValue", std::string(value));
}

S3Result<> read_conditions(const Request& request, metadata::DeleteObject& command) {
  if (auto conditions = write_conditions(request)) *command.mutable_conditions() = *std::move(conditions);
  if (const std::string* text = request.find_header("x-amz-if-match-size")) {
    const auto size = parse_u64(*text);
    if (!size) return invalid_header("x-amz-if-match-size", *text);
    command.set_if_size(*size);
  }
  if (const std::string* text = request.find_header("x-amz-if-match-last-modified-time")) {
    auto at = parse_http_date(*text);
    if (!at) at = parse_iso_date(*text);
    if (!at) return invalid_header("x-amz-if-match-last-modified-time", *text);
    command.set_if_modified_us(*at);
  }
  return {};
}

}  // namespace

task<S3Result<>> delete_object(const Service& service, Request& request) {
  CO_CHECK(check_version_id(request));
  metadata::Command command;
  auto& remove = *command.mutable_delete_object();
  CO_CHECK(read_conditions(request, remove));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  remove.set_bucket(bucket.id());
  remove.set_key(request.target.key);
  auto result = co_await commit(service, request, std::move(command));
  // What is not there is deleted already.
  if (!result && result.error().code != &kNoSuchKey) co_return result.error();
  co_await request.exchange.respond(204, {});
  co_return S3Result<>();
}

}  // namespace gabion::gateway::s3
