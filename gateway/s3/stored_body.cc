#include "gateway/s3/stored_body.h"

#include "common/check.h"
#include "gateway/s3/catalog.h"

namespace gabion::gateway::s3 {
namespace {

S3Error too_large(std::uint64_t proposed) {
  return S3Error(kEntityTooLarge)
      .with("ProposedSize", std::to_string(proposed))
      .with("MaxSizeAllowed", std::to_string(kUploadBytesMax));
}

}  // namespace

S3Result<std::unique_ptr<Payload>> open_upload(const Service& service, Request& request,
                                               metadata::ChecksumAlgorithm default_checksum) {
  PayloadOptions options;
  options.default_checksum = default_checksum;
  options.compute_md5 = true;
  if (service.md5_lanes) options.lanes = service.md5_lanes();
  TRY(auto payload, Payload::open(request.exchange, request.authentication, options));
  if (payload->length().value_or(0) > kUploadBytesMax) return too_large(*payload->length());
  return payload;
}

task<S3Result<StoredBody>> store_body(const Service& service, const Request& request,
                                      std::unique_ptr<Payload> payload) {
  StoredBody out;
  // The writer comes before the first byte, so that a node short of memory answers before the client sends anything.
  if (payload->length() != 0u) {
    auto writer = co_await service.data.write(request.context, payload->length());
    if (!writer) co_return failure(request, writer.error());
    out.writer = *std::move(writer);
  }
  while (true) {
    CO_TRY(const ByteView piece, co_await payload->next());
    if (piece.empty()) break;
    out.size += piece.size();
    if (out.size > kUploadBytesMax) co_return too_large(out.size);
    GABION_CHECK(out.writer, "a body of no bytes has bytes");
    auto appended = co_await out.writer->append(piece);
    if (!appended) co_return failure(request, appended.error());
  }
  out.md5 = payload->md5();
  out.checksum = payload->checksum();
  if (out.size == 0) {
    out.writer.reset();
    co_return out;
  }
  auto written = co_await out.writer->finish();
  if (!written) co_return failure(request, written.error());
  out.written = *std::move(written);
  co_return out;
}

}  // namespace gabion::gateway::s3
