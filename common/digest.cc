#include "common/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/check.h"

namespace gabion {
namespace {

// Fetching an algorithm takes locks inside OpenSSL, so it happens once a process.
const EVP_MD* algorithm(DigestKind kind) {
  static EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
  static EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  switch (kind) {
    case DigestKind::md5: return md5;
    case DigestKind::sha1: return sha1;
    case DigestKind::sha256: return sha256;
  }
  return sha256;
}

// RFC 2104 over a digest context that the thread keeps.
std::string hmac(DigestKind kind, std::string_view key, std::string_view message) {
  constexpr std::size_t kBlock = 64;
  thread_local Digest sha1(DigestKind::sha1);
  thread_local Digest sha256(DigestKind::sha256);
  Digest& digest = kind == DigestKind::sha1 ? sha1 : sha256;
  std::string shortened;
  if (key.size() > kBlock) {
    digest.update(as_bytes(key));
    shortened = digest.finish();
    key = shortened;
  }
  std::array<char, kBlock> pad{};
  for (std::size_t i = 0; i < kBlock; ++i) pad[i] = static_cast<char>((i < key.size() ? key[i] : 0) ^ 0x36);
  digest.update(std::as_bytes(std::span(pad)));
  digest.update(as_bytes(message));
  const std::string inner = digest.finish();
  for (char& c : pad) c = static_cast<char>(c ^ 0x36 ^ 0x5c);
  digest.update(std::as_bytes(std::span(pad)));
  digest.update(as_bytes(inner));
  return digest.finish();
}

}  // namespace

struct Digest::State {
  explicit State(DigestKind k) : kind(k), ctx(EVP_MD_CTX_new()) { reset(); }
  ~State() { EVP_MD_CTX_free(ctx); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  void reset() const { GABION_CHECK(EVP_DigestInit_ex2(ctx, algorithm(kind), nullptr) == 1, "a digest must initialise"); }
  DigestKind kind;
  EVP_MD_CTX* ctx;
};

Digest::Digest(DigestKind kind) : state_(std::make_unique<State>(kind)) {}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::update(ByteView bytes) {
  GABION_CHECK(EVP_DigestUpdate(state_->ctx, bytes.data(), bytes.size()) == 1, "a digest must not fail");
}

std::string Digest::finish() {
  std::string out(static_cast<std::size_t>(EVP_MD_get_size(algorithm(state_->kind))), '\0');
  const int ok = EVP_DigestFinal_ex(state_->ctx, reinterpret_cast<unsigned char*>(out.data()), nullptr);
  GABION_CHECK(ok == 1, "a digest must not fail");
  state_->reset();
  return out;
}

std::string md5(ByteView bytes) {
  thread_local Digest digest(DigestKind::md5);
  digest.update(bytes);
  return digest.finish();
}

std::string sha256(ByteView bytes) {
  thread_local Digest digest(DigestKind::sha256);
  digest.update(bytes);
  return digest.finish();
}

std::string hmac_sha256(std::string_view key, std::string_view message) { return hmac(DigestKind::sha256, key, message); }
std::string hmac_sha1(std::string_view key, std::string_view message) { return hmac(DigestKind::sha1, key, message); }

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace gabion
