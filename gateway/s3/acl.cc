// Get and PutBucketAcl, Get and PutObjectAcl: there is one ACL, the owner's FULL_CONTROL. Setting it again succeeds, as
// s3cmd does when it copies; anything else is not implemented.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html, API_PutObjectAcl.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/owner.h"
#include "gateway/s3/request_bodies.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/xml.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::size_t kBodyMax = 64 * KiB;
constexpr ErrorCode kMissingSecurityHeader{"MissingSecurityHeader", 400,
                                           "Your request was missing a required header"};

std::string acl_xml(const Options& options) {
  XmlWriter xml("AccessControlPolicy");
  write_owner(xml, options);
  xml.open("AccessControlList");
  xml.open("Grant");
  xml.raw("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">");
  xml.raw(identity_markup(options));
  xml.close("Grantee");
  xml.text("Permission", "FULL_CONTROL");
  xml.close("Grant");
  xml.close("AccessControlList");
  return std::move(xml).finish();
}

// check_headers() has refused every canned ACL but "private" already.
task<S3Result<>> check_acl(const Service& service, Request& request) {
  PayloadOptions options;
  options.may_be_absent = true;
  CO_TRY(auto payload, Payload::open(request.exchange, request.authentication, options));
  CO_TRY(auto body, co_await payload->read_all(kBodyMax));
  const bool canned = request.has_header("x-amz-acl");
  if (canned && !body.empty()) co_return S3Error(kUnexpectedContent);
  if (canned) co_return S3Result<>();
  if (body.empty()) co_return S3Error(kMissingSecurityHeader).with("MissingHeaderName", "x-amz-acl");
  CO_TRY(const bool is_private, is_private_acl(std::move(body), service.options.owner_id));
  if (is_private) co_return S3Result<>();
  co_return S3Error(kNotImplemented)
      .with("additionalMessage", "Everything is private to its owner; other grants are not supported.");
}

task<S3Result<>> find_acl_object(const Service& service, Request& request) {
  CO_CHECK(check_version_id(request));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_CHECK(co_await find_object(service, request, bucket.id(), request.target.key, metadata::Metadata::With::version));
  co_return S3Result<>();
}

}  // namespace

task<S3Result<>> get_bucket_acl(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  co_return co_await respond_xml(request, acl_xml(service.options));
}

task<S3Result<>> put_bucket_acl(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  CO_CHECK(co_await check_acl(service, request));
  co_await request.exchange.respond(200, {});
  co_return S3Result<>();
}

task<S3Result<>> get_object_acl(const Service& service, Request& request) {
  CO_CHECK(co_await find_acl_object(service, request));
  co_return co_await respond_xml(request, acl_xml(service.options));
}

task<S3Result<>> put_object_acl(const Service& service, Request& request) {
  CO_CHECK(co_await find_acl_object(service, request));
  CO_CHECK(co_await check_acl(service, request));
  co_await request.exchange.respond(200, {});
  co_return S3Result<>();
}

}  // namespace gabion::gateway::s3
