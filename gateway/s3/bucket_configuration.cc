// Reading configuration that a bucket or object truthfully has or lacks. Writing it is not implemented, so what is absent
// stays absent.
#include "common/check.h"
#include "gateway/s3/catalog.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/routes.h"
#include "gateway/s3/xml.h"

namespace gabion::gateway::s3 {
namespace {

constexpr ErrorCode kNoPolicy{"NoSuchBucketPolicy", 404, "The bucket policy does not exist"};
constexpr ErrorCode kNoCors{"NoSuchCORSConfiguration", 404, "The CORS configuration does not exist"};
constexpr ErrorCode kNoLifecycle{"NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist"};
constexpr ErrorCode kNoTags{"NoSuchTagSet", 404, "The TagSet does not exist"};
constexpr ErrorCode kNoWebsite{"NoSuchWebsiteConfiguration", 404,
                               "The specified bucket does not have a website configuration"};
constexpr ErrorCode kNoReplication{"ReplicationConfigurationNotFoundError", 404,
                                   "The replication configuration was not found"};
constexpr ErrorCode kNoObjectLock{"ObjectLockConfigurationNotFoundError", 404,
                                  "Object Lock configuration does not exist for this bucket"};
constexpr ErrorCode kNoPublicAccessBlock{"NoSuchPublicAccessBlockConfiguration", 404,
                                         "The public access block configuration was not found"};
constexpr ErrorCode kNoRetention{"NoSuchObjectLockConfiguration", 404,
                                 "The specified object does not have a ObjectLock configuration"};

struct Absent {
  std::string_view query;
  const ErrorCode* error;
};
constexpr Absent kAbsent[] = {
    {"policy", &kNoPolicy},           {"policyStatus", &kNoPolicy},        {"cors", &kNoCors},
    {"lifecycle", &kNoLifecycle},     {"tagging", &kNoTags},               {"website", &kNoWebsite},
    {"replication", &kNoReplication}, {"object-lock", &kNoObjectLock},     {"publicAccessBlock", &kNoPublicAccessBlock},
    {"retention", &kNoRetention},     {"legal-hold", &kNoRetention},
};

struct Empty {
  std::string_view query;
  std::string_view root;
};
constexpr Empty kEmpty[] = {
    {"notification", "NotificationConfiguration"},
    {"logging", "BucketLoggingStatus"},
    {"accelerate", "AccelerateConfiguration"},
};

S3Error absent(const Request& request) {
  for (const Absent& entry : kAbsent) {
    if (entry.query == request.route->query) return S3Error(*entry.error).with("BucketName", request.target.bucket);
  }
  GABION_CHECK(false, "a route says that its configuration is absent and there is no error for it");
  return S3Error(kInternalError);
}

}  // namespace

task<S3Result<>> get_bucket_versioning(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  co_return co_await respond_xml(request, XmlWriter("VersioningConfiguration").finish());
}

task<S3Result<>> get_bucket_encryption(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  XmlWriter xml("ServerSideEncryptionConfiguration");
  xml.open("Rule");
  xml.open("ApplyServerSideEncryptionByDefault");
  xml.text("SSEAlgorithm", "AES256");
  xml.close("ApplyServerSideEncryptionByDefault");
  xml.boolean("BucketKeyEnabled", false);
  xml.close("Rule");
  co_return co_await respond_xml(request, std::move(xml).finish());
}

task<S3Result<>> get_bucket_request_payment(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  XmlWriter xml("RequestPaymentConfiguration");
  xml.text("Payer", "BucketOwner");
  co_return co_await respond_xml(request, std::move(xml).finish());
}

task<S3Result<>> get_bucket_ownership_controls(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  XmlWriter xml("OwnershipControls");
  xml.open("Rule");
  xml.text("ObjectOwnership", "BucketOwnerEnforced");
  xml.close("Rule");
  co_return co_await respond_xml(request, std::move(xml).finish());
}

task<S3Result<>> get_empty_configuration(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  for (const Empty& entry : kEmpty) {
    if (entry.query == request.route->query) co_return co_await respond_xml(request, XmlWriter(entry.root).finish());
  }
  GABION_CHECK(false, "a route says that its configuration is empty and there is no document for it");
  co_return S3Error(kInternalError);
}

task<S3Result<>> get_absent_configuration(const Service& service, Request& request) {
  CO_CHECK(co_await find_bucket(service, request));
  co_return absent(request);
}

task<S3Result<>> get_absent_object_configuration(const Service& service, Request& request) {
  CO_CHECK(check_version_id(request));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_CHECK(co_await find_object(service, request, bucket.id(), request.target.key, metadata::Metadata::With::version));
  co_return absent(request);
}

task<S3Result<>> get_object_tagging(const Service& service, Request& request) {
  CO_CHECK(check_version_id(request));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_CHECK(co_await find_object(service, request, bucket.id(), request.target.key, metadata::Metadata::With::version));
  XmlWriter xml("Tagging");
  xml.open("TagSet");
  xml.close("TagSet");
  co_return co_await respond_xml(request, std::move(xml).finish());
}

}  // namespace gabion::gateway::s3
