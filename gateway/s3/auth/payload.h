// Payload is the body of a request as the client meant it: aws-chunked framing removed, chunk and trailer signatures,
// the payload hash, Content-MD5 and x-amz-checksum-* verified, MD5 and checksum computed, all in one pass. Nothing read
// from it may become visible before next() has returned the empty end: only then everything is verified.
// Belongs to one task.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "gateway/http/exchange.h"
#include "gateway/s3/auth/authenticate.h"
#include "gateway/s3/error.h"
#include "metadata/records.pb.h"

namespace gabion::gateway::s3 {

class Md5Lanes;  // md5_lanes.h: many MD5 streams at once on one core

struct PayloadOptions {
  PayloadOptions() = default;
  // Computed when the client sends no checksum of its own. CRC64NVME for objects, as AWS does; CHECKSUM_NONE for none.
  metadata::ChecksumAlgorithm default_checksum = metadata::CHECKSUM_NONE;
  bool compute_md5 = false;
  // A request with neither Content-Length nor chunks has an empty body (CreateBucket); otherwise MissingContentLength.
  bool may_be_absent = false;
  // The x-amz-checksum-* header is not of this body: CompleteMultipartUpload sends that of the finished object.
  bool checksum_is_of_object = false;
  Md5Lanes* lanes = nullptr;  // the thread's; nullptr computes MD5 alone
};

class Payload {
 public:
  // Checks the headers that concern the body (Content-MD5, x-amz-checksum-*, x-amz-sdk-checksum-algorithm,
  // x-amz-trailer, x-amz-decoded-content-length) without reading it. `exchange` must outlive the payload.
  static S3Result<std::unique_ptr<Payload>> open(http::Exchange& exchange, const Authentication& authentication,
                                                 PayloadOptions options);
  virtual ~Payload() = default;

  // Decoded bytes to come, when the head tells.
  virtual std::optional<std::uint64_t> length() const = 0;
  // The next decoded bytes, valid until the next call; empty at the verified end.
  virtual task<S3Result<ByteView>> next() = 0;
  // The whole body of at most `limit` bytes, verified. MaxMessageLengthExceeded past it.
  virtual task<S3Result<std::string>> read_all(std::size_t limit) = 0;

  // After the end:
  virtual std::uint64_t size() const = 0;
  virtual const std::string& md5() const = 0;                  // 16 raw bytes; empty unless compute_md5
  virtual const metadata::Checksum& checksum() const = 0;      // the client's or the default one
  virtual bool has_client_checksum() const = 0;                // Content-MD5 or x-amz-checksum-* was sent
};

}  // namespace gabion::gateway::s3
