// Between request headers and what a version stores, and back: content headers, user metadata, storage class. Pure but
// for setting headers on the exchange.
#pragma once

#include <string>
#include <string_view>

#include "gateway/s3/request.h"
#include "metadata/records.pb.h"

namespace gabion::gateway::s3 {

inline constexpr std::string_view kDefaultContentType = "binary/octet-stream";
inline constexpr std::size_t kUserMetadataMax = 2 * KiB;  // names and values together

// Reads Content-Type, the stored headers, x-amz-meta-* and the storage class into `version`. MetadataTooLarge,
// InvalidStorageClass, or NotImplemented for a class of AWS's that this cluster does not have.
S3Result<> read_object_headers(const Request& request, metadata::Version& version);
// The storage class alone, for copies that keep the source's metadata.
S3Result<> read_storage_class(const Request& request, metadata::Version& version);

// Sets what GET and HEAD say about a version: ETag, Last-Modified, content headers, metadata, encryption, class. The
// response-* parameters replace content headers.
void set_object_headers(Request& request, const metadata::Version& version);
void set_encryption_header(Request& request);

// User metadata travels as ASCII: other text comes and goes as an encoded word (RFC 2047).
std::string decode_metadata_value(std::string_view value);
std::string encode_metadata_value(std::string_view value);

// InvalidArgument unless versionId is absent or "null", which names the only version there is.
S3Result<> check_version_id(const Request& request);

}  // namespace gabion::gateway::s3
