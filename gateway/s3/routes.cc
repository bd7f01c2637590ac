#include "gateway/s3/routes.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/text.h"
#include "gateway/s3/header_rules.h"

namespace gabion::gateway::s3 {
namespace {

using enum Level;
using enum Support;

constexpr std::string_view kTruthful = "what holds for every bucket here; changing it is 501";
constexpr std::string_view kAbsentNote = "answers that there is none";
constexpr std::string_view kNoClasses = "STANDARD only; no tags, locks, ACLs but private, SSE-C or KMS";

// The rows that plain requests select come first, as most requests are plain.
constexpr Route kRoutes[] = {
    {"GetObject", object, "GET", "", "", full, &get_object, "no versions but `null`"},
    {"HeadObject", object, "HEAD", "", "", full, &head_object, "no versions but `null`"},
    {"CopyObject", object, "PUT", "", "x-amz-copy-source", partial, &copy_object, kNoClasses},
    {"PutObject", object, "PUT", "", "", partial, &put_object, kNoClasses},
    {"DeleteObject", object, "DELETE", "", "", full, &delete_object, "no versions but `null`"},
    {"ListObjectsV2", bucket, "GET", "list-type", "", full, &list_objects_v2, ""},
    {"ListObjects", bucket, "GET", "", "", full, &list_objects, ""},
    {"HeadBucket", bucket, "HEAD", "", "", full, &head_bucket, ""},
    {"CreateBucket", bucket, "PUT", "", "", partial, &create_bucket, "no tags, locks or ACLs but private"},
    {"DeleteBucket", bucket, "DELETE", "", "", full, &delete_bucket, ""},
    {"ListBuckets", service, "GET", "", "", full, &list_buckets, ""},

    {"CreateMultipartUpload", object, "POST", "uploads", "", partial, &create_multipart_upload, kNoClasses},
    {"UploadPartCopy", object, "PUT", "uploadId", "x-amz-copy-source", full, &upload_part_copy, "with partNumber"},
    {"UploadPart", object, "PUT", "uploadId", "", full, &upload_part, "with partNumber"},
    {"CompleteMultipartUpload", object, "POST", "uploadId", "", full, &complete_multipart_upload, ""},
    {"AbortMultipartUpload", object, "DELETE", "uploadId", "", full, &abort_multipart_upload, ""},
    {"ListParts", object, "GET", "uploadId", "", full, &list_parts, ""},
    {"ListMultipartUploads", bucket, "GET", "uploads", "", full, &list_multipart_uploads, ""},
    {"DeleteObjects", bucket, "POST", "delete", "", full, &delete_objects, "no versions but `null`"},
    {"GetObjectAttributes", object, "GET", "attributes", "", full, &get_object_attributes, ""},
    {"GetBucketLocation", bucket, "GET", "location", "", full, &get_bucket_location, ""},

    {"GetBucketVersioning", bucket, "GET", "versioning", "", fixed, &get_bucket_versioning, "never enabled"},
    {"PutBucketVersioning", bucket, "PUT", "versioning", "", none, nullptr, ""},
    {"ListObjectVersions", bucket, "GET", "versions", "", none, nullptr, ""},
    {"GetBucketAcl", bucket, "GET", "acl", "", fixed, &get_bucket_acl, "the owner's FULL_CONTROL"},
    {"PutBucketAcl", bucket, "PUT", "acl", "", partial, &put_bucket_acl, "private only"},
    {"GetObjectAcl", object, "GET", "acl", "", fixed, &get_object_acl, "the owner's FULL_CONTROL"},
    {"PutObjectAcl", object, "PUT", "acl", "", partial, &put_object_acl, "private only"},
    {"GetObjectTagging", object, "GET", "tagging", "", fixed, &get_object_tagging, "an empty set"},
    {"PutObjectTagging", object, "PUT", "tagging", "", none, nullptr, ""},
    {"DeleteObjectTagging", object, "DELETE", "tagging", "", none, nullptr, ""},
    {"GetBucketEncryption", bucket, "GET", "encryption", "", fixed, &get_bucket_encryption, kTruthful},
    {"PutBucketEncryption", bucket, "PUT", "encryption", "", none, nullptr, ""},
    {"DeleteBucketEncryption", bucket, "DELETE", "encryption", "", none, nullptr, ""},
    {"GetBucketRequestPayment", bucket, "GET", "requestPayment", "", fixed, &get_bucket_request_payment, kTruthful},
    {"PutBucketRequestPayment", bucket, "PUT", "requestPayment", "", none, nullptr, ""},
    {"GetBucketOwnershipControls", bucket, "GET", "ownershipControls", "", fixed, &get_bucket_ownership_controls,
     kTruthful},
    {"PutBucketOwnershipControls", bucket, "PUT", "ownershipControls", "", none, nullptr, ""},
    {"DeleteBucketOwnershipControls", bucket, "DELETE", "ownershipControls", "", none, nullptr, ""},

    {"GetBucketPolicy", bucket, "GET", "policy", "", fixed, &get_absent_configuration, kAbsentNote},
    {"PutBucketPolicy", bucket, "PUT", "policy", "", none, nullptr, ""},
    {"DeleteBucketPolicy", bucket, "DELETE", "policy", "", none, nullptr, ""},
    {"GetBucketPolicyStatus", bucket, "GET", "policyStatus", "", fixed, &get_absent_configuration, kAbsentNote},
    {"GetPublicAccessBlock", bucket, "GET", "publicAccessBlock", "", fixed, &get_absent_configuration, kAbsentNote},
    {"PutPublicAccessBlock", bucket, "PUT", "publicAccessBlock", "", none, nullptr, ""},
    {"DeletePublicAccessBlock", bucket, "DELETE", "publicAccessBlock", "", none, nullptr, ""},
    {"GetBucketCors", bucket, "GET", "cors", "", fixed, &get_absent_configuration, kAbsentNote},
    {"PutBucketCors", bucket, "PUT", "cors", "", none, nullptr, ""},
    {"DeleteBucketCors", bucket, "DELETE", "cors", "", none, nullptr, ""},
    {"GetBucketTagging", bucket, "GET", "tagging", "", fixed, &get_absent_configuration, kAbsentNote},
    {"PutBucketTagging", bucket, "PUT", "tagging", "", none, nullptr, ""},
    {"DeleteBucketTagging", bucket, "DELETE", "tagging", "", none, nullptr, ""},
    {"GetBucketLifecycleConfiguration", bucket, "GET", "lifecycle", "", fixed, &get_absent_configuration, kAbsentNote},
    {"PutBucketLifecycleConfiguration", bucket, "PUT", "lifecycle", "", none, nullptr, ""},
    {"DeleteBucketLifecycle", bucket, "DELETE", "lifecycle", "", none, nullptr, ""},
    {"GetObjectLockConfiguration", bucket, "GET", "object-lock", "", fixed, &get_absent_configuration, kAbsentNote},
    {"PutObjectLockConfiguration", bucket, "PUT", "object-lock", "", none, nullptr, ""},
    {"GetObjectRetention", object, "GET", "retention", "", fixed, &get_absent_object_configuration, kAbsentNote},
    {"PutObjectRetention", object, "PUT", "retention", "", none, nullptr, ""},
    {"GetObjectLegalHold", object, "GET", "legal-hold", "", fixed, &get_absent_object_configuration, kAbsentNote},
    {"PutObjectLegalHold", object, "PUT", "legal-hold", "", none, nullptr, ""},
    {"GetBucketReplication", bucket, "GET", "replication", "", fixed, &get_absent_configuration, kAbsentNote},
    {"PutBucketReplication", bucket, "PUT", "replication", "", none, nullptr, ""},
    {"DeleteBucketReplication", bucket, "DELETE", "replication", "", none, nullptr, ""},
    {"GetBucketWebsite", bucket, "GET", "website", "", fixed, &get_absent_configuration, kAbsentNote},
    {"PutBucketWebsite", bucket, "PUT", "website", "", none, nullptr, ""},
    {"DeleteBucketWebsite", bucket, "DELETE", "website", "", none, nullptr, ""},
    {"GetBucketNotificationConfiguration", bucket, "GET", "notification", "", fixed, &get_empty_configuration,
     kAbsentNote},
    {"PutBucketNotificationConfiguration", bucket, "PUT", "notification", "", none, nullptr, ""},
    {"GetBucketLogging", bucket, "GET", "logging", "", fixed, &get_empty_configuration, kAbsentNote},
    {"PutBucketLogging", bucket, "PUT", "logging", "", none, nullptr, ""},
    {"GetBucketAccelerateConfiguration", bucket, "GET", "accelerate", "", fixed, &get_empty_configuration, kAbsentNote},
    {"PutBucketAccelerateConfiguration", bucket, "PUT", "accelerate", "", none, nullptr, ""},

    {"GetBucketAnalyticsConfiguration", bucket, "GET", "analytics", "", none, nullptr, "also the list of them"},
    {"PutBucketAnalyticsConfiguration", bucket, "PUT", "analytics", "", none, nullptr, ""},
    {"DeleteBucketAnalyticsConfiguration", bucket, "DELETE", "analytics", "", none, nullptr, ""},
    {"GetBucketInventoryConfiguration", bucket, "GET", "inventory", "", none, nullptr, "also the list of them"},
    {"PutBucketInventoryConfiguration", bucket, "PUT", "inventory", "", none, nullptr, ""},
    {"DeleteBucketInventoryConfiguration", bucket, "DELETE", "inventory", "", none, nullptr, ""},
    {"GetBucketMetricsConfiguration", bucket, "GET", "metrics", "", none, nullptr, "also the list of them"},
    {"PutBucketMetricsConfiguration", bucket, "PUT", "metrics", "", none, nullptr, ""},
    {"DeleteBucketMetricsConfiguration", bucket, "DELETE", "metrics", "", none, nullptr, ""},
    {"GetBucketIntelligentTieringConfiguration", bucket, "GET", "intelligent-tiering", "", none, nullptr,
     "also the list of them"},
    {"PutBucketIntelligentTieringConfiguration", bucket, "PUT", "intelligent-tiering", "", none, nullptr, ""},
    {"DeleteBucketIntelligentTieringConfiguration", bucket, "DELETE", "intelligent-tiering", "", none, nullptr, ""},
    {"CreateBucketMetadataConfiguration", bucket, "POST", "metadataConfiguration", "", none, nullptr, ""},
    {"GetBucketMetadataConfiguration", bucket, "GET", "metadataConfiguration", "", none, nullptr, ""},
    {"DeleteBucketMetadataConfiguration", bucket, "DELETE", "metadataConfiguration", "", none, nullptr, ""},
    {"CreateBucketMetadataTableConfiguration", bucket, "POST", "metadataTable", "", none, nullptr, ""},
    {"GetBucketMetadataTableConfiguration", bucket, "GET", "metadataTable", "", none, nullptr, ""},
    {"DeleteBucketMetadataTableConfiguration", bucket, "DELETE", "metadataTable", "", none, nullptr, ""},
    {"UpdateBucketMetadataInventoryTableConfiguration", bucket, "PUT", "metadataInventoryTable", "", none, nullptr, ""},
    {"UpdateBucketMetadataJournalTableConfiguration", bucket, "PUT", "metadataJournalTable", "", none, nullptr, ""},
    {"GetBucketAbac", bucket, "GET", "abac", "", none, nullptr, ""},
    {"PutBucketAbac", bucket, "PUT", "abac", "", none, nullptr, ""},
    {"CreateSession", bucket, "GET", "session", "", none, nullptr, "of directory buckets"},

    {"WriteGetObjectResponse", bucket, "POST", "", "x-amz-request-route", none, nullptr, ""},
    {"PostObject", bucket, "POST", "", "", none, nullptr, "uploads from HTML forms"},
    {"RestoreObject", object, "POST", "restore", "", none, nullptr, ""},
    {"SelectObjectContent", object, "POST", "select", "", none, nullptr, ""},
    {"GetObjectTorrent", object, "GET", "torrent", "", none, nullptr, "withdrawn by AWS"},
    {"RenameObject", object, "PUT", "renameObject", "", none, nullptr, "of directory buckets"},
    {"UpdateObjectEncryption", object, "PUT", "encryption", "", none, nullptr, ""},
};

bool is_sub_resource(std::string_view name) {
  return std::any_of(std::begin(kRoutes), std::end(kRoutes),
                     [&](const Route& route) { return !route.query.empty() && route.query == name; });
}

// The sub-resource that the query names; empty for a plain request.
S3Result<std::string_view> find_sub_resource(const Request& request) {
  std::string_view found;
  for (const QueryParameter& parameter : request.uri.query) {
    if (parameter.name == found || !is_sub_resource(parameter.name)) continue;
    if (!found.empty()) {
      return S3Error(kInvalidArgument, fmt::format("Conflicting query string parameters: {}, {}", found, parameter.name))
          .with("ArgumentName", "ResourceType")
          .with("ArgumentValue", std::string(found));
    }
    found = parameter.name;
  }
  return found;
}

std::string sub_resource_name(std::string_view sub_resource) {
  std::string out(sub_resource);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

S3Error method_not_allowed(const Request& request, std::string_view sub_resource) {
  return S3Error(kMethodNotAllowed)
      .with("Method", request.head.method)
      .with("ResourceType", sub_resource.empty() ? std::string(resource_type(level_of(request.target)))
                                                 : sub_resource_name(sub_resource));
}

std::string_view support_name(Support support) {
  switch (support) {
    case full: return "yes";
    case partial: return "partly";
    case fixed: return "fixed answer";
    case none: break;
  }
  return "501";
}

std::string request_form(const Route& route) {
  std::string out(route.method);
  out += route.level == service ? " /" : route.level == bucket ? " /bucket" : " /bucket/key";
  if (!route.query.empty()) out.append("?").append(route.query);
  if (!route.header.empty()) out.append(" + ").append(route.header);
  return out;
}

}  // namespace

std::string_view resource_type(Level level) {
  switch (level) {
    case service: return "SERVICE";
    case bucket: return "BUCKET";
    case object: break;
  }
  return "OBJECT";
}

std::span<const Route> routes() { return kRoutes; }

std::size_t route_index(const Route& route) { return static_cast<std::size_t>(&route - std::begin(kRoutes)); }

Level level_of(const Target& target) {
  if (target.bucket.empty()) return service;
  return target.key.empty() ? bucket : object;
}

bool is_known_method(std::string_view method) {
  constexpr std::string_view kMethods[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};
  return std::find(std::begin(kMethods), std::end(kMethods), method) != std::end(kMethods);
}

S3Result<const Route*> find_route(const Request& request) {
  TRY(const std::string_view sub_resource, find_sub_resource(request));
  const Level level = level_of(request.target);
  const auto matches = [&](const Route& route) {
    return route.level == level && route.query == sub_resource && route.method == request.head.method &&
           (route.header.empty() || request.has_header(route.header));
  };
  const auto found = std::find_if(std::begin(kRoutes), std::end(kRoutes), matches);
  if (found == std::end(kRoutes)) return method_not_allowed(request, sub_resource);
  // A part number alone does not make an upload of a part, and must not overwrite the object.
  if (request.head.method == "PUT" && sub_resource.empty() && request.has_parameter("partNumber")) {
    return S3Error(kInvalidArgument, "This operation needs an uploadId")
        .with("ArgumentName", "uploadId")
        .with("ArgumentValue", "");
  }
  return &*found;
}

std::string compatibility_markdown() {
  std::string out = "| operation | request | support | note |\n|---|---|---|---|\n";
  for (const Route& route : kRoutes) {
    out += fmt::format("| {} | `{}` | {} | {} |\n", route.name, request_form(route), support_name(route.support), route.note);
  }
  return out + "\n" + header_rules_markdown();
}

}  // namespace gabion::gateway::s3
