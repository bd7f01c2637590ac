#include "tools/bench/payload.h"

#include <algorithm>
#include <cstring>

#include "common/encoding.h"
#include "common/rng.h"

namespace gabion::bench {
namespace {

constexpr std::string_view kMagic = "GBNLOAD1";
constexpr std::size_t kFixedHeaderBytes = 8 + 8 + 8;  // magic, size, seed; the key follows
constexpr std::size_t kPoolBytes = 16 * MiB;
// The pool is the same in every process, so that one run can check what another has put.
constexpr std::uint64_t kPoolSeed = 0x6761'6269'6f6e;

std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

}  // namespace

Pool::Pool() : bytes_(kPoolBytes) { SeededRng(kPoolSeed).fill(bytes_); }

ByteView Pool::piece(std::uint64_t seed, std::uint64_t index) const {
  const std::uint64_t start = mix(seed + index * 0x9e3779b97f4a7c15) % (kPoolBytes - kPieceBytes);
  return ByteView(bytes_).subspan(start, kPieceBytes);
}

std::string payload_header(std::string_view key, std::uint64_t size, std::uint64_t seed) {
  std::string header(kMagic);
  header.append(reinterpret_cast<const char*>(&size), sizeof size);
  header.append(reinterpret_cast<const char*>(&seed), sizeof seed);
  header += key;
  return header;
}

Payload::Payload(const Pool& pool, std::string_view key, std::uint64_t size, std::uint64_t seed,
                 std::uint64_t offset, std::uint64_t length)
    : header_(payload_header(key, size, seed)), length_(length) {
  const std::uint64_t end = offset + length;
  if (offset < header_.size() && length > 0) {
    buffers_.emplace_back(header_.data() + offset, std::min<std::uint64_t>(header_.size(), end) - offset);
  }
  // Positions in the stream, which starts where the header ends.
  std::uint64_t at = std::max<std::uint64_t>(offset, header_.size()) - header_.size();
  const std::uint64_t stop = std::max<std::uint64_t>(end, header_.size()) - header_.size();
  while (at < stop) {
    const std::uint64_t within = at % Pool::kPieceBytes;
    const std::uint64_t take = std::min<std::uint64_t>(Pool::kPieceBytes - within, stop - at);
    const ByteView piece = pool.piece(seed, at / Pool::kPieceBytes).subspan(within, take);
    buffers_.emplace_back(piece.data(), piece.size());
    at += take;
  }
}

Payload::Payload(std::string text) : header_(std::move(text)), length_(header_.size()) {
  buffers_.emplace_back(header_.data(), header_.size());
}

std::string Payload::sha256_hex(Digest& digest) const {
  for (const auto& buffer : buffers_)
    digest.update({static_cast<const std::byte*>(buffer.data()), buffer.size()});
  return hex_encode(as_bytes(digest.finish()));
}

// Collects the header, then compares it with the one that the key, the size and the seed in it make.
bool Verifier::feed_header(ByteView& bytes) {
  const std::uint64_t full = kFixedHeaderBytes + key_.size();
  const std::size_t want = std::min(full, size_) - header_.size();
  const ByteView taken = bytes.first(std::min(want, bytes.size()));
  header_ += as_text(taken);
  bytes = bytes.subspan(taken.size());
  offset_ += taken.size();
  if (taken.size() < want) return true;
  if (header_.size() >= kFixedHeaderBytes) seed_ = load_le<std::uint64_t>(header_.data() + 16);
  // An object too small for the whole seed is compared as far as the seed.
  const std::size_t compared =
      header_.size() >= kFixedHeaderBytes ? header_.size() : std::min<std::size_t>(header_.size(), 16);
  return payload_header(key_, size_, seed_).substr(0, compared) == header_.substr(0, compared);
}

bool Verifier::feed(ByteView bytes) {
  if (bytes.size() > size_ - offset_) return false;
  const std::uint64_t full = kFixedHeaderBytes + key_.size();
  if (header_.size() < std::min(full, size_) && !feed_header(bytes)) return false;
  while (!bytes.empty()) {
    const std::uint64_t at = offset_ - full;
    const std::uint64_t within = at % Pool::kPieceBytes;
    const std::size_t take = std::min<std::size_t>(Pool::kPieceBytes - within, bytes.size());
    const ByteView expected = pool_.piece(seed_, at / Pool::kPieceBytes).subspan(within, take);
    if (std::memcmp(expected.data(), bytes.data(), take) != 0) return false;
    bytes = bytes.subspan(take);
    offset_ += take;
  }
  return true;
}

}  // namespace gabion::bench
