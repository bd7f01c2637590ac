// What the multipart operations share: upload ids, and finding an upload and its parts. References must outlive the
// tasks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/s3/request.h"
#include "gateway/s3/service.h"

namespace gabion::gateway::s3 {

inline constexpr std::uint64_t kPartBytesMin = 5 * MiB;  // of every part but the last
inline constexpr std::uint64_t kObjectBytesMax = 5 * TiB;

// Opaque to clients and unguessable. Ids sort by the time they were made, as listings of uploads do.
std::string new_upload_id(Clock& clock, Rng& rng);
// Whether new_upload_id() could have made it.
bool is_upload_id(std::string_view text);

// The upload that the request names. NoSuchUpload when there is none of this id and key.
task<S3Result<metadata::Upload>> find_upload(const Service& service, const Request& request,
                                             metadata::BucketId bucket);

// A page of the parts of the upload that the request names, with the upload.
task<S3Result<metadata::PartPage>> find_part_page(const Service& service, const Request& request,
                                                  metadata::BucketId bucket, std::uint32_t after, std::size_t limit);
// All parts of the upload that the request names.
struct UploadParts {
  UploadParts() = default;
  metadata::Upload upload;
  std::vector<metadata::Part> parts;  // ascending by number
};
task<S3Result<UploadParts>> find_parts(const Service& service, const Request& request, metadata::BucketId bucket);

// What a part without a checksum of the client's gets: the upload's, or AWS's default.
metadata::ChecksumAlgorithm part_checksum(const metadata::Upload& upload);
// InvalidRequest when the part has another algorithm than its upload was created with.
S3Result<> check_part_checksum(const metadata::Upload& upload, const metadata::Checksum& checksum);

}  // namespace gabion::gateway::s3
