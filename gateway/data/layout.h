// The format of stored bytes: how plaintext becomes a sealed block, and a sealed block shards. Pure arithmetic.
//
//   manifest   one random 256-bit data key; wrapped by the tenant's key (keys.h).
//   block      up to 8 MiB of the manifest's plaintext; its ordinal is its place in the manifest, from 0. Its id is 16
//              random bytes, made when it is written and never used again.
//   segment    64 KiB of a block's plaintext (the last may be shorter), sealed by AES-256-GCM: the ciphertext, then the
//              tag of 16 bytes. Nonce: the block's ordinal (u64 LE), then the segment's number in the block (u32 LE).
//              Additional data: the block's id. So two sealed segments can never be swapped unnoticed, and no nonce
//              occurs twice under one key. A block that is coded anew for another profile gets another id and keeps its
//              sealed bytes; the manifest then says which id they were sealed under.
//   sealed     all sealed segments of a block in a row: one byte string.
//   shards     the sealed block cut into k equal parts of ceil(sealed / k) rounded up to 64 bytes, the last padded with
//              zeros, and m parity shards of the same length. A full block's shards are whole cells of the chunk server
//              when k is a power of two, so a range read verifies just the segments it returns.
//   copies     blocks of up to 128 KiB have no slivers but parity + 1 copies of the sealed block as shards 0..m.
//   inline     objects of up to 8 KiB are sealed as one segment into the manifest itself. Nonce: eight bytes of ff, which
//              is no block's ordinal, then zeros. Additional data: "gabion inline".
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "chunkserver/shard_store.h"
#include "common/aead.h"
#include "common/ids.h"
#include "erasure/codec.h"
#include "gateway/data/data_store.h"

namespace gabion::gateway::data {

inline constexpr std::size_t kSealedSegmentBytes = kSegmentBytes + kTagBytes;
static_assert(kSealedSegmentBytes == chunkserver::kCellBytes, "a cell is one sealed segment");
inline constexpr std::size_t kShardAlignment = 64;
inline constexpr std::uint64_t kInlineOrdinal = ~0ull;
inline constexpr std::string_view kInlineAad = "gabion inline";

// One block as readers, writers and repair name it.
struct BlockRef {
  BlockId id;
  metadata::ManifestId manifest = 0;
  std::uint64_t ordinal = 0;
  std::uint32_t length = 0;  // plaintext
  erasure::Profile profile;
  bool copies = false;
  std::optional<BlockId> sealed_as;  // in place of its id, when it was coded anew since
};

// Bytes [begin, end) of one shard.
struct ShardRange {
  unsigned shard = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

class BlockLayout {
 public:
  // `plain` is 1..kBlockBytes.
  BlockLayout(erasure::Profile profile, std::size_t plain, bool copies);
  explicit BlockLayout(const BlockRef& block) : BlockLayout(block.profile, block.length, block.copies) {}

  std::size_t plain() const { return plain_; }
  std::size_t segments() const { return segments_; }
  std::size_t sealed() const { return sealed_; }
  std::size_t shard_bytes() const { return shard_bytes_; }
  bool copies() const { return copies_; }
  unsigned shards() const { return copies_ ? profile_.parity + 1 : profile_.total(); }
  // Distinct shards that suffice to read the block.
  unsigned needed() const { return copies_ ? 1 : profile_.data; }
  // Data shards, padding and parity in a row.
  std::size_t buffer_bytes() const { return copies_ ? sealed_ : profile_.total() * shard_bytes_; }

  // Where segment `i` begins in the sealed block; segment_begin(segments()) is its end.
  std::size_t segment_begin(std::size_t i) const { return i >= segments_ ? sealed_ : i * kSealedSegmentBytes; }
  std::size_t segment_plain(std::size_t i) const {
    return segment_begin(i + 1) - segment_begin(i) - kTagBytes;
  }
  // The parts of data shards that hold sealed bytes [begin, end), in order.
  std::vector<ShardRange> ranges(std::size_t begin, std::size_t end) const;

 private:
  erasure::Profile profile_;
  bool copies_;
  std::size_t plain_;
  std::size_t segments_;
  std::size_t sealed_;
  std::size_t shard_bytes_;
};

Nonce segment_nonce(std::uint64_t ordinal, std::uint32_t segment);

// Blocks of a manifest as it came from the metadata; corrupt when they do not make sense.
Result<BlockRef> block_ref(const metadata::Manifest& manifest, metadata::ManifestId id, int index);
// Block lengths, profile and size fit together. corrupt otherwise.
Result<void> check_manifest(const metadata::Manifest& manifest);

}  // namespace gabion::gateway::data
