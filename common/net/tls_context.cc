#include "common/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/bytes.h"
#include "common/check.h"

namespace gabion::net {
namespace {

constexpr std::uintmax_t kFileBytesMax = 1 * MiB;
// TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has no others.
constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
// Several records for each recv when an upload flows; OpenSSL frees it while a connection is idle.
constexpr std::size_t kReadBuffer = 128 * KiB;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Error tls_error(std::string what) {
  char text[256] = "no detail";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return Error(Errc::invalid, what + ": " + text);
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error(Errc::not_found, "cannot open " + path + ": " + std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || text.str().size() > kFileBytesMax) return Error(Errc::invalid, "cannot read " + path);
  return text.str();
}

Result<void> use_certificates(SSL_CTX* context, const std::string& pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Owned<X509> leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
  if (!leaf) return tls_error("no certificate");
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) return tls_error("the certificate cannot be used");
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return tls_error("the certificate chain cannot be used");
    }
  }
  const unsigned long end = ERR_peek_last_error();  // running out of certificates is how the loop ends
  if (ERR_GET_LIB(end) != ERR_LIB_PEM || ERR_GET_REASON(end) != PEM_R_NO_START_LINE)
    return tls_error("a broken certificate");
  ERR_clear_error();
  return {};
}

// A key file that asks for a passphrase must fail, not stop and read the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

Result<void> use_key(SSL_CTX* context, const std::string& pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) return tls_error("no usable private key (it must be PEM without a passphrase)");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) return tls_error("the private key cannot be used");
  if (SSL_CTX_check_private_key(context) != 1)
    return tls_error("the private key does not belong to the certificate");
  return {};
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
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(c, kCiphers12);
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                             SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(
      c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);  // tickets resume sessions without memory here
  SSL_CTX_set_read_ahead(c, 1);
  SSL_CTX_set_default_read_buffer_len(c, kReadBuffer);
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
