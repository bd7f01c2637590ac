#include "gateway/s3/auth/body_promise.h"

#include "common/encoding.h"
#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kChecksumPrefix = "x-amz-checksum-";
constexpr std::size_t kMd5Bytes = 16;

S3Result<std::optional<std::uint64_t>> read_length(const http::RequestHead& head, PayloadMode mode,
                                                   const PayloadOptions& options) {
  const bool framed = head.content_length || head.chunked;
  if (!framed && !options.may_be_absent) return S3Error(kMissingContentLength);
  if (is_streaming(mode)) {
    const auto decoded = parse_u64(head.get("x-amz-decoded-content-length"));
    if (!decoded) return S3Error(kMissingContentLength);
    return decoded;
  }
  if (!framed) return std::optional<std::uint64_t>(0);
  if (head.content_length) return head.content_length;
  // HTTP's own chunks do not tell the length; a client that knows it may say so here.
  return parse_u64(head.get("x-amz-decoded-content-length"));
}

S3Result<std::optional<std::string>> read_content_md5(const http::RequestHead& head) {
  const std::string* text = head.find("content-md5");
  if (!text) return std::optional<std::string>();
  auto raw = base64_decode(*text);
  if (!raw || raw->size() != kMd5Bytes) return S3Error(kInvalidDigest).with("Content-MD5", *text);
  return raw;
}

// Headers below x-amz-checksum- that are no checksum.
bool is_about_checksums(std::string_view name) {
  return name == "x-amz-checksum-mode" || name == "x-amz-checksum-algorithm" || name == "x-amz-checksum-type";
}

S3Result<const ChecksumKind*> kind_of_header(std::string_view name) {
  if (const ChecksumKind* kind = checksum_of_header(name)) return kind;
  const auto kind = checksum_of_name(name.substr(kChecksumPrefix.size()));
  if (!kind && kind.error().code == &kNotImplemented) return S3Error(kNotImplemented).with("Header", std::string(name));
  return S3Error(kInvalidRequest, "The algorithm type you specified in x-amz-checksum- header is invalid.");
}

S3Error several_checksums() {
  return S3Error(kInvalidRequest,
                 "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
}

S3Result<void> read_checksum_header(const http::RequestHead& head, BodyPromise& promise) {
  for (const http::Header& header : head.headers) {
    if (!header.name.starts_with(kChecksumPrefix) || is_about_checksums(header.name)) continue;
    TRY(const ChecksumKind* kind, kind_of_header(header.name));
    if (promise.checksum) return several_checksums();
    promise.checksum = kind;
    promise.checksum_value = parse_checksum(*kind, header.value);
    if (promise.checksum_value) continue;
    return S3Error(kInvalidRequest, fmt::format("Value for {} header is invalid.", header.name));
  }
  return {};
}

S3Result<void> read_trailer_header(const http::RequestHead& head, PayloadMode mode, BodyPromise& promise) {
  const std::string* text = head.find("x-amz-trailer");
  if (!text) {
    if (mode != PayloadMode::streaming_signed_trailer) return {};
    return S3Error(kInvalidRequest, "Missing required header for this request: x-amz-trailer");
  }
  if (!has_trailer(mode)) {
    return S3Error(kInvalidRequest, "x-amz-trailer needs an x-amz-content-sha256 that announces a trailer.");
  }
  const std::string name = to_lower(trim(*text));
  if (!name.starts_with(kChecksumPrefix) || is_about_checksums(name)) {
    return S3Error(kInvalidRequest, "The value specified in the x-amz-trailer header is not supported");
  }
  TRY(const ChecksumKind* kind, kind_of_header(name));
  if (promise.checksum) return several_checksums();
  promise.checksum = kind;
  promise.checksum_in_trailer = true;
  return {};
}

S3Result<void> check_sdk_algorithm(const http::RequestHead& head, const BodyPromise& promise) {
  const std::string* name = head.find("x-amz-sdk-checksum-algorithm");
  if (!name) return {};
  TRY(const ChecksumKind* kind, checksum_of_name(*name));
  if (!promise.checksum) {
    return S3Error(kInvalidRequest,
                   "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
                   "headers were found.");
  }
  if (kind == promise.checksum) return {};
  return S3Error(kInvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
}

}  // namespace

bool is_streaming(PayloadMode mode) {
  return mode == PayloadMode::streaming_signed || has_trailer(mode);
}

bool has_trailer(PayloadMode mode) {
  return mode == PayloadMode::streaming_signed_trailer || mode == PayloadMode::streaming_unsigned_trailer;
}

S3Result<BodyPromise> read_body_promise(const http::RequestHead& head, PayloadMode mode, const PayloadOptions& options) {
  BodyPromise promise;
  TRY(promise.length, read_length(head, mode, options));
  TRY(promise.content_md5, read_content_md5(head));
  if (!options.checksum_is_of_object) TRY_OK(read_checksum_header(head, promise));
  TRY_OK(read_trailer_header(head, mode, promise));
  if (!options.checksum_is_of_object) TRY_OK(check_sdk_algorithm(head, promise));
  return promise;
}

}  // namespace gabion::gateway::s3
