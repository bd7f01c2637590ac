// GetObjectAttributes: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
#include <algorithm>

#include "common/text.h"
#include "gateway/s3/catalog.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/respond.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kKnown[] = {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"};
constexpr std::uint64_t kPartsMax = 1000;

S3Error invalid(std::string_view name, std::string_view value, std::string text) {
  return S3Error(kInvalidArgument, std::move(text))
      .with("ArgumentName", std::string(name))
      .with("ArgumentValue", std::string(value));
}

S3Result<std::vector<std::string>> read_attributes(const Request& request) {
  constexpr std::string_view kHeader = "x-amz-object-attributes";
  std::vector<std::string> out;
  for (const auto& header : request.head.headers) {
    if (header.name != kHeader) continue;
    for (const std::string_view item : split(header.value, ',')) {
      const std::string_view name = trim(item);
      if (name.empty()) continue;
      if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown)) {
        return invalid(kHeader, header.value, "Invalid attribute name specified.");
      }
      out.emplace_back(name);
    }
  }
  if (!out.empty()) return out;
  return S3Error(kInvalidRequest,
                 "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty");
}

S3Result<std::uint64_t> read_number(const Request& request, std::string_view name, std::uint64_t otherwise) {
  const std::string* text = request.find_header(name);
  if (!text) return otherwise;
  const auto number = parse_u64(*text);
  if (number && *number <= 0x7fffffff) return *number;
  return invalid(name, *text, "Argument must be an integer between 0 and 2147483647");
}

// Parts count from 1 in order, as GetObject's partNumber does.
void write_parts(XmlWriter& xml, const metadata::Object& object, std::uint64_t marker, std::uint64_t limit) {
  const auto& parts = object.manifest.parts();
  const auto count = static_cast<std::uint64_t>(parts.size());
  xml.open("ObjectParts");
  xml.number("PartsCount", count);
  // Without checksums of the parts AWS tells their count alone.
  const bool detailed = !parts.empty() && parts[0].checksum().algorithm() != metadata::CHECKSUM_NONE;
  if (detailed) {
    const std::uint64_t begin = std::min(marker, count);
    const std::uint64_t end = std::min(begin + limit, count);
    xml.number("PartNumberMarker", marker);
    xml.number("NextPartNumberMarker", end);
    xml.number("MaxParts", limit);
    xml.boolean("IsTruncated", end < count);
    for (std::uint64_t i = begin; i < end; ++i) {
      const auto& part = parts[static_cast<int>(i)];
      xml.open("Part");
      xml.number("PartNumber", i + 1);
      xml.number("Size", part.size());
      write_checksum(xml, part.checksum(), 0);
      xml.close("Part");
    }
  }
  xml.close("ObjectParts");
}

void write_checksums(XmlWriter& xml, const metadata::Version& version) {
  if (version.checksum().algorithm() == metadata::CHECKSUM_NONE) return;
  xml.open("Checksum");
  write_checksum(xml, version.checksum(), version.etag_parts());
  write_checksum_type(xml, version.checksum());
  xml.close("Checksum");
}

}  // namespace

task<S3Result<>> get_object_attributes(const Service& service, Request& request) {
  CO_CHECK(check_version_id(request));
  CO_TRY(const auto attributes, read_attributes(request));
  CO_TRY(const auto limit, read_number(request, "x-amz-max-parts", kPartsMax));
  CO_TRY(const auto marker, read_number(request, "x-amz-part-number-marker", 0));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_TRY(const auto object, co_await find_object(service, request, bucket.id(), request.target.key,
                                                 metadata::Metadata::With::manifest));
  const auto wants = [&](std::string_view name) {
    return std::find(attributes.begin(), attributes.end(), name) != attributes.end();
  };
  const metadata::Version& version = object.version;
  XmlWriter xml("GetObjectAttributesResponse");
  if (wants("ETag")) xml.text("ETag", etag_text(version));
  if (wants("Checksum")) write_checksums(xml, version);
  if (wants("ObjectParts") && version.etag_parts() > 0) {
    write_parts(xml, object, marker, std::min(limit, kPartsMax));
  }
  if (wants("StorageClass")) {
    xml.text("StorageClass", version.storage_class().empty() ? "STANDARD" : version.storage_class());
  }
  if (wants("ObjectSize")) xml.number("ObjectSize", version.size());
  request.exchange.set_header("Last-Modified", http_date(version.modified_us()));
  co_return co_await respond_xml(request, std::move(xml).finish());
}

}  // namespace gabion::gateway::s3
