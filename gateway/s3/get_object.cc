// GetObject and HeadObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
#include "common/text.h"
#include "gateway/s3/catalog.h"
#include "gateway/s3/checksums.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/numbers.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/operations.h"
#include "gateway/s3/range.h"

namespace gabion::gateway::s3 {
namespace {

// Bodies up to this size are read before the head is sent: one write to the client, and a failure is a clean error.
constexpr std::uint64_t kBufferedMax = 64 * KiB;

// What to answer: which bytes, with which status, and the checksum of exactly these bytes where one is known.
struct Selection {
  Selection() = default;
  ByteRange range;
  int status = 200;
  std::uint32_t parts_count = 0;  // of a multipart object that was asked for by part number
  metadata::Checksum checksum;
  std::uint32_t checksum_parts = 0;
};

S3Result<Selection> select_part(const Request& request, const metadata::Object& object) {
  TRY(const std::uint32_t number, parse_part_number(request.parameter("partNumber")));
  const auto& parts = object.manifest.parts();
  const bool multipart = object.version.etag_parts() > 0 && !parts.empty();
  const auto count = multipart ? static_cast<std::uint32_t>(parts.size()) : 1;
  if (number > count) {
    return S3Error(kInvalidPartNumber)
        .with("PartNumberRequested", std::to_string(number))
        .with("ActualPartCount", std::to_string(count));
  }
  Selection out;
  out.status = 206;
  out.range = ByteRange(0, object.version.size());
  out.checksum = object.version.checksum();
  if (!multipart) return out;
  // Parts count from 1 in order, whatever numbers they were uploaded under.
  for (std::uint32_t i = 0; i + 1 < number; ++i) out.range.offset += parts[static_cast<int>(i)].size();
  out.range.length = parts[static_cast<int>(number - 1)].size();
  out.checksum = parts[static_cast<int>(number - 1)].checksum();
  out.parts_count = count;
  return out;
}

S3Result<Selection> select_bytes(const Request& request, const metadata::Object& object) {
  const std::string* range = request.find_header("range");
  if (request.has_parameter("partNumber")) {
    if (range) return S3Error(kInvalidRequest, "Cannot specify both Range header and partNumber query parameter");
    return select_part(request, object);
  }
  Selection out;
  if (range && range_applies(request, object.version)) {
    TRY(const auto asked, parse_range(*range, object.version.size()));
    if (asked) {
      out.range = *asked;
      out.status = 206;
      return out;
    }
  }
  out.range = ByteRange(0, object.version.size());
  out.checksum = object.version.checksum();
  out.checksum_parts = object.version.etag_parts();
  return out;
}

void set_head(Request& request, const metadata::Version& version, const Selection& selection) {
  set_object_headers(request, version);
  if (equals_ignoring_case(request.header("x-amz-checksum-mode"), "ENABLED")) {
    set_checksum_headers(request, selection.checksum, selection.checksum_parts);
  }
  if (selection.status == 206 && selection.range.length > 0) {
    request.exchange.set_header("Content-Range", content_range(selection.range, version.size()));
  }
  if (selection.parts_count > 0) {
    request.exchange.set_header("x-amz-mp-parts-count", std::to_string(selection.parts_count));
  }
}

task<Result<std::string>> read_all(data::Reader& reader, std::size_t expected) {
  std::string out;
  out.reserve(expected);
  while (true) {
    CO_TRY(const Bytes piece, co_await reader.next());
    if (piece.empty()) co_return out;
    out.append(piece.text());
  }
}

// Sends the bytes as they come. The first piece is read before the head is sent, so that an object that cannot be read is
// an error and not a broken body; a failure after that can only end the connection.
task<S3Result<>> send_stream(Request& request, data::Reader& reader, const metadata::Version& version,
                             const Selection& selection) {
  auto piece = co_await reader.next();
  if (!piece) co_return failure(request, piece.error());
  set_head(request, version, selection);
  auto sent = co_await request.exchange.begin(selection.status, selection.range.length);
  while (sent && piece && !piece->empty()) {
    sent = co_await request.exchange.write(*piece);
    if (sent) piece = co_await reader.next();
  }
  if (!piece) failure(request, piece.error());
  co_return S3Result<>();
}

task<S3Result<>> send_body(const Service& service, Request& request, metadata::Object object, Selection selection) {
  const std::uint64_t length = selection.range.length;
  std::string body;
  if (length > 0) {
    auto reader = co_await service.data.read(request.context, object.group, object.version.manifest(), std::move(object.manifest),
                                             selection.range.offset, length);
    if (!reader) co_return failure(request, reader.error());
    if (length > kBufferedMax) co_return co_await send_stream(request, **reader, object.version, selection);
    auto read = co_await read_all(**reader, length);
    if (!read) co_return failure(request, read.error());
    body = *std::move(read);
  }
  set_head(request, object.version, selection);
  co_await request.exchange.respond(selection.status, std::move(body));
  co_return S3Result<>();
}

// Whether the answer is complete: nothing was modified, so only headers go out.
task<S3Result<bool>> answer_not_modified(const Service& service, Request& request, const metadata::Version& version) {
  CO_TRY(const ReadOutcome outcome, check_read_conditions(request, version, service.clock.wall()));
  if (outcome == ReadOutcome::proceed) co_return false;
  request.exchange.set_header("ETag", quoted(etag_text(version)));
  request.exchange.set_header("Last-Modified", http_date(version.modified_us()));
  co_await request.exchange.respond(304, {});
  co_return true;
}

task<S3Result<>> answer(const Service& service, Request& request, bool with_body) {
  CO_CHECK(check_version_id(request));
  CO_TRY(const metadata::Bucket bucket, co_await find_bucket(service, request));
  const bool needs_manifest = with_body || request.has_parameter("partNumber");
  CO_TRY(metadata::Object object,
         co_await find_object(service, request, bucket.id(), request.target.key,
                              needs_manifest ? metadata::Metadata::With::manifest : metadata::Metadata::With::version));
  CO_TRY(const bool done, co_await answer_not_modified(service, request, object.version));
  if (done) co_return S3Result<>();
  CO_TRY(const Selection selection, select_bytes(request, object));
  if (with_body) co_return co_await send_body(service, request, std::move(object), selection);
  set_head(request, object.version, selection);
  co_await request.exchange.begin(selection.status, selection.range.length);
  co_return S3Result<>();
}

}  // namespace

task<S3Result<>> get_object(const Service& service, Request& request) {
  co_return co_await answer(service, request, true);
}

task<S3Result<>> head_object(const Service& service, Request& request) {
  co_return co_await answer(service, request, false);
}

}  // namespace gabion::gateway::s3
