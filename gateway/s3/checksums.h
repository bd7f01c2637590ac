// Object checksums where S3 shows them: response headers, XML, and the checksum of a multipart object from those of its
// parts. auth/checksum.h computes them. Pure but for setting headers.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/s3/auth/checksum.h"
#include "gateway/s3/request.h"
#include "gateway/s3/xml.h"
#include "metadata/records.pb.h"

namespace gabion::gateway::s3 {

std::string checksum_text(std::string_view raw);  // base64
// Base64, and "-N" behind it for the composite checksum of N parts.
std::string checksum_text(const metadata::Checksum& checksum, std::uint32_t parts);
std::string_view checksum_type(bool composite);  // "FULL_OBJECT" or "COMPOSITE"

// What a multipart object may have: CRC64NVME only of all its bytes, the digests only of its parts' values.
bool can_be_composite(const ChecksumKind& kind);
bool can_be_full_object(const ChecksumKind& kind);

// Adds x-amz-checksum-* and x-amz-checksum-type to the response. Nothing without a checksum.
void set_checksum_headers(Request& request, const metadata::Checksum& checksum, std::uint32_t parts);
// <ChecksumCRC32> and the like; nothing without a checksum.
void write_checksum(XmlWriter& xml, const metadata::Checksum& checksum, std::uint32_t parts);
void write_checksum_type(XmlWriter& xml, const metadata::Checksum& checksum);

// The checksum that an element such as <ChecksumCRC32> inside `element` gives. InvalidRequest when its value is not of
// its algorithm. Without one, the algorithm is CHECKSUM_NONE.
S3Result<metadata::Checksum> read_checksum(const XmlElement& element);

// Of the whole object. None when the parts' checksums are not all of `algorithm`, or it is a digest and not composite.
metadata::Checksum combine_checksums(metadata::ChecksumAlgorithm algorithm, bool composite,
                                     const std::vector<metadata::Part>& parts);

}  // namespace gabion::gateway::s3
