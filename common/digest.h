// Cryptographic digests with contexts that are made once and reused: MD5 (ETags), SHA-1 and SHA-256 (S3 checksums and
// signatures), HMAC-SHA256. Digest is not thread-safe; the free functions are.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/bytes.h"

namespace gabion {

enum class DigestKind { md5, sha1, sha256 };

class Digest {
 public:
  explicit Digest(DigestKind kind);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  void update(ByteView bytes);
  // The raw digest; the object is then reset for another message.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string md5(ByteView bytes);     // 16 raw bytes
std::string sha256(ByteView bytes);  // 32 raw bytes
std::string hmac_sha256(std::string_view key, std::string_view message);  // 32 raw bytes
std::string hmac_sha1(std::string_view key, std::string_view message);    // 20 raw bytes

// Compares in time that depends on the lengths alone.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace gabion
