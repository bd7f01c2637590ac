// Self-signed certificates for tests of TLS, made when they are needed.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <string>

#include "common/check.h"

namespace gabion::test {

// Writes a fresh P-256 key and a certificate for it, valid for an hour, in PEM.
inline void write_certificate(const std::string& name, const std::string& certificate_file,
                              const std::string& key_file) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  GABION_CHECK(key != nullptr && certificate != nullptr, "no test certificate");
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, subject);
  GABION_CHECK(X509_sign(certificate, key, EVP_sha256()) != 0, "a test certificate cannot be signed");

  std::FILE* out = std::fopen(certificate_file.c_str(), "w");
  GABION_CHECK(out != nullptr && PEM_write_X509(out, certificate) == 1,
               "a test certificate cannot be written");
  std::fclose(out);
  out = std::fopen(key_file.c_str(), "w");
  GABION_CHECK(out != nullptr && PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
               "a test key cannot be written");
  std::fclose(out);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

}  // namespace gabion::test
