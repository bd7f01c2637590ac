// What every OpenSSL context here has in common: versions, ciphers and buffers, and how PEM gets into it. For common/net
// alone.
#pragma once

#include <string>

#include "common/result.h"

struct ssl_ctx_st;

namespace gabion::net {

// With the first error that OpenSSL has queued; the queue is empty afterwards.
Error tls_error(std::string what);

// TLS 1.2 and later with forward secrecy, no renegotiation, no compression.
void apply_common_settings(ssl_ctx_st* context);
// The chain, with the own certificate first.
Result<void> use_certificates(ssl_ctx_st* context, const std::string& pem);
// The unencrypted key of that certificate.
Result<void> use_key(ssl_ctx_st* context, const std::string& pem);

}  // namespace gabion::net
