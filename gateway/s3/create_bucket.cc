// CreateBucket: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
#include <algorithm>

#include "gateway/s3/catalog.h"
#include "gateway/s3/names.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/request_bodies.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::size_t kBodyMax = 64 * KiB;

// Whether it has the form of a region: "eu-west-1".
bool looks_like_region(std::string_view text) {
  return std::count(text.begin(), text.end(), '-') >= 2 && text.back() >= '0' && text.back() <= '9';
}

S3Result<> check_location(const std::string& constraint, const std::string& region) {
  if (constraint.empty() || constraint == region) return {};
  if (!looks_like_region(constraint) || constraint == "us-east-1") {
    return S3Error(kInvalidLocationConstraint).with("LocationConstraint", constraint);
  }
  return S3Error(kIllegalLocationConstraintException,
                 "The " + constraint +
                     " location constraint is incompatible for the region specific endpoint this request was sent to.");
}

}  // namespace

task<S3Result<>> create_bucket(const Service& service, Request& request) {
  const std::string& name = request.target.bucket;
  if (!is_valid_bucket_name(name)) co_return S3Error(kInvalidBucketName).with("BucketName", name);
  PayloadOptions options;
  options.may_be_absent = true;
  CO_TRY(auto payload, Payload::open(request.exchange, request.authentication, options));
  CO_TRY(auto body, co_await payload->read_all(kBodyMax));
  CO_TRY(const auto constraint, parse_create_bucket(std::move(body)));
  CO_CHECK(check_location(constraint, service.options.region));

  metadata::Command command;
  command.mutable_create_bucket()->set_name(name);
  command.mutable_create_bucket()->set_owner(request.authentication.tenant);
  auto result = co_await service.metadata.commit(request.context, std::move(command));
  if (!result) co_return failure(request, result.error());
  if (result->outcome() == metadata::BUCKET_EXISTS && result->bucket().owner() == request.authentication.tenant) {
    co_return S3Error(kBucketAlreadyOwnedByYou).with("BucketName", name);
  }
  if (result->outcome() != metadata::APPLIED) co_return refusal(request, *result);
  request.exchange.set_header("Location", "/" + name);
  co_await request.exchange.respond(200, {});
  co_return S3Result<>();
}

}  // namespace gabion::gateway::s3
