// Signature Version 2, which boto3 and s3cmd still use for presigned URLs against endpoints other than AWS.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
#include <algorithm>
#include <array>
#include <map>

#include "common/digest.h"
#include "common/encoding.h"
#include "common/text.h"
#include "gateway/s3/auth/mechanisms.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::uint64_t kMicros = 1000000;

// Parameters that name what is acted on, or change the answer; the signature covers these and no others. Those of newer
// sub-resources are here as well, so that nobody can turn a signed URL into another operation by adding one.
constexpr std::array<std::string_view, 46> kSubResources = {
    "accelerate", "acl", "analytics", "attributes", "cors", "defaultObjectAcl", "delete", "encryption",
    "intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location", "logging", "metadataTable", "metrics",
    "notification", "object-lock", "ownershipControls", "partNumber", "policy", "policyStatus", "publicAccessBlock",
    "renameObject", "replication", "requestPayment", "response-cache-control", "response-content-disposition",
    "response-content-encoding", "response-content-language", "response-content-type", "response-expires", "restore",
    "retention", "select", "select-type", "session", "storageClass", "tagging", "torrent", "uploadId", "uploads",
    "versionId", "versioning", "versions", "website"};

bool is_sub_resource(std::string_view name) {
  return std::find(kSubResources.begin(), kSubResources.end(), name) != kSubResources.end();
}

std::string canonical_resource(const SignedRequest& request) {
  std::string out;
  if (const auto bucket = bucket_of_host(request.head.get("host"), request.config.domains)) out = "/" + *bucket;
  out.append(request.target.raw_path);
  std::vector<std::string> parts;
  for (const QueryParameter& parameter : request.target.query) {
    if (!is_sub_resource(parameter.name)) continue;
    parts.push_back(parameter.value.empty() ? parameter.name : parameter.name + "=" + parameter.value);
  }
  std::sort(parts.begin(), parts.end());
  for (std::size_t i = 0; i < parts.size(); ++i) out.append(i == 0 ? "?" : "&").append(parts[i]);
  return out;
}

enum class Place { header, query };

// boto3 moves headers into the query of the URLs that it presigns, and signs them as headers.
std::string canonical_amz_headers(const SignedRequest& request, Place place) {
  std::map<std::string, std::string> lines;
  for (const http::Header& header : request.head.headers) {
    if (!header.name.starts_with("x-amz-")) continue;
    const auto [line, added] = lines.try_emplace(header.name, header.value);
    if (!added) line->second.append(",").append(header.value);
  }
  if (place == Place::query) {
    for (const QueryParameter& parameter : request.target.query) {
      const std::string name = to_lower(parameter.name);
      if (name.starts_with("x-amz-")) lines.try_emplace(name, parameter.value);
    }
  }
  std::string out;
  for (const auto& [name, value] : lines) out.append(name).append(":").append(value).append("\n");
  return out;
}

std::string_view header_or_parameter(const SignedRequest& request, std::string_view name, Place place) {
  if (const std::string* value = request.head.find(name)) return *value;
  const QueryParameter* parameter = place == Place::query ? request.target.find(name) : nullptr;
  return parameter ? std::string_view(parameter->value) : std::string_view();
}

S3Result<Authentication> verify(const SignedRequest& request, Place place, std::string_view access_key,
                                std::string_view signature, std::string_view date) {
  std::string text = request.head.method + "\n";
  text.append(header_or_parameter(request, "content-md5", place)).append("\n");
  text.append(header_or_parameter(request, "content-type", place)).append("\n");
  text.append(date).append("\n");
  text.append(canonical_amz_headers(request, place)).append(canonical_resource(request));
  const auto credential = request.credentials.find(access_key);
  const std::string digest = hmac_sha1(credential ? std::string_view(credential->secret_key) : kSecretOfNobody, text);
  const bool equal = equal_in_constant_time(base64_encode(as_bytes(digest)), signature);
  if (!credential) return unknown_access_key(access_key);
  if (!equal) return signature_does_not_match(access_key, signature, std::move(text));
  Authentication out;
  out.access_key = credential->access_key;
  out.tenant = credential->tenant;
  out.presigned = place == Place::query;
  TRY_OK(set_uncovered_payload_mode(request.head, out));
  return out;
}

}  // namespace

S3Result<Authentication> authenticate_v2_header(const SignedRequest& request, std::string_view authorization) {
  const std::string_view claim = trim(authorization.substr(std::string_view("AWS ").size()));
  const auto colon = claim.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == claim.size()) {
    return S3Error(kInvalidArgument, "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")
        .with("ArgumentName", "Authorization")
        .with("ArgumentValue", std::string(authorization));
  }
  // With x-amz-date the line of Date is empty: the header is signed among its like.
  const std::string* amz = request.head.find("x-amz-date");
  const std::string_view sent = amz ? std::string_view(*amz) : request.head.get("date");
  auto at = parse_http_date(sent);
  if (!at) at = parse_amz_date(sent);
  if (!at) return S3Error(kAccessDenied, "AWS authentication requires a valid Date or x-amz-date header");
  TRY_OK(check_skew(request, *at, sent));
  return verify(request, Place::header, claim.substr(0, colon), claim.substr(colon + 1), amz ? std::string_view() : sent);
}

S3Result<Authentication> authenticate_v2_query(const SignedRequest& request) {
  const QueryParameter* access_key = request.target.find("AWSAccessKeyId");
  const QueryParameter* signature = request.target.find("Signature");
  const QueryParameter* expires = request.target.find("Expires");
  if (!access_key || !signature || !expires) {
    return S3Error(kAccessDenied,
                   "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters");
  }
  const auto until = parse_u64(expires->value);
  if (!until) {
    return S3Error(kAccessDenied, "Invalid date (should be seconds since epoch): " + expires->value);
  }
  if (*until <= request.now / kMicros) {
    return S3Error(kAccessDenied, "Request has expired")
        .with("Expires", iso_date(*until * kMicros))
        .with("ServerTime", iso_date(request.now));
  }
  return verify(request, Place::query, access_key->value, signature->value, expires->value);
}

}  // namespace gabion::gateway::s3
