// AES-256-GCM (NIST SP 800-38D) with reusable contexts, and the wrapping of keys by keys.
// An Aead is not thread-safe and holds an expanded key; destroying it wipes the key.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"
#include "common/rng.h"

namespace gabion {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kNonceBytes = 12;
inline constexpr std::size_t kTagBytes = 16;

// 256 bits of key. Wiped when destroyed; never logged.
class SecretKey {
 public:
  SecretKey() = default;
  explicit SecretKey(const std::array<std::byte, kKeyBytes>& bytes) : bytes_(bytes) {}
  static SecretKey random(Rng& rng);
  // From exactly 32 raw bytes.
  static Result<SecretKey> from_raw(std::string_view raw);
  ~SecretKey();
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  ByteView view() const { return bytes_; }

 private:
  std::array<std::byte, kKeyBytes> bytes_{};
};

using Nonce = std::array<std::byte, kNonceBytes>;

class Aead {
 public:
  explicit Aead(const SecretKey& key);
  ~Aead();
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;

  // Encrypts a whole message; `out` holds plain.size() + kTagBytes bytes: the ciphertext, then the tag.
  void seal(const Nonce& nonce, ByteView aad, ByteView plain, MutableBytes out);
  // The reverse; `sealed` is ciphertext and tag, `out` holds sealed.size() - kTagBytes. corrupt when it does not verify;
  // `out` then holds nothing to be used. `out` may be where `sealed` is.
  Result<void> open(const Nonce& nonce, ByteView aad, ByteView sealed, MutableBytes out);

  // The same in pieces: begin_seal, then update for each piece (in place or not), then finish_seal gives the tag.
  void begin_seal(const Nonce& nonce, ByteView aad);
  void update(ByteView plain, std::byte* out);
  void finish_seal(MutableBytes tag);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
};

// A short secret encrypted by a key: nonce, ciphertext, tag. `purpose` binds it to its use.
std::string wrap(const SecretKey& by, ByteView secret, std::string_view purpose, Rng& rng);
// denied when `wrapped` was not made by wrap() with the same key and purpose.
Result<std::string> unwrap(const SecretKey& by, std::string_view wrapped, std::string_view purpose);

// The same for a key (60 bytes).
std::string wrap_key(const SecretKey& by, const SecretKey& key, std::string_view purpose, Rng& rng);
// denied when `wrapped` was not made by wrap_key with the same key and purpose.
Result<SecretKey> unwrap_key(const SecretKey& by, std::string_view wrapped, std::string_view purpose);

}  // namespace gabion
