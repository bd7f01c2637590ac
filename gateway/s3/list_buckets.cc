// ListBuckets: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
#include <algorithm>

#include "common/text.h"
#include "gateway/s3/catalog.h"
#include "gateway/s3/opaque_token.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/owner.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/xml.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::uint64_t kBucketsMax = 10000;

struct BucketQuery {
  BucketQuery() = default;
  std::string prefix;
  std::string after;
  std::string region;  // empty: any
  std::size_t limit = kBucketsMax;
};

S3Result<BucketQuery> read_query(const Request& request) {
  BucketQuery out;
  out.prefix = request.parameter("prefix");
  out.region = request.parameter("bucket-region");
  if (const std::string* text = request.find_parameter("max-buckets")) {
    const auto limit = parse_u64(*text);
    if (!limit || *limit == 0 || *limit > kBucketsMax) {
      return S3Error(kInvalidArgument, "Provided max-buckets not an integer or within integer range")
          .with("ArgumentName", "max-buckets")
          .with("ArgumentValue", *text);
    }
    out.limit = *limit;
  }
  if (const std::string* token = request.find_parameter("continuation-token"); token && !token->empty()) {
    TRY(out.after, decode_token(*token));
  }
  return out;
}

std::string to_xml(const Service& service, const BucketQuery& query, const std::vector<const metadata::Bucket*>& page,
                   bool truncated) {
  XmlWriter xml("ListAllMyBucketsResult", XmlWriter::Namespace::s3, 512 + page.size() * 128);
  write_owner(xml, service.options);
  xml.open("Buckets");
  for (const metadata::Bucket* bucket : page) {
    xml.open("Bucket");
    xml.text("Name", bucket->name());
    xml.date("CreationDate", bucket->created_us());
    xml.text("BucketRegion", service.options.region);
    xml.close("Bucket");
  }
  xml.close("Buckets");
  if (truncated) xml.text("ContinuationToken", encode_token(page.back()->name()));
  if (!query.prefix.empty()) xml.text("Prefix", query.prefix);
  return std::move(xml).finish();
}

}  // namespace

task<S3Result<>> list_buckets(const Service& service, Request& request) {
  CO_TRY(const BucketQuery query, read_query(request));
  auto all = co_await service.metadata.buckets(request.context);
  if (!all) co_return failure(request, all.error());
  std::vector<const metadata::Bucket*> page;
  bool truncated = false;
  const bool here = query.region.empty() || query.region == service.options.region;
  for (const metadata::Bucket& bucket : *all) {
    const bool wanted = here && bucket.owner() == request.authentication.tenant &&
                        bucket.name().starts_with(query.prefix) && bucket.name() > query.after;
    if (!wanted) continue;
    truncated = page.size() == query.limit;
    if (truncated) break;
    page.push_back(&bucket);
  }
  co_return co_await respond_xml(request, to_xml(service, query, page, truncated));
}

}  // namespace gabion::gateway::s3
