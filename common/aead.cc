#include "common/aead.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/check.h"

namespace gabion {
namespace {

const EVP_CIPHER* aes_256_gcm() {
  static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return cipher;
}

const unsigned char* in(ByteView bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* out_ptr(std::byte* p) { return reinterpret_cast<unsigned char*>(p); }

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* ctx) const { EVP_CIPHER_CTX_free(ctx); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, ContextFree>;

}  // namespace

SecretKey SecretKey::random(Rng& rng) {
  SecretKey key;
  rng.fill(key.bytes_);
  return key;
}

Result<SecretKey> SecretKey::from_raw(std::string_view raw) {
  if (raw.size() != kKeyBytes) return Error(Errc::invalid, "a key is exactly 32 bytes");
  SecretKey key;
  std::memcpy(key.bytes_.data(), raw.data(), kKeyBytes);
  return key;
}

SecretKey::~SecretKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

struct Aead::Contexts {
  explicit Contexts(const SecretKey& secret) : key(secret) {}
  // Each direction expands the key on its first use.
  EVP_CIPHER_CTX* sealing() {
    if (!seal) {
      seal.reset(EVP_CIPHER_CTX_new());
      const int ok = EVP_EncryptInit_ex2(seal.get(), aes_256_gcm(), in(key.view()), nullptr, nullptr);
      GABION_CHECK(ok == 1, "AES-256-GCM must initialise");
    }
    return seal.get();
  }
  EVP_CIPHER_CTX* opening() {
    if (!open) {
      open.reset(EVP_CIPHER_CTX_new());
      const int ok = EVP_DecryptInit_ex2(open.get(), aes_256_gcm(), in(key.view()), nullptr, nullptr);
      GABION_CHECK(ok == 1, "AES-256-GCM must initialise");
    }
    return open.get();
  }
  SecretKey key;
  CipherContext seal;
  CipherContext open;
};

Aead::Aead(const SecretKey& key) : contexts_(std::make_unique<Contexts>(key)) {}
Aead::~Aead() = default;
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;

void Aead::begin_seal(const Nonce& nonce, ByteView aad) {
  EVP_CIPHER_CTX* ctx = contexts_->sealing();
  int n = 0;
  int ok = EVP_EncryptInit_ex2(ctx, nullptr, nullptr, in(nonce), nullptr);
  if (!aad.empty()) ok &= EVP_EncryptUpdate(ctx, nullptr, &n, in(aad), static_cast<int>(aad.size()));
  GABION_CHECK(ok == 1, "encryption must start");
}

void Aead::update(ByteView plain, std::byte* out) {
  int n = 0;
  const int ok = EVP_EncryptUpdate(contexts_->sealing(), out_ptr(out), &n, in(plain), static_cast<int>(plain.size()));
  GABION_CHECK(ok == 1 && n == static_cast<int>(plain.size()), "encryption must not fail");
}

void Aead::finish_seal(MutableBytes tag) {
  EVP_CIPHER_CTX* ctx = contexts_->sealing();
  int n = 0;
  unsigned char none[16];
  int ok = EVP_EncryptFinal_ex(ctx, none, &n);
  ok &= EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTagBytes), tag.data());
  GABION_CHECK(ok == 1, "encryption must not fail");
}

void Aead::seal(const Nonce& nonce, ByteView aad, ByteView plain, MutableBytes out) {
  GABION_CHECK(out.size() == plain.size() + kTagBytes, "the sealed form has the tag's size on top");
  begin_seal(nonce, aad);
  update(plain, out.data());
  finish_seal(out.subspan(plain.size()));
}

Result<void> Aead::open(const Nonce& nonce, ByteView aad, ByteView sealed, MutableBytes out) {
  if (sealed.size() < kTagBytes || out.size() != sealed.size() - kTagBytes) {
    return Error(Errc::corrupt, "encrypted data is shorter than its tag");
  }
  EVP_CIPHER_CTX* ctx = contexts_->opening();
  const ByteView body = sealed.first(out.size());
  std::array<std::byte, kTagBytes> tag{};
  std::memcpy(tag.data(), sealed.data() + out.size(), kTagBytes);
  int n = 0;
  int ok = EVP_DecryptInit_ex2(ctx, nullptr, nullptr, in(nonce), nullptr);
  if (!aad.empty()) ok &= EVP_DecryptUpdate(ctx, nullptr, &n, in(aad), static_cast<int>(aad.size()));
  if (!body.empty()) ok &= EVP_DecryptUpdate(ctx, out_ptr(out.data()), &n, in(body), static_cast<int>(body.size()));
  ok &= EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, static_cast<int>(kTagBytes), tag.data());
  unsigned char none[16];
  if (ok != 1 || EVP_DecryptFinal_ex(ctx, none, &n) != 1) {
    OPENSSL_cleanse(out.data(), out.size());
    return Error(Errc::corrupt, "encrypted data does not match its authentication tag");
  }
  return {};
}

std::string wrap(const SecretKey& by, ByteView secret, std::string_view purpose, Rng& rng) {
  Nonce nonce;
  rng.fill(nonce);
  std::string out(kNonceBytes + secret.size() + kTagBytes, '\0');
  std::memcpy(out.data(), nonce.data(), kNonceBytes);
  Aead aead(by);
  aead.seal(nonce, as_bytes(purpose), secret, std::as_writable_bytes(std::span(out)).subspan(kNonceBytes));
  return out;
}

Result<std::string> unwrap(const SecretKey& by, std::string_view wrapped, std::string_view purpose) {
  if (wrapped.size() < kNonceBytes + kTagBytes) return Error(Errc::denied, "a wrapped secret is shorter than its tag");
  Nonce nonce;
  std::memcpy(nonce.data(), wrapped.data(), kNonceBytes);
  std::string plain(wrapped.size() - kNonceBytes - kTagBytes, '\0');
  Aead aead(by);
  if (!aead.open(nonce, as_bytes(purpose), as_bytes(wrapped.substr(kNonceBytes)), std::as_writable_bytes(std::span(plain)))) {
    return Error(Errc::denied, "a secret could not be unwrapped: it was wrapped by another key, or destroyed");
  }
  return plain;
}

std::string wrap_key(const SecretKey& by, const SecretKey& key, std::string_view purpose, Rng& rng) {
  return wrap(by, key.view(), purpose, rng);
}

Result<SecretKey> unwrap_key(const SecretKey& by, std::string_view wrapped, std::string_view purpose) {
  if (wrapped.size() != kNonceBytes + kKeyBytes + kTagBytes) return Error(Errc::denied, "a wrapped key is 60 bytes");
  Nonce nonce;
  std::memcpy(nonce.data(), wrapped.data(), kNonceBytes);
  std::array<std::byte, kKeyBytes> plain{};
  Aead aead(by);
  if (!aead.open(nonce, as_bytes(purpose), as_bytes(wrapped.substr(kNonceBytes)), plain)) {
    return Error(Errc::denied, "a key could not be unwrapped: it was wrapped by another key, or destroyed");
  }
  SecretKey key(plain);
  OPENSSL_cleanse(plain.data(), plain.size());
  return key;
}

}  // namespace gabion
