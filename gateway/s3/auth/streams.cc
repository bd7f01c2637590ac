// The low-level functions of OpenSSL are deprecated in favour of EVP, which hides the state that this file is about.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "gateway/s3/auth/streams.h"

#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <algorithm>

#include "common/encoding.h"

namespace gabion::gateway::s3 {
namespace {

// Brings `bytes` to whole blocks: completes the tail, hashes the middle in place, keeps the rest. `hash(data, blocks)`.
template <class Hash>
void absorb(HashTail& tail, ByteView bytes, Hash hash) {
  const std::size_t have = tail.size();
  tail.total += bytes.size();
  if (have != 0) {
    const std::size_t take = std::min(kHashBlock - have, bytes.size());
    std::memcpy(tail.bytes.data() + have, bytes.data(), take);
    bytes = bytes.subspan(take);
    if (have + take < kHashBlock) return;
    hash(tail.bytes.data(), 1);
  }
  const std::size_t blocks = bytes.size() / kHashBlock;
  if (blocks != 0) hash(bytes.data(), blocks);
  bytes = bytes.subspan(blocks * kHashBlock);
  if (!bytes.empty()) std::memcpy(tail.bytes.data(), bytes.data(), bytes.size());
}

// Both algorithms end with 0x80, zeros, and the count of bits: little-endian for MD5, big-endian for SHA-256.
template <class Hash>
void pad(HashTail& tail, std::uint64_t bits_as_stored, Hash hash) {
  std::size_t at = tail.size();
  tail.bytes[at++] = std::byte{0x80};
  if (at > kHashBlock - 8) {
    std::memset(tail.bytes.data() + at, 0, kHashBlock - at);
    hash(tail.bytes.data(), 1);
    at = 0;
  }
  std::memset(tail.bytes.data() + at, 0, kHashBlock - 8 - at);
  store_le(tail.bytes.data() + kHashBlock - 8, bits_as_stored);
  hash(tail.bytes.data(), 1);
}

}  // namespace

void md5_blocks(Md5State& state, const std::byte* data, std::size_t blocks) {
  MD5_CTX context{};
  context.A = state[0];
  context.B = state[1];
  context.C = state[2];
  context.D = state[3];
  MD5_Update(&context, data, blocks * kHashBlock);
  state = {context.A, context.B, context.C, context.D};
}

void sha256_blocks(Sha256State& state, const std::byte* data, std::size_t blocks) {
  SHA256_CTX context{};
  std::copy(state.begin(), state.end(), context.h);
  context.md_len = SHA256_DIGEST_LENGTH;
  SHA256_Update(&context, data, blocks * kHashBlock);
  std::copy(context.h, context.h + state.size(), state.begin());
}

void Md5Stream::update(ByteView bytes) {
  absorb(tail_, bytes, [this](const std::byte* data, std::size_t blocks) { md5_blocks(state_, data, blocks); });
}

std::string Md5Stream::finish() {
  pad(tail_, tail_.total * 8, [this](const std::byte* data, std::size_t blocks) { md5_blocks(state_, data, blocks); });
  std::string out(reinterpret_cast<const char*>(state_.data()), sizeof state_);
  *this = Md5Stream();
  return out;
}

void Sha256Stream::update(ByteView bytes) {
  absorb(tail_, bytes, [this](const std::byte* data, std::size_t blocks) { sha256_blocks(state_, data, blocks); });
}

Sha256Digest Sha256Stream::finish() {
  pad(tail_, __builtin_bswap64(tail_.total * 8),
      [this](const std::byte* data, std::size_t blocks) { sha256_blocks(state_, data, blocks); });
  Sha256Digest out;
  for (std::size_t i = 0; i < state_.size(); ++i) store_le(out.data() + 4 * i, __builtin_bswap32(state_[i]));
  *this = Sha256Stream();
  return out;
}

std::string Sha256Stream::finish_hex() { return hex_encode(finish()); }

std::string sha256_hex(std::string_view text) {
  Sha256Stream stream;
  stream.update(text);
  return stream.finish_hex();
}

HmacKey::HmacKey(std::string_view key) {
  std::array<std::byte, kHashBlock> pad{};
  if (key.size() > kHashBlock) {
    Sha256Stream stream;
    stream.update(key);
    const Sha256Digest shortened = stream.finish();
    std::memcpy(pad.data(), shortened.data(), shortened.size());
  } else {
    std::memcpy(pad.data(), key.data(), key.size());
  }
  for (std::byte& b : pad) b ^= std::byte{0x36};
  inner_ = Sha256Stream::kStart;
  sha256_blocks(inner_, pad.data(), 1);
  for (std::byte& b : pad) b ^= std::byte{0x36 ^ 0x5c};
  outer_ = Sha256Stream::kStart;
  sha256_blocks(outer_, pad.data(), 1);
  OPENSSL_cleanse(pad.data(), pad.size());
}

HmacKey::~HmacKey() {
  OPENSSL_cleanse(&inner_, sizeof inner_);
  OPENSSL_cleanse(&outer_, sizeof outer_);
}

Sha256Digest HmacKey::sign(std::string_view message) const {
  Sha256Stream inner(inner_, 1);
  inner.update(message);
  const Sha256Digest digest = inner.finish();
  Sha256Stream outer(outer_, 1);
  outer.update(digest);
  return outer.finish();
}

std::string HmacKey::sign_hex(std::string_view message) const { return hex_encode(sign(message)); }

}  // namespace gabion::gateway::s3
