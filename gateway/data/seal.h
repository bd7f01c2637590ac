// Sealing plaintext into the segments of one block, straight from the caller's bytes, and opening segments again.
// CPU work on the calling thread; no I/O. Not thread-safe.
#pragma once

#include <span>

#include "gateway/data/layout.h"

namespace gabion::gateway::data {

class BlockSealer {
 public:
  // `into` has room for the sealed form of the plaintext to come; `aead` has the manifest's data key. Both outlive it.
  BlockSealer(Aead& aead, BlockId block, std::uint64_t ordinal, MutableBytes into)
      : aead_(aead), block_(block), ordinal_(ordinal), into_(into) {}

  void append(ByteView plain);
  // Ends the last segment. Returns the sealed bytes.
  std::size_t finish();
  std::size_t plain() const { return plain_; }

 private:
  void end_segment();

  Aead& aead_;
  const BlockId block_;
  const std::uint64_t ordinal_;
  const MutableBytes into_;
  std::size_t plain_ = 0;
  std::size_t written_ = 0;  // sealed bytes so far
  std::size_t in_segment_ = 0;  // plaintext of the open segment
  std::uint32_t segment_ = 0;
};

// Opens segments [first, end) of a block. `sealed` are their bytes in order, in pieces that may end anywhere; `out` has
// room for exactly their plaintext. corrupt when one does not verify; `out` then holds nothing to be used.
Result<void> open_segments(Aead& aead, const BlockRef& block, std::size_t first, std::size_t end,
                           std::span<const Bytes> sealed, MutableBytes out);

// As that, but what they hold is not kept.
Result<void> verify_segments(Aead& aead, const BlockRef& block, std::size_t first, std::size_t end,
                             std::span<const Bytes> sealed);

// The inline form of a small object.
std::string seal_inline(Aead& aead, ByteView plain);
Result<Bytes> open_inline(Aead& aead, std::string_view sealed);

}  // namespace gabion::gateway::data
