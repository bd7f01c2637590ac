#include "common/pki/openssl.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>

#include "common/bytes.h"
#include "common/check.h"

namespace gabion::pki {
namespace {

constexpr std::size_t kPemMax = 64 * KiB;

// A key that asks for a passphrase must fail, not stop and read the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

template <class T, class Read>
Result<Owned<T>> from_pem(std::string_view pem, std::string_view what, Read read) {
  if (pem.size() > kPemMax) return Error(Errc::invalid, std::string(what) + " is too long");
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  GABION_CHECK(bio != nullptr, "out of memory for PEM");
  Owned<T> object(read(bio.get()));
  if (!object) return openssl_error("not " + std::string(what) + " in PEM");
  return object;
}

template <class Write>
std::string write_pem(Write write) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  GABION_CHECK(bio != nullptr && write(bio.get()) == 1, "PEM cannot be written");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

Error openssl_error(std::string what) {
  char text[256] = "no detail";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return Error(Errc::invalid, what + ": " + text);
}

Result<Owned<X509>> certificate_from_pem(std::string_view pem) {
  return from_pem<X509>(pem, "a certificate", [](BIO* bio) { return PEM_read_bio_X509(bio, nullptr, no_passphrase, nullptr); });
}
Result<Owned<EVP_PKEY>> key_from_pem(std::string_view pem) {
  return from_pem<EVP_PKEY>(pem, "a key", [](BIO* bio) { return PEM_read_bio_PrivateKey(bio, nullptr, no_passphrase, nullptr); });
}
Result<Owned<X509_REQ>> request_from_pem(std::string_view pem) {
  return from_pem<X509_REQ>(pem, "a certificate request",
                            [](BIO* bio) { return PEM_read_bio_X509_REQ(bio, nullptr, no_passphrase, nullptr); });
}

std::string to_pem(X509* certificate) {
  return write_pem([=](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}
std::string to_pem(EVP_PKEY* key) {
  return write_pem([=](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
}
std::string to_pem(X509_REQ* request) {
  return write_pem([=](BIO* bio) { return PEM_write_bio_X509_REQ(bio, request); });
}

Owned<EVP_PKEY> generate_key() {
  Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  GABION_CHECK(key != nullptr, "no key can be generated");
  return key;
}

bool is_p256(EVP_PKEY* key) {
  std::array<char, 64> group{};
  std::size_t length = 0;
  return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) == 1 &&
         std::string_view(group.data(), length) == "prime256v1";
}

const EVP_MD* sha256_algorithm() {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

}  // namespace gabion::pki
