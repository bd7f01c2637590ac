// StoredBody is the body of an upload on its way to the drives: read, verified, digested and written in one pass. Nothing
// of it is visible until its manifest is committed (commit_written in catalog.h); dropped before, its blocks go away.
#pragma once

#include <memory>

#include "gateway/s3/request.h"
#include "gateway/s3/service.h"

namespace gabion::gateway::s3 {

inline constexpr std::uint64_t kUploadBytesMax = 5 * GiB;  // of one PUT and one part

struct StoredBody {
  StoredBody() = default;
  std::unique_ptr<data::Writer> writer;  // nullptr for an empty body
  data::Written written;                 // no blocks and no inline data for an empty body
  std::uint64_t size = 0;
  std::string md5;  // raw
  metadata::Checksum checksum;
};

// Opens the payload, which checks its headers. EntityTooLarge when the head tells already.
S3Result<std::unique_ptr<Payload>> open_upload(const Service& service, Request& request,
                                               metadata::ChecksumAlgorithm default_checksum);
// Reads the payload to its verified end into the data store.
task<S3Result<StoredBody>> store_body(const Service& service, const Request& request,
                                      std::unique_ptr<Payload> payload);

}  // namespace gabion::gateway::s3
