// Signature Version 4, in the Authorization header and in the query of a presigned URL.
// Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, sigv4-query-string-auth.html
#include <algorithm>

#include "common/digest.h"
#include "common/text.h"
#include "gateway/s3/auth/mechanisms.h"
#include "gateway/s3/auth/signing.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::string_view kCredentialForm = "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request";
constexpr std::uint64_t kExpiresMax = 604800;  // a week, in seconds
constexpr std::uint64_t kMicros = 1000000;

// What a request says of its signature, in either place.
struct Claim {
  std::string_view access_key, date, region, service, terminal;
  std::string_view scope;  // all of these but the access key
  std::string_view signed_headers;
  std::string_view signature;
  std::string timestamp;
  std::string_view payload_hash;
  std::string_view left_out;  // the query parameter that the signature does not cover
};

// How each place words its complaints.
struct Wording {
  const ErrorCode& code;
  std::string_view credential_prefix;
  std::string_view date_prefix;
  S3Error credential(std::string_view text) const {
    return S3Error(code, std::string(credential_prefix).append(text));
  }
};

constexpr Wording kInHeader{kAuthorizationHeaderMalformed, "The authorization header is malformed; ",
                            "The authorization header is malformed; "};
constexpr Wording kInQuery{kAuthorizationQueryParametersError, "Error parsing the X-Amz-Credential parameter; ", ""};

// "AK/20130524/us-east-1/s3/aws4_request", read from the right: an access key may hold a '/'.
bool split_credential(std::string_view credential, Claim& claim) {
  std::size_t end = credential.size();
  for (std::string_view* part : {&claim.terminal, &claim.service, &claim.region, &claim.date}) {
    const auto slash = credential.substr(0, end).rfind('/');
    if (slash == std::string_view::npos) return false;
    *part = credential.substr(slash + 1, end - slash - 1);
    end = slash;
  }
  claim.access_key = credential.substr(0, end);
  claim.scope = credential.substr(end + 1);
  return !claim.access_key.empty();
}

bool is_our_region(std::string_view region, const AuthConfig& config) {
  return region == config.region || region == "us-east-1" || region == "US";
}

S3Result<void> check_credential(std::string_view credential, const AuthConfig& config, const Wording& wording,
                                Claim& claim) {
  if (!split_credential(credential, claim)) {
    return wording.credential(fmt::format("the Credential is mal-formed; expecting \"{}\".", kCredentialForm));
  }
  const bool is_date = claim.date.size() == 8 && parse_u64(claim.date);
  if (!is_date) {
    return wording.credential(fmt::format(
        "incorrect date format \"{}\". This date in the credential must be in the format \"yyyyMMdd\".", claim.date));
  }
  if (!is_our_region(claim.region, config)) {
    return wording.credential(fmt::format("the region '{}' is wrong; expecting '{}'", claim.region, config.region))
        .with("Region", config.region);
  }
  if (claim.service != "s3") {
    return wording.credential(fmt::format("incorrect service \"{}\". This endpoint belongs to \"s3\".", claim.service));
  }
  if (claim.terminal != "aws4_request") {
    return wording.credential(
        fmt::format("incorrect terminal \"{}\". This endpoint uses \"aws4_request\".", claim.terminal));
  }
  return {};
}

S3Result<void> check_scope_day(const Claim& claim, const Wording& wording) {
  const std::string_view day = std::string_view(claim.timestamp).substr(0, 8);
  if (claim.date == day) return {};
  return S3Error(wording.code,
                 fmt::format("{}Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\".",
                             wording.date_prefix, claim.date, day));
}

bool is_header_list(std::string_view list) {
  const auto names = split(list, ';');
  const auto is_name = [](std::string_view name) {
    const auto is_name_char = [](char c) { return c > ' ' && c < 0x7f && c != ':' && c != ',' && !(c >= 'A' && c <= 'Z'); };
    return !name.empty() && std::all_of(name.begin(), name.end(), is_name_char);
  };
  return std::all_of(names.begin(), names.end(), is_name);
}

// Host and all x-amz-* headers must be signed, or an intermediary could add meaning to a request. The payload hash is
// part of the canonical request in its own right.
S3Result<void> check_signed_headers(const http::RequestHead& head, std::string_view signed_headers) {
  const auto names = split(signed_headers, ';');
  const auto is_signed = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  std::string missing;
  if (!is_signed("host")) missing = "host";
  for (const http::Header& header : head.headers) {
    if (!header.name.starts_with("x-amz-") || header.name == "x-amz-content-sha256" || is_signed(header.name)) continue;
    if (!missing.empty()) missing += ", ";
    missing += header.name;
  }
  if (missing.empty()) return {};
  return S3Error(kAccessDenied, "There were headers present in the request which were not signed")
      .with("HeadersNotSigned", std::move(missing));
}

S3Result<Authentication> verify(const SignedRequest& request, const Claim& claim, Authentication out) {
  const auto credential = request.credentials.find(claim.access_key);
  const std::string canonical = canonical_request(request.head, request.target, claim.signed_headers,
                                                  claim.payload_hash, claim.left_out);
  std::string text = string_to_sign(claim.timestamp, claim.scope, canonical);
  const SigningKey& key = credential ? signing_key(credential->access_key, credential->secret_key, claim.date, claim.region)
                                     : signing_key({}, kSecretOfNobody, claim.date, claim.region);
  std::string expected = key.hmac.sign_hex(text);
  const bool equal = equal_in_constant_time(expected, claim.signature);
  if (!credential) return unknown_access_key(claim.access_key);
  if (!equal) {
    std::string bytes = spaced_hex(canonical);
    return signature_does_not_match(claim.access_key, claim.signature, std::move(text))
        .with("CanonicalRequest", canonical)
        .with("CanonicalRequestBytes", std::move(bytes));
  }
  out.access_key = credential->access_key;
  out.tenant = credential->tenant;
  out.seed_signature = std::move(expected);
  out.signing_key = key.raw;
  out.timestamp = claim.timestamp;
  out.scope = claim.scope;
  return out;
}

S3Result<std::string_view> parse_authorization(std::string_view authorization, Claim& claim) {
  const auto malformed = [] {
    return S3Error(kAuthorizationHeaderMalformed,
                   "The authorization header is malformed; the authorization header requires three components: "
                   "Credential, SignedHeaders, and Signature.");
  };
  std::string_view rest = authorization.substr(kV4Algorithm.size());
  if (rest.empty() || (rest.front() != ' ' && rest.front() != '\t')) return malformed();
  std::string_view credential;
  for (const std::string_view part : split(rest, ',')) {
    const std::string_view text = trim(part);
    if (text.empty()) continue;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return malformed();
    const std::string_view name = text.substr(0, equals);
    std::string_view* const value = name == "Credential"      ? &credential
                                    : name == "SignedHeaders" ? &claim.signed_headers
                                    : name == "Signature"     ? &claim.signature
                                                              : nullptr;
    if (!value || !value->empty()) return malformed();
    *value = text.substr(equals + 1);
  }
  if (credential.empty() || claim.signature.empty() || !is_header_list(claim.signed_headers)) return malformed();
  return credential;
}

// The time of a request: x-amz-date before Date. The string that is signed has the ISO form of either.
S3Result<WallMicros> header_time(const http::RequestHead& head, std::string& timestamp) {
  const std::string* amz = head.find("x-amz-date");
  const std::string_view text = amz ? std::string_view(*amz) : head.get("date");
  auto at = parse_amz_date(text);
  if (!at) at = parse_http_date(text);
  if (!at) return S3Error(kAccessDenied, "AWS authentication requires a valid Date or x-amz-date header");
  timestamp = amz_date(*at);
  return *at;
}

struct PresignedParameters {
  const QueryParameter *algorithm, *credential, *signature, *date, *signed_headers, *expires;
  explicit PresignedParameters(const RequestTarget& target)
      : algorithm(target.find("X-Amz-Algorithm")),
        credential(target.find("X-Amz-Credential")),
        signature(target.find("X-Amz-Signature")),
        date(target.find("X-Amz-Date")),
        signed_headers(target.find("X-Amz-SignedHeaders")),
        expires(target.find("X-Amz-Expires")) {}
  bool complete() const { return algorithm && credential && signature && date && signed_headers && expires; }
};

S3Result<std::uint64_t> parse_expires(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  const auto value = parse_u64(digits);
  const bool is_number = !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (!is_number) return S3Error(kAuthorizationQueryParametersError, "X-Amz-Expires should be a number");
  if (digits.size() != text.size()) {
    return S3Error(kAuthorizationQueryParametersError, "X-Amz-Expires must be non-negative");
  }
  if (!value || *value > kExpiresMax) {
    return S3Error(kAuthorizationQueryParametersError,
                   "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less "
                   "than 604800 seconds");
  }
  return *value;
}

S3Result<void> check_window(const SignedRequest& request, WallMicros from, std::uint64_t expires) {
  const auto skew = std::chrono::duration_cast<std::chrono::microseconds>(request.config.max_skew).count();
  if (from > request.now + static_cast<WallMicros>(skew)) {
    return S3Error(kAccessDenied, "Request is not yet valid")
        .with("X-Amz-Date", iso_date(from))
        .with("ServerTime", iso_date(request.now));
  }
  const WallMicros until = from + expires * kMicros;
  if (request.now < until) return {};
  return S3Error(kAccessDenied, "Request has expired")
      .with("X-Amz-Expires", std::to_string(expires))
      .with("Expires", iso_date(until))
      .with("ServerTime", iso_date(request.now));
}

S3Result<void> check_algorithm(std::string_view algorithm) {
  if (algorithm == kV4Algorithm) return {};
  if (algorithm == "AWS4-ECDSA-P256-SHA256") return S3Error(kNotImplemented).with("Header", "X-Amz-Algorithm");
  return S3Error(kAuthorizationQueryParametersError,
                 "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"");
}

// A presigned URL covers no body unless it says so.
std::string_view presigned_payload_hash(const SignedRequest& request) {
  if (const QueryParameter* parameter = request.target.find("X-Amz-Content-Sha256")) return parameter->value;
  if (const std::string* header = request.head.find("x-amz-content-sha256")) return *header;
  return "UNSIGNED-PAYLOAD";
}

}  // namespace

S3Result<Authentication> authenticate_v4_header(const SignedRequest& request, std::string_view authorization) {
  Claim claim;
  TRY(const std::string_view credential, parse_authorization(authorization, claim));
  TRY_OK(check_credential(credential, request.config, kInHeader, claim));
  TRY(const WallMicros at, header_time(request.head, claim.timestamp));
  TRY_OK(check_scope_day(claim, kInHeader));
  const std::string* payload_hash = request.head.find("x-amz-content-sha256");
  if (!payload_hash) return S3Error(kInvalidRequest, "Missing required header for this request: x-amz-content-sha256");
  claim.payload_hash = *payload_hash;
  Authentication out;
  TRY_OK(set_payload_mode(claim.payload_hash, out));
  TRY_OK(check_skew(request, at, claim.timestamp));
  TRY_OK(check_signed_headers(request.head, claim.signed_headers));
  return verify(request, claim, std::move(out));
}

S3Result<Authentication> authenticate_v4_query(const SignedRequest& request) {
  const PresignedParameters given(request.target);
  if (!given.complete()) {
    return S3Error(kAuthorizationQueryParametersError,
                   "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
                   "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
  }
  TRY_OK(check_algorithm(given.algorithm->value));
  Claim claim;
  TRY_OK(check_credential(given.credential->value, request.config, kInQuery, claim));
  const auto at = parse_amz_date(given.date->value);
  if (!at) {
    return S3Error(kAuthorizationQueryParametersError,
                   "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  }
  claim.timestamp = given.date->value;
  TRY_OK(check_scope_day(claim, kInQuery));
  TRY(const std::uint64_t expires, parse_expires(given.expires->value));
  if (!is_header_list(given.signed_headers->value)) {
    return S3Error(kAuthorizationQueryParametersError, "X-Amz-SignedHeaders is malformed");
  }
  claim.signed_headers = given.signed_headers->value;
  claim.signature = given.signature->value;
  claim.payload_hash = presigned_payload_hash(request);
  claim.left_out = "X-Amz-Signature";
  Authentication out;
  out.presigned = true;
  TRY_OK(set_payload_mode(claim.payload_hash, out));
  TRY_OK(check_window(request, *at, expires));
  TRY_OK(check_signed_headers(request.head, claim.signed_headers));
  return verify(request, claim, std::move(out));
}

}  // namespace gabion::gateway::s3
