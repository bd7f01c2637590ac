#include "gateway/s3/copy_source.h"

#include "common/encoding.h"
#include "gateway/s3/catalog.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/names.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kVersionSuffix = "?versionId=";
constexpr std::string_view kExpectedOwner = "x-amz-source-expected-bucket-owner";

S3Error invalid(std::string_view header, std::string text) {
  return S3Error(kInvalidArgument, std::move(text))
      .with("ArgumentName", "x-amz-copy-source")
      .with("ArgumentValue", is_valid_utf8(header) ? std::string(header) : std::string());
}

}  // namespace

S3Result<CopySource> parse_copy_source(std::string_view header) {
  std::string_view path = header;
  if (const auto at = path.rfind(kVersionSuffix); at != std::string_view::npos) {
    if (path.substr(at + kVersionSuffix.size()) != "null") return invalid(header, "Invalid version id specified");
    path = path.substr(0, at);
  }
  auto decoded = percent_decode(path, Plus::literal);
  if (!decoded) return invalid(header, "Invalid copy source encoding");
  std::string_view rest = *decoded;
  if (rest.starts_with('/')) rest.remove_prefix(1);
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos || slash + 1 == rest.size()) {
    return invalid(header, "Invalid copy source object key");
  }
  CopySource out;
  out.bucket = rest.substr(0, slash);
  out.key = rest.substr(slash + 1);
  if (!is_addressable_bucket_name(out.bucket)) return invalid(header, "Invalid copy source bucket name");
  if (!check_key(out.key)) return invalid(header, "Invalid copy source object key");
  return out;
}

task<S3Result<metadata::Bucket>> find_source_bucket(const Service& service, const Request& request, std::string name) {
  co_return co_await find_bucket(service, request, std::move(name), kExpectedOwner);
}

task<S3Result<metadata::Object>> find_source(const Service& service, const Request& request,
                                             metadata::BucketId bucket, std::string key) {
  CO_TRY(auto object,
         co_await find_object(service, request, bucket, std::move(key), metadata::Metadata::With::manifest));
  CO_CHECK(check_copy_conditions(request, object.version, service.clock.wall()));
  co_return object;
}

}  // namespace gabion::gateway::s3
