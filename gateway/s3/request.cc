#include "gateway/s3/request.h"

#include <algorithm>

#include "common/text.h"
#include "gateway/s3/names.h"

namespace gabion::gateway::s3 {
namespace {

// The parts of a presigned query that are the signature's own.
constexpr std::string_view kSignatureParameters[] = {
    "x-amz-algorithm", "x-amz-credential",     "x-amz-date",          "x-amz-expires", "x-amz-signedheaders",
    "x-amz-signature", "x-amz-security-token", "x-amz-content-sha256"};

bool is_hoistable(std::string_view name) {
  if (!name.starts_with("x-amz-") || name.starts_with("x-amz-checksum-")) return false;
  if (name == "x-amz-sdk-checksum-algorithm" || name == "x-amz-trailer") return false;
  return std::find(std::begin(kSignatureParameters), std::end(kSignatureParameters), name) ==
         std::end(kSignatureParameters);
}

// Whether reading the key as a path would leave the bucket. Such a key is never stored: other tools would obey it.
bool climbs_out(std::string_view key) {
  int depth = 0;
  for (const std::string_view segment : split(key, '/')) {
    if (segment == "..") --depth;
    else if (segment != ".") ++depth;
    if (depth < 0) return true;
  }
  return false;
}

}  // namespace

S3Result<Target> find_target(std::string_view path, std::string_view host, const std::vector<std::string>& domains) {
  Target out;
  if (auto bucket = bucket_of_host(host, domains)) {
    out.bucket = *std::move(bucket);
    out.key = path.starts_with('/') ? path.substr(1) : path;
    out.virtual_host = true;
  } else {
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    const auto slash = path.find('/');
    out.bucket = path.substr(0, slash);
    if (slash != std::string_view::npos) out.key = path.substr(slash + 1);
  }
  if (out.bucket.empty()) return out;
  if (!is_addressable_bucket_name(out.bucket)) return S3Error(kInvalidBucketName).with("BucketName", out.bucket);
  if (!out.key.empty()) TRY_OK(check_key(out.key));
  if (climbs_out(out.key)) return S3Error(kInvalidURI);
  return out;
}

const std::string* Request::find_parameter(std::string_view name) const {
  const QueryParameter* found = uri.find(name);
  return found ? &found->value : nullptr;
}

std::string_view Request::parameter(std::string_view name) const {
  const std::string* value = find_parameter(name);
  return value ? std::string_view(*value) : std::string_view();
}

const std::string* Request::find_header(std::string_view name) const {
  if (const std::string* sent = head.find(name)) return sent;
  for (const auto& header : hoisted) {
    if (header.name == name) return &header.value;
  }
  return nullptr;
}

std::string_view Request::header(std::string_view name) const {
  const std::string* value = find_header(name);
  return value ? std::string_view(*value) : std::string_view();
}

void Request::hoist_headers() {
  // SigV2 does not sign these parameters, so there they mean nothing.
  if (!authentication.presigned || authentication.scope.empty()) return;
  for (const QueryParameter& parameter : uri.query) {
    std::string lower = to_lower(parameter.name);
    if (is_hoistable(lower) && !head.find(lower)) hoisted.push_back({std::move(lower), parameter.value});
  }
}

}  // namespace gabion::gateway::s3
