#include "tools/bench/signer.h"

#include <fmt/format.h>

#include "common/digest.h"
#include "common/encoding.h"
#include "common/text.h"

namespace gabion::bench {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kSignedHeaders = "host;x-amz-content-sha256;x-amz-date";

}  // namespace

void Signer::set_time(WallMicros now) {
  if (now / 1'000'000 == second_) return;
  second_ = now / 1'000'000;
  time_ = amz_date(now);
  const std::string day = time_.substr(0, 8);
  std::string scope = fmt::format("{}/{}/s3/aws4_request", day, credentials_.region);
  if (scope == scope_) return;
  scope_ = std::move(scope);
  const std::string day_key = hmac_sha256("AWS4" + credentials_.secret_key, day);
  key_ = hmac_sha256(hmac_sha256(hmac_sha256(day_key, credentials_.region), "s3"), "aws4_request");
}

std::string Signer::signature(std::string_view canonical_request) const {
  std::string text = fmt::format("{}\n{}\n{}\n", kAlgorithm, time_, scope_);
  hex_append(text, as_bytes(sha256(as_bytes(canonical_request))));
  return hex_encode(as_bytes(hmac_sha256(key_, text)));
}

void Signer::sign(std::string& head, const ToSign& request, std::string_view payload_hash, WallMicros now) {
  set_time(now);
  const std::string canonical = fmt::format(
      "{}\n{}\n{}\nhost:{}\nx-amz-content-sha256:{}\nx-amz-date:{}\n\n{}\n{}", request.method, request.path,
      request.query, request.host, payload_hash, time_, kSignedHeaders, payload_hash);
  fmt::format_to(
      std::back_inserter(head),
      "X-Amz-Date: {}\r\nX-Amz-Content-Sha256: {}\r\nAuthorization: {} Credential={}/{}, SignedHeaders={}, "
      "Signature={}\r\n",
      time_, payload_hash, kAlgorithm, credentials_.access_key, scope_, kSignedHeaders, signature(canonical));
}

std::string Signer::presign(const ToSign& request, std::uint64_t seconds, WallMicros now) {
  set_time(now);
  std::string query(request.query);
  const std::string credential = percent_encode(credentials_.access_key + "/" + scope_, Slash::encode);
  // X-Amz- sorts before the lower-case names of S3's own parameters.
  std::string ours = fmt::format(
      "X-Amz-Algorithm={}&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={}"
      "&X-Amz-SignedHeaders=host",
      kAlgorithm, credential, time_, seconds);
  query = query.empty() ? ours : ours + "&" + query;
  const std::string canonical = fmt::format("{}\n{}\n{}\nhost:{}\n\nhost\n{}", request.method, request.path,
                                            query, request.host, kUnsignedPayload);
  return query + "&X-Amz-Signature=" + signature(canonical);
}

}  // namespace gabion::bench
