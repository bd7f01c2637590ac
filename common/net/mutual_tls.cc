#include "common/net/mutual_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <csignal>
#include <ctime>

#include "common/bytes.h"
#include "common/check.h"
#include "common/net/tls_setup.h"

namespace gabion::net {
namespace {

enum class Side { server, client };

// The cheapest first: between nodes of one kind there is no reason for more.
constexpr const char* kCiphers13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

// What the check of a peer's certificate needs; lives as long as the context.
struct Verification {
  Clock& clock;
  std::string authority_prefix;  // empty: the authority is in the context's store
};

bool has_prefix(const X509* certificate, std::string_view prefix) {
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (X509_digest(certificate, sha256, digest.data(), &length) != 1) return false;
  return std::string_view(reinterpret_cast<const char*>(digest.data()), length).starts_with(prefix);
}

// Replaces OpenSSL's verification, and ends in it: with the time of our clock, and for a stranger with the one certificate of
// the peer's chain as authority that has the fingerprint it was told.
int verify(X509_STORE_CTX* context, void* argument) {
  const auto& verification = *static_cast<const Verification*>(argument);
  X509_STORE_CTX_set_time(context, 0, static_cast<std::time_t>(verification.clock.wall() / 1'000'000));
  if (verification.authority_prefix.empty()) return X509_verify_cert(context);
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> trusted(sk_X509_new_null(),
                                                                          [](STACK_OF(X509)* s) { sk_X509_free(s); });
  STACK_OF(X509)* chain = X509_STORE_CTX_get0_untrusted(context);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* certificate = sk_X509_value(chain, i);
    if (has_prefix(certificate, verification.authority_prefix)) sk_X509_push(trusted.get(), certificate);
  }
  X509_STORE_CTX_set0_trusted_stack(context, trusted.get());
  return X509_verify_cert(context);
}

Result<void> trust(SSL_CTX* context, const std::string& authority) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_mem_buf(authority.data(), static_cast<int>(authority.size())), BIO_free);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  if (!certificate) return tls_error("no certificate of the authority");
  if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()) != 1) {
    return tls_error("the authority cannot be trusted");
  }
  return {};
}

Result<std::shared_ptr<SSL_CTX>> make_context(Side side, const NodeCredentials& credentials,
                                              std::shared_ptr<Verification> verification) {
  ERR_clear_error();
  SSL_CTX* raw = SSL_CTX_new(side == Side::server ? TLS_server_method() : TLS_client_method());
  if (raw == nullptr) return tls_error("no TLS context");
  std::shared_ptr<SSL_CTX> context(raw, [verification](SSL_CTX* c) { SSL_CTX_free(c); });
  apply_common_settings(raw);
  SSL_CTX_set_ciphersuites(raw, kCiphers13);
  // Every connection proves both certificates anew: none is resumed from before a replacement.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(raw, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);  // at a server: if it shows one
  SSL_CTX_set_cert_verify_callback(raw, verify, verification.get());
  if (!credentials.authority.empty()) TRY_OK(trust(raw, credentials.authority));
  if (!credentials.certificate.empty()) {
    TRY_OK(use_certificates(raw, credentials.certificate));
    TRY_OK(use_key(raw, credentials.key));
  }
  return context;
}

}  // namespace

MutualTls::MutualTls(Clock& clock) : clock_(clock) {
  // OpenSSL writes to sockets without MSG_NOSIGNAL: a peer that has gone must not end the process.
  std::signal(SIGPIPE, SIG_IGN);
}

Result<std::shared_ptr<MutualTls>> MutualTls::make(NodeCredentials credentials, Clock& clock) {
  std::shared_ptr<MutualTls> tls(new MutualTls(clock));
  TRY_OK(tls->replace(std::move(credentials)));
  return tls;
}

Result<std::shared_ptr<MutualTls>> MutualTls::for_stranger(std::string authority_prefix, Clock& clock) {
  constexpr std::size_t kPrefixMin = 16;
  if (authority_prefix.size() < kPrefixMin) return Error(Errc::invalid, "a fingerprint too short to trust");
  std::shared_ptr<MutualTls> tls(new MutualTls(clock));
  auto material = std::make_shared<Material>();
  material->authority_prefix = std::move(authority_prefix);
  TRY_OK(tls->install(std::move(material)));
  return tls;
}

Result<void> MutualTls::replace(NodeCredentials credentials) {
  if (credentials.authority.empty() || credentials.certificate.empty()) {
    return Error(Errc::invalid, "a node needs the certificate of its authority and its own");
  }
  auto material = std::make_shared<Material>();
  material->credentials = std::move(credentials);
  return install(std::move(material));
}

Result<void> MutualTls::install(std::shared_ptr<const Material> material) {
  auto verification = std::make_shared<Verification>(Verification{clock_, material->authority_prefix});
  const auto tried = make_context(Side::client, material->credentials, std::move(verification));
  if (!tried) return tried.error();
  const std::lock_guard lock(mutex_);
  material_ = std::move(material);
  generation_.fetch_add(1);
  return {};
}

std::shared_ptr<const MutualTls::Material> MutualTls::material() const {
  const std::lock_guard lock(mutex_);
  return material_;
}

void ThreadMutualTls::refresh() {
  const std::uint64_t generation = source_.generation_.load();
  if (generation == generation_) return;
  const auto material = source_.material();
  auto verification = std::make_shared<Verification>(Verification{source_.clock_, material->authority_prefix});
  auto client = make_context(Side::client, material->credentials, verification);
  auto server = make_context(Side::server, material->credentials, verification);
  GABION_CHECK(client.has_value() && server.has_value(), "credentials that were good are refused");
  client_ = std::move(*client);
  server_ = std::move(*server);
  generation_ = generation;
}

std::shared_ptr<SSL_CTX> ThreadMutualTls::server() {
  refresh();
  return server_;
}

std::shared_ptr<SSL_CTX> ThreadMutualTls::client() {
  refresh();
  return client_;
}

}  // namespace gabion::net
