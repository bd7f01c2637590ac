// ListMultipartUploads: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
#include "gateway/s3/catalog.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/listing.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/owner.h"
#include "gateway/s3/respond.h"

namespace gabion::gateway::s3 {
namespace {

struct Markers {
  Markers() = default;
  std::string key;
  std::string upload_id;
};

void write_upload(XmlWriter& xml, const metadata::Upload& upload, KeyEncoding encoding, const Options& options) {
  xml.open("Upload");
  write_name(xml, "Key", upload.key(), encoding);
  xml.text("UploadId", upload.id());
  xml.open("Initiator");
  xml.raw(identity_markup(options));
  xml.close("Initiator");
  write_owner(xml, options);
  xml.text("StorageClass", "STANDARD");
  xml.date("Initiated", upload.initiated_us() / 1000000 * 1000000);
  if (const ChecksumKind* kind = checksum_kind(upload.checksum_algorithm())) {
    xml.text("ChecksumAlgorithm", kind->name);
    xml.text("ChecksumType", checksum_type(upload.checksum_composite()));
  }
  xml.close("Upload");
}

std::string to_xml(const Service& service, const Request& request, const ListingQuery& query, const Markers& markers,
                   const metadata::UploadPage& page) {
  XmlWriter xml("ListMultipartUploadsResult", XmlWriter::Namespace::s3, 1024 + page.uploads.size() * 512);
  xml.text("Bucket", request.target.bucket);
  write_name(xml, "KeyMarker", markers.key, query.encoding);
  xml.text("UploadIdMarker", markers.upload_id);
  write_name(xml, "NextKeyMarker", page.next_key_marker, query.encoding);
  xml.text("NextUploadIdMarker", page.next_upload_id_marker);
  write_name(xml, "Prefix", query.prefix, query.encoding);
  if (!query.delimiter.empty()) write_name(xml, "Delimiter", query.delimiter, query.encoding);
  xml.number("MaxUploads", query.limit);
  xml.boolean("IsTruncated", page.truncated);
  if (query.encoding == KeyEncoding::url) xml.text("EncodingType", "url");
  for (const auto& upload : page.uploads) write_upload(xml, upload, query.encoding, service.options);
  write_common_prefixes(xml, page.common_prefixes, query.encoding);
  return std::move(xml).finish();
}

task<S3Result<metadata::UploadPage>> read_page(const Service& service, const Request& request,
                                               metadata::BucketId bucket, const ListingQuery& query,
                                               const Markers& markers) {
  if (query.limit == 0) co_return metadata::UploadPage();
  metadata::ListUploadsRequest list;
  list.bucket = bucket;
  list.prefix = query.prefix;
  list.delimiter = query.delimiter;
  list.key_marker = markers.key;
  list.upload_id_marker = markers.upload_id;
  list.limit = query.limit;
  auto page = co_await service.metadata.list_uploads(request.context, std::move(list));
  if (!page) co_return failure(request, page.error());
  co_return *std::move(page);
}

}  // namespace

task<S3Result<>> list_multipart_uploads(const Service& service, Request& request) {
  CO_TRY(const ListingQuery query, read_listing_query(request, "max-uploads"));
  Markers markers;
  CO_TRY(markers.key, read_position(request, "key-marker"));
  // Without a key the id has no meaning.
  if (!markers.key.empty()) {
    CO_TRY(markers.upload_id, read_position(request, "upload-id-marker"));
  }
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  CO_TRY(const auto page, co_await read_page(service, request, bucket.id(), query, markers));
  co_return co_await respond_xml(request, to_xml(service, request, query, markers, page));
}

}  // namespace gabion::gateway::s3
