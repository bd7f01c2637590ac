#include "gateway/s3/auth/authenticate.h"

#include <algorithm>
#include <array>

#include "common/text.h"
#include "gateway/s3/auth/mechanisms.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kPayloadModes =
    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.";

// Headers that decide what is verified. A second one could be read by one layer and the first by another.
constexpr std::array<std::string_view, 5> kSingleHeaders = {
    "authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-decoded-content-length", "x-amz-security-token"};

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

S3Result<void> check_single_headers(const http::RequestHead& head) {
  for (const std::string_view name : kSingleHeaders) {
    const auto same = [&](const http::Header& header) { return header.name == name; };
    if (std::count_if(head.headers.begin(), head.headers.end(), same) <= 1) continue;
    return S3Error(kInvalidRequest, "The header " + std::string(name) + " may be sent only once.");
  }
  return {};
}

bool has_any(const RequestTarget& target, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return target.find(name) != nullptr; });
}

S3Error several_mechanisms(std::string_view authorization) {
  return S3Error(kInvalidArgument,
                 "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
                 "parameter or the Authorization header should be specified")
      .with("ArgumentName", "Authorization")
      .with("ArgumentValue", std::string(authorization));
}

// Temporary credentials are not issued here, so a token can only be a mistake.
S3Result<void> refuse_token(const SignedRequest& request) {
  if (request.head.find("x-amz-security-token") || request.target.find("X-Amz-Security-Token") ||
      request.target.find("x-amz-security-token")) {
    return S3Error(kInvalidToken);
  }
  return {};
}

S3Result<Authentication> authenticate_nobody(const SignedRequest& request) {
  Authentication out;
  out.anonymous = true;
  TRY_OK(set_uncovered_payload_mode(request.head, out));
  return out;
}

// A body in aws-chunked framing whose sender has no x-amz-content-sha256 to say so: botocore with SigV2 or unsigned.
bool is_aws_chunked(const http::RequestHead& head) {
  const auto encodings = split(head.get("content-encoding"), ',');
  const auto named = [](std::string_view token) { return equals_ignoring_case(trim(token), "aws-chunked"); };
  return head.find("x-amz-decoded-content-length") && std::any_of(encodings.begin(), encodings.end(), named);
}

}  // namespace

S3Result<void> set_payload_mode(std::string_view value, Authentication& out) {
  if (value == "UNSIGNED-PAYLOAD") {
    out.payload = PayloadMode::unsigned_payload;
  } else if (value == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") {
    out.payload = PayloadMode::streaming_signed;
  } else if (value == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") {
    out.payload = PayloadMode::streaming_signed_trailer;
  } else if (value == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
    out.payload = PayloadMode::streaming_unsigned_trailer;
  } else if (value == "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD" ||
             value == "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER") {
    return S3Error(kNotImplemented).with("Header", "x-amz-content-sha256");
  } else if (value.size() == 64 && is_lower_hex(value)) {
    out.payload = PayloadMode::signed_hash;
    out.payload_hash = value;
  } else {
    return S3Error(kInvalidArgument, std::string(kPayloadModes))
        .with("ArgumentName", "x-amz-content-sha256")
        .with("ArgumentValue", std::string(value));
  }
  return {};
}

S3Result<void> set_uncovered_payload_mode(const http::RequestHead& head, Authentication& out) {
  const std::string* value = head.find("x-amz-content-sha256");
  if (!value) {
    out.payload = is_aws_chunked(head) ? PayloadMode::streaming_unsigned_trailer : PayloadMode::unsigned_payload;
    return {};
  }
  TRY_OK(set_payload_mode(*value, out));
  if (out.payload == PayloadMode::streaming_signed || out.payload == PayloadMode::streaming_signed_trailer) {
    return S3Error(kInvalidRequest, "Signed chunks need a request that is signed with AWS4-HMAC-SHA256.");
  }
  return {};
}

S3Error unknown_access_key(std::string_view access_key) {
  return S3Error(kInvalidAccessKeyId).with("AWSAccessKeyId", std::string(access_key));
}

S3Error signature_does_not_match(std::string_view access_key, std::string_view provided, std::string text) {
  std::string bytes = spaced_hex(text);
  return S3Error(kSignatureDoesNotMatch)
      .with("AWSAccessKeyId", std::string(access_key))
      .with("StringToSign", std::move(text))
      .with("SignatureProvided", std::string(provided))
      .with("StringToSignBytes", std::move(bytes));
}

S3Result<void> check_skew(const SignedRequest& request, WallMicros at, std::string_view sent) {
  const WallMicros apart = at > request.now ? at - request.now : request.now - at;
  const auto allowed = std::chrono::duration_cast<std::chrono::microseconds>(request.config.max_skew).count();
  if (apart <= static_cast<WallMicros>(allowed)) return {};
  return S3Error(kRequestTimeTooSkewed)
      .with("RequestTime", std::string(sent))
      .with("ServerTime", iso_date(request.now))
      .with("MaxAllowedSkewMilliseconds", std::to_string(allowed / 1000));
}

std::string spaced_hex(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size() * 3);
  for (const char c : text) {
    if (!out.empty()) out.push_back(' ');
    out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

S3Result<Authentication> authenticate(const http::RequestHead& head, const CredentialSource& credentials,
                                      const AuthConfig& config, WallMicros now) {
  TRY(const RequestTarget target, RequestTarget::parse(head.target));
  TRY_OK(check_single_headers(head));
  const SignedRequest request{head, target, credentials, config, now};
  const std::string* authorization = head.find("authorization");
  const bool v4_query = has_any(target, {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"});
  const bool v2_query = has_any(target, {"AWSAccessKeyId", "Signature"});
  if ((authorization != nullptr) + v4_query + v2_query > 1) {
    return several_mechanisms(authorization ? std::string_view(*authorization) : std::string_view());
  }
  if (!authorization && !v4_query && !v2_query) return authenticate_nobody(request);
  TRY_OK(refuse_token(request));
  if (v4_query) return authenticate_v4_query(request);
  if (v2_query) return authenticate_v2_query(request);
  const std::string_view text = *authorization;
  if (text.starts_with("AWS4-HMAC-SHA256")) return authenticate_v4_header(request, text);
  if (text.starts_with("AWS4-ECDSA-P256-SHA256")) return S3Error(kNotImplemented).with("Header", "Authorization");
  if (text.starts_with("AWS ")) return authenticate_v2_header(request, text);
  return S3Error(kInvalidArgument, "Unsupported Authorization Type")
      .with("ArgumentName", "Authorization")
      .with("ArgumentValue", std::string(text));
}

}  // namespace gabion::gateway::s3
