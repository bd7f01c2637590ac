// ListParts: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
#include <algorithm>

#include "common/text.h"
#include "gateway/s3/catalog.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/listing.h"
#include "gateway/s3/numbers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/owner.h"
#include "gateway/s3/respond.h"
#include "gateway/s3/uploads.h"

namespace gabion::gateway::s3 {
namespace {

struct PartsQuery {
  PartsQuery() = default;
  std::uint32_t marker = 0;
  std::size_t limit = 0;
  KeyEncoding encoding = KeyEncoding::xml;
};

S3Result<PartsQuery> read_query(const Request& request) {
  PartsQuery out;
  TRY(const auto listing, read_listing_query(request, "max-parts"));
  out.limit = listing.limit;
  out.encoding = listing.encoding;
  const std::string_view marker = request.parameter("part-number-marker");
  if (marker.empty()) return out;
  const auto number = parse_u64(marker);
  if (!number || *number > 0x7fffffff) {
    return S3Error(kInvalidArgument, "Provided part-number-marker not an integer or within integer range")
        .with("ArgumentName", "part-number-marker")
        .with("ArgumentValue", std::string(marker));
  }
  out.marker = static_cast<std::uint32_t>(*number);
  return out;
}

void write_part(XmlWriter& xml, const metadata::Part& part) {
  xml.open("Part");
  xml.number("PartNumber", part.number());
  xml.date("LastModified", part.modified_us() / 1000000 * 1000000);
  xml.text("ETag", quoted(etag_text(part.md5(), 0)));
  xml.number("Size", part.size());
  write_checksum(xml, part.checksum(), 0);
  xml.close("Part");
}

std::string to_xml(const Service& service, const Request& request, const PartsQuery& query,
                   const metadata::PartPage& page) {
  XmlWriter xml("ListPartsResult", XmlWriter::Namespace::s3, 1024 + page.parts.size() * 256);
  xml.text("Bucket", request.target.bucket);
  write_name(xml, "Key", request.target.key, query.encoding);
  xml.text("UploadId", page.upload.id());
  xml.open("Initiator");
  xml.raw(identity_markup(service.options));
  xml.close("Initiator");
  write_owner(xml, service.options);
  xml.text("StorageClass", "STANDARD");
  xml.number("PartNumberMarker", query.marker);
  xml.number("NextPartNumberMarker", page.parts.empty() ? 0 : page.parts.back().number());
  xml.number("MaxParts", query.limit);
  xml.boolean("IsTruncated", page.truncated);
  if (const ChecksumKind* kind = checksum_kind(page.upload.checksum_algorithm())) {
    xml.text("ChecksumAlgorithm", kind->name);
    xml.text("ChecksumType", checksum_type(page.upload.checksum_composite()));
  }
  for (const auto& part : page.parts) write_part(xml, part);
  return std::move(xml).finish();
}

}  // namespace

task<S3Result<>> list_parts(const Service& service, Request& request) {
  CO_TRY(const PartsQuery query, read_query(request));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  // An empty page still has to know that the upload exists.
  const std::size_t limit = std::max<std::size_t>(query.limit, 1);
  CO_TRY(auto page, co_await find_part_page(service, request, bucket.id(), query.marker, limit));
  if (query.limit == 0) {
    page.parts.clear();
    page.truncated = false;
  }
  co_return co_await respond_xml(request, to_xml(service, request, query, page));
}

}  // namespace gabion::gateway::s3
