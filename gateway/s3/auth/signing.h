// The pieces that SigV4 signatures are computed from: canonical request, string to sign, signing key. Used to verify, and
// by tests and the load generator to sign. Pure, but for a cache of signing keys that each thread has for itself.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/exchange.h"
#include "gateway/s3/auth/streams.h"
#include "gateway/s3/auth/uri.h"

namespace gabion::gateway::s3 {

inline constexpr std::string_view kV4Algorithm = "AWS4-HMAC-SHA256";

// Adds `value` as SigV4 wants it: trimmed, runs of white space as one space.
void append_canonical_value(std::string& out, std::string_view value);

// `signed_headers` as listed in the request: "host;x-amz-date". A name that the request does not carry leaves no line, so
// that a signature over it cannot match. `without` names a query parameter to leave out.
std::string canonical_request(const http::RequestHead& head, const RequestTarget& target,
                              std::string_view signed_headers, std::string_view payload_hash,
                              std::string_view without = {});

std::string string_to_sign(std::string_view timestamp, std::string_view scope, std::string_view canonical_request);

struct SigningKey {
  std::string raw;  // 32 bytes
  HmacKey hmac;
};

// The key for one day and region, service "s3". The reference is valid until the thread's next call.
const SigningKey& signing_key(std::string_view access_key, std::string_view secret_key, std::string_view date,
                              std::string_view region);

}  // namespace gabion::gateway::s3
