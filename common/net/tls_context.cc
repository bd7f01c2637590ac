#include "common/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/bytes.h"
#include "common/check.h"
#include "common/net/tls_setup.h"

namespace gabion::net {
namespace {

constexpr std::uintmax_t kFileBytesMax = 1 * MiB;

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error(Errc::not_found, "cannot open " + path + ": " + std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || text.str().size() > kFileBytesMax) return Error(Errc::invalid, "cannot read " + path);
  return text.str();
}

// HTTP/1.1 for clients that ask by ALPN; clients that offer only other protocols go on without.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                    unsigned offered_length, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kOurs, sizeof kOurs - 1, offered, offered_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Result<std::shared_ptr<SSL_CTX>> make_context(const std::string& certificates, const std::string& key) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return tls_error("no TLS context");
  SSL_CTX* c = context.get();
  apply_common_settings(c);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);  // tickets resume sessions without memory here
  SSL_CTX_set_alpn_select_cb(c, choose_protocol, nullptr);
  TRY_OK(use_certificates(c, certificates));
  TRY_OK(use_key(c, key));
  return context;
}

}  // namespace

TlsContext::TlsContext(std::string certificate_file, std::string key_file)
    : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {
  // OpenSSL writes to sockets without MSG_NOSIGNAL: a peer that has gone must not end the process.
  std::signal(SIGPIPE, SIG_IGN);
}

Result<std::shared_ptr<TlsContext>> TlsContext::load(std::string certificate_file, std::string key_file) {
  std::shared_ptr<TlsContext> context(new TlsContext(std::move(certificate_file), std::move(key_file)));
  TRY_OK(context->reload());
  return context;
}

Result<void> TlsContext::reload() {
  auto fresh = std::make_shared<Material>();
  TRY(fresh->certificates, read_file(certificate_file_));
  TRY(fresh->key, read_file(key_file_));
  auto context = make_context(fresh->certificates, fresh->key);
  if (!context)
    return Error(Errc::invalid, certificate_file_ + ", " + key_file_ + ": " + context.error().message);
  // OpenSSL has drawn ticket keys for this context: they become everybody's.
  SSL_CTX_get_tlsext_ticket_keys(context->get(), fresh->ticket_keys.data(), fresh->ticket_keys.size());
  const std::lock_guard lock(mutex_);
  material_ = std::move(fresh);
  generation_.fetch_add(1);
  return {};
}

std::shared_ptr<const TlsContext::Material> TlsContext::material() const {
  const std::lock_guard lock(mutex_);
  return material_;
}

std::shared_ptr<SSL_CTX> ThreadTls::current() {
  const std::uint64_t generation = source_.generation_.load();
  if (generation == generation_) return context_;
  const auto material = source_.material();
  auto context = make_context(material->certificates, material->key);
  GABION_CHECK(context.has_value(), "a certificate that was good is refused");
  auto keys = material->ticket_keys;
  SSL_CTX_set_tlsext_ticket_keys(context->get(), keys.data(), keys.size());
  context_ = std::move(*context);
  generation_ = generation;
  return context_;
}

}  // namespace gabion::net
