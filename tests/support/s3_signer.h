// What a client does to be believed by the S3 dialect: signs heads with SigV4 and frames bodies as aws-chunked. Header
// only; users link gateway_s3_auth.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/encoding.h"
#include "gateway/s3/auth/authenticate.h"
#include "gateway/s3/auth/chunk_chain.h"
#include "gateway/s3/auth/signing.h"
#include "tests/support/fake_exchange.h"

namespace gabion::test {

namespace s3 = gateway::s3;

inline constexpr std::string_view kAccessKey = "AKIAIOSFODNN7EXAMPLE";
inline constexpr std::string_view kSecretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
inline constexpr std::string_view kTimestamp = "20130524T000000Z";
inline constexpr std::string_view kScope = "20130524/us-east-1/s3/aws4_request";
inline constexpr WallMicros kNow = 1369353600000000;  // kTimestamp
inline constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

class OneCredential final : public s3::CredentialSource {
 public:
  std::optional<s3::Credential> find(std::string_view access_key) const override {
    if (access_key != kAccessKey) return std::nullopt;
    return s3::Credential{std::string(kAccessKey), std::string(kSecretKey), "acme"};
  }
};

// Host and every x-amz-* header, sorted, as SDKs sign.
inline std::string headers_to_sign(const gateway::http::RequestHead& head) {
  std::map<std::string, bool> names;
  for (const auto& header : head.headers) {
    if (header.name == "host" || header.name.starts_with("x-amz-")) names[header.name] = true;
  }
  std::string out;
  for (const auto& [name, unused] : names) out += (out.empty() ? "" : ";") + name;
  return out;
}

inline std::string v4_signature(const gateway::http::RequestHead& head, std::string_view signed_headers,
                                std::string_view payload_hash, std::string_view timestamp, std::string_view scope) {
  const auto target = s3::RequestTarget::parse(head.target);
  GABION_CHECK(target.has_value(), "a test signs targets that can be parsed");
  const std::string text =
      s3::string_to_sign(timestamp, scope, s3::canonical_request(head, *target, signed_headers, payload_hash));
  const auto parts = split(scope, '/');
  return s3::signing_key(kAccessKey, kSecretKey, parts[0], parts[1]).hmac.sign_hex(text);
}

struct SignOptions {
  SignOptions() = default;
  std::string payload_hash{kEmptySha256};
  std::string timestamp{kTimestamp};
  std::string scope{kScope};
  std::string access_key{kAccessKey};
};

// Adds x-amz-date, x-amz-content-sha256 and Authorization; `head` must have a Host.
inline gateway::http::RequestHead sign(gateway::http::RequestHead head, const SignOptions& options = {}) {
  head.headers.push_back({"x-amz-date", options.timestamp});
  head.headers.push_back({"x-amz-content-sha256", options.payload_hash});
  const std::string names = headers_to_sign(head);
  const std::string signature = v4_signature(head, names, options.payload_hash, options.timestamp, options.scope);
  head.headers.push_back({"authorization", "AWS4-HMAC-SHA256 Credential=" + options.access_key + "/" + options.scope +
                                               ", SignedHeaders=" + names + ", Signature=" + signature});
  return head;
}

// The same in the query, for `expires` seconds. What is not x-amz-* stays out of the signature, but for Host.
inline gateway::http::RequestHead presign(gateway::http::RequestHead head, std::string_view expires = "86400",
                                          const SignOptions& options = {}) {
  const std::string names = headers_to_sign(head);
  head.target += head.target.find('?') == std::string::npos ? "?" : "&";
  head.target += "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" +
                 percent_encode(options.access_key + "/" + options.scope, Slash::encode) +
                 "&X-Amz-Date=" + options.timestamp + "&X-Amz-Expires=" + std::string(expires) +
                 "&X-Amz-SignedHeaders=" + percent_encode(names, Slash::encode);
  const std::string* hash = head.find("x-amz-content-sha256");
  head.target += "&X-Amz-Signature=" +
                 v4_signature(head, names, hash ? *hash : "UNSIGNED-PAYLOAD", options.timestamp, options.scope);
  return head;
}

struct ChunkedOptions {
  ChunkedOptions() = default;
  std::size_t chunk_size = 64 * 1024;
  std::string trailer;  // "name:value", or none
};

// A body in aws-chunked framing; signed when `authentication` has a key to sign with.
inline std::string frame_chunks(std::string_view body, const s3::Authentication& authentication,
                                const ChunkedOptions& options = {}) {
  const bool is_signed = authentication.payload == s3::PayloadMode::streaming_signed ||
                         authentication.payload == s3::PayloadMode::streaming_signed_trailer;
  s3::ChunkChain chain(authentication);
  std::string out;
  for (bool last = false; !last;) {
    last = body.empty();
    const std::string_view chunk = body.substr(0, options.chunk_size);
    body.remove_prefix(chunk.size());
    out += fmt::format("{:x}", chunk.size());
    if (is_signed) out += ";chunk-signature=" + chain.sign_chunk(s3::sha256_hex(chunk));
    out += "\r\n";
    if (!last) out.append(chunk).append("\r\n");
  }
  if (!options.trailer.empty()) {
    out += options.trailer + "\r\n";
    if (is_signed) out += "x-amz-trailer-signature:" + chain.sign_trailer(s3::sha256_hex(options.trailer + "\n")) + "\r\n";
  }
  return out + "\r\n";
}

}  // namespace gabion::test
