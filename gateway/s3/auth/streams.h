// MD5 and SHA-256 with their state in the open, which common/digest.h hides: several messages can be hashed side by side
// (md5_lanes.h), an HMAC can start behind its key's pad, and a digest is a plain value without an allocation.
// Md5Stream and Sha256Stream collect a message; the block functions below them work on raw states. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/bytes.h"

namespace gabion::gateway::s3 {

inline constexpr std::size_t kHashBlock = 64;  // of both algorithms

using Md5State = std::array<std::uint32_t, 4>;
using Sha256State = std::array<std::uint32_t, 8>;
using Sha256Digest = std::array<std::byte, 32>;

// Hash whole blocks of one message.
void md5_blocks(Md5State& state, const std::byte* data, std::size_t blocks);
void sha256_blocks(Sha256State& state, const std::byte* data, std::size_t blocks);

// The part of a message that does not fill a block yet, and the count of all of it.
struct HashTail {
  std::array<std::byte, kHashBlock> bytes{};
  std::uint64_t total = 0;
  std::size_t size() const { return static_cast<std::size_t>(total % kHashBlock); }
};

class Md5Stream {
 public:
  void update(ByteView bytes);
  // The 16 raw bytes; the stream is then ready for another message.
  std::string finish();

 private:
  friend class Md5Lanes;
  Md5State state_ = kStart;
  HashTail tail_;
  static constexpr Md5State kStart = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
};

class Sha256Stream {
 public:
  Sha256Stream() = default;
  // Continues behind `blocks` blocks that led to `state`.
  Sha256Stream(const Sha256State& state, std::uint64_t blocks) : state_(state) { tail_.total = blocks * kHashBlock; }
  void update(ByteView bytes);
  void update(std::string_view text) { update(as_bytes(text)); }
  // The digest; the stream is then ready for another message.
  Sha256Digest finish();
  std::string finish_hex();

 private:
  friend class Md5Lanes;
  friend class HmacKey;
  Sha256State state_ = kStart;
  HashTail tail_;
  static constexpr Sha256State kStart = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};

std::string sha256_hex(std::string_view text);

// HMAC-SHA256 (RFC 2104) with a key whose pads are hashed once. Wiped when destroyed.
class HmacKey {
 public:
  explicit HmacKey(std::string_view key);
  ~HmacKey();
  HmacKey(const HmacKey&) = default;
  HmacKey& operator=(const HmacKey&) = default;
  Sha256Digest sign(std::string_view message) const;
  std::string sign_hex(std::string_view message) const;

 private:
  Sha256State inner_;
  Sha256State outer_;
};

}  // namespace gabion::gateway::s3
