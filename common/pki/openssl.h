// Owning pointers and PEM for the OpenSSL objects of this folder. For common/pki alone.
#pragma once

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"

namespace gabion::pki {

struct FreeObject {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_REQ* request) const { X509_REQ_free(request); }
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIGNUM* number) const { BN_free(number); }
};
template <class T>
using Owned = std::unique_ptr<T, FreeObject>;

// The oldest error that OpenSSL has queued goes into the text; the queue is empty afterwards.
Error openssl_error(std::string what);

// nullptr-free: invalid when the text is not what it should be, or longer than any of them is.
Result<Owned<X509>> certificate_from_pem(std::string_view pem);  // the first one
Result<Owned<EVP_PKEY>> key_from_pem(std::string_view pem);
Result<Owned<X509_REQ>> request_from_pem(std::string_view pem);
std::string to_pem(X509* certificate);
std::string to_pem(EVP_PKEY* key);
std::string to_pem(X509_REQ* request);

// P-256.
Owned<EVP_PKEY> generate_key();
bool is_p256(EVP_PKEY* key);
const EVP_MD* sha256_algorithm();

}  // namespace gabion::pki
