#include "tools/bench/trust.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

namespace gabion::bench {

Result<std::shared_ptr<asio::ssl::context>> make_tls(const Trust& trust) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  boost::system::error_code code;
  if (trust.insecure) {
    context->set_verify_mode(asio::ssl::verify_none, code);
    return context;
  }
  context->set_verify_mode(asio::ssl::verify_peer, code);
  context->set_default_verify_paths(code);
  if (!trust.ca_file.empty()) {
    context->load_verify_file(trust.ca_file, code);
    if (code) {
      return Error(Errc::invalid, fmt::format("the certificates in '{}' cannot be read: {}", trust.ca_file, code.message()));
    }
  }
  return context;
}

}  // namespace gabion::bench
