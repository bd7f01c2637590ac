// ListObjects and ListObjectsV2: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/listing.h"
#include "gateway/s3/numbers.h"
#include "gateway/s3/opaque_token.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/respond.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::size_t kEntryBytes = 320;  // what a key takes in XML, about

task<S3Result<metadata::ObjectPage>> read_page(const Service& service, const Request& request,
                                               metadata::BucketId bucket, const ListingQuery& query,
                                               std::string after) {
  if (query.limit == 0) co_return metadata::ObjectPage();
  metadata::ListRequest list;
  list.bucket = bucket;
  list.prefix = query.prefix;
  list.delimiter = query.delimiter;
  list.after = std::move(after);
  list.limit = query.limit;
  auto page = co_await service.metadata.list_objects(request.context, std::move(list));
  if (!page) co_return failure(request, page.error());
  co_return *std::move(page);
}

XmlWriter begin_result(const Request& request, const ListingQuery& query, const metadata::ObjectPage& page) {
  XmlWriter xml("ListBucketResult", XmlWriter::Namespace::s3, 1024 + page.objects.size() * kEntryBytes);
  xml.text("Name", request.target.bucket);
  write_name(xml, "Prefix", query.prefix, query.encoding);
  return xml;
}

void write_tail(XmlWriter& xml, const ListingQuery& query, const metadata::ObjectPage& page) {
  xml.number("MaxKeys", query.limit);
  if (!query.delimiter.empty()) write_name(xml, "Delimiter", query.delimiter, query.encoding);
  xml.boolean("IsTruncated", page.truncated);
  if (query.encoding == KeyEncoding::url) xml.text("EncodingType", "url");
}

struct V2Query {
  V2Query() = default;
  std::string start_after;
  std::optional<std::string> token;
  std::string after;
  bool fetch_owner = false;
};

S3Result<V2Query> read_v2_query(const Request& request) {
  V2Query out;
  if (request.parameter("list-type") != "2") {
    return S3Error(kInvalidArgument, "Invalid List Type specified in Request")
        .with("ArgumentName", "list-type")
        .with("ArgumentValue", std::string(request.parameter("list-type")));
  }
  TRY(out.start_after, read_position(request, "start-after"));
  out.after = out.start_after;
  out.fetch_owner = request.parameter("fetch-owner") == "true";
  if (const std::string* token = request.find_parameter("continuation-token")) {
    out.token = *token;
    if (!token->empty()) {
      TRY(out.after, decode_token(*token));
    }
  }
  return out;
}

}  // namespace

task<S3Result<>> list_objects(const Service& service, Request& request) {
  CO_TRY(const ListingQuery query, read_listing_query(request, "max-keys"));
  CO_TRY(const std::string marker, read_position(request, "marker"));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_TRY(const auto page, co_await read_page(service, request, bucket.id(), query, marker));
  XmlWriter xml = begin_result(request, query, page);
  write_name(xml, "Marker", marker, query.encoding);
  write_tail(xml, query, page);
  // Without a delimiter clients go on from the last key.
  if (page.truncated && !query.delimiter.empty()) write_name(xml, "NextMarker", page.last, query.encoding);
  write_objects(xml, page.objects, query.encoding, &service.options);
  write_common_prefixes(xml, page.common_prefixes, query.encoding);
  request.exchange.set_header("x-amz-bucket-region", service.options.region);
  co_return co_await respond_xml(request, std::move(xml).finish());
}

task<S3Result<>> list_objects_v2(const Service& service, Request& request) {
  CO_TRY(const ListingQuery query, read_listing_query(request, "max-keys"));
  CO_TRY(const V2Query v2, read_v2_query(request));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_TRY(const auto page, co_await read_page(service, request, bucket.id(), query, v2.after));
  XmlWriter xml = begin_result(request, query, page);
  if (request.has_parameter("start-after")) write_name(xml, "StartAfter", v2.start_after, query.encoding);
  if (v2.token) xml.text("ContinuationToken", *v2.token);
  xml.number("KeyCount", page.objects.size() + page.common_prefixes.size());
  write_tail(xml, query, page);
  if (page.truncated) xml.text("NextContinuationToken", encode_token(page.last));
  write_objects(xml, page.objects, query.encoding, v2.fetch_owner ? &service.options : nullptr);
  write_common_prefixes(xml, page.common_prefixes, query.encoding);
  request.exchange.set_header("x-amz-bucket-region", service.options.region);
  co_return co_await respond_xml(request, std::move(xml).finish());
}

}  // namespace gabion::gateway::s3
