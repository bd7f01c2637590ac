#include "gateway/data/seal.h"

#include <algorithm>

#include "common/check.h"

namespace gabion::gateway::data {

void BlockSealer::append(ByteView plain) {
  while (!plain.empty()) {
    if (in_segment_ == 0) aead_.begin_seal(segment_nonce(ordinal_, segment_), as_bytes(block_.raw()));
    const std::size_t n = std::min(plain.size(), kSegmentBytes - in_segment_);
    GABION_CHECK(written_ + n + kTagBytes <= into_.size(), "a block buffer has room for what is sealed into it");
    aead_.update(plain.first(n), into_.data() + written_);
    written_ += n;
    plain_ += n;
    in_segment_ += n;
    plain = plain.subspan(n);
    if (in_segment_ == kSegmentBytes) end_segment();
  }
}

void BlockSealer::end_segment() {
  aead_.finish_seal(into_.subspan(written_, kTagBytes));
  written_ += kTagBytes;
  in_segment_ = 0;
  ++segment_;
}

std::size_t BlockSealer::finish() {
  if (in_segment_ != 0) end_segment();
  return written_;
}

namespace {

// Walks pieces of bytes and hands out contiguous runs, copying only where a run spans two pieces.
class PieceCursor {
 public:
  explicit PieceCursor(std::span<const Bytes> pieces) : pieces_(pieces) {}

  ByteView take(std::size_t length) {
    while (at_ < pieces_.size() && offset_ == pieces_[at_].size()) next_piece();
    GABION_CHECK(at_ < pieces_.size(), "the pieces hold every segment asked for");
    if (pieces_[at_].size() - offset_ >= length) {
      const ByteView run = pieces_[at_].view().subspan(offset_, length);
      offset_ += length;
      return run;
    }
    scratch_.clear();
    while (scratch_.size() < length) {
      GABION_CHECK(at_ < pieces_.size(), "the pieces hold every segment asked for");
      const std::size_t n = std::min(length - scratch_.size(), pieces_[at_].size() - offset_);
      const ByteView part = pieces_[at_].view().subspan(offset_, n);
      scratch_.insert(scratch_.end(), part.begin(), part.end());
      offset_ += n;
      if (offset_ == pieces_[at_].size()) next_piece();
    }
    return scratch_;
  }

 private:
  void next_piece() {
    ++at_;
    offset_ = 0;
  }
  std::span<const Bytes> pieces_;
  std::size_t at_ = 0;
  std::size_t offset_ = 0;
  std::vector<std::byte> scratch_;
};

// `place` gives where the plaintext of the next segment goes, of so many bytes.
template <class Place>
Result<void> open_each(Aead& aead, const BlockRef& block, std::size_t first, std::size_t end, std::span<const Bytes> sealed,
                       Place place) {
  const BlockLayout layout(block);
  const BlockId id = block.sealed_as.value_or(block.id);
  PieceCursor cursor(sealed);
  for (std::size_t i = first; i < end; ++i) {
    const std::size_t plain = layout.segment_plain(i);
    const ByteView segment = cursor.take(plain + kTagBytes);
    const Nonce nonce = segment_nonce(block.ordinal, static_cast<std::uint32_t>(i));
    TRY_OK(aead.open(nonce, as_bytes(id.raw()), segment, place(plain)));
  }
  return {};
}

Nonce inline_nonce() { return segment_nonce(kInlineOrdinal, 0); }

}  // namespace

Result<void> open_segments(Aead& aead, const BlockRef& block, std::size_t first, std::size_t end,
                           std::span<const Bytes> sealed, MutableBytes out) {
  const auto next = [&out](std::size_t plain) {
    const MutableBytes here = out.first(plain);
    out = out.subspan(plain);
    return here;
  };
  TRY_OK(open_each(aead, block, first, end, sealed, next));
  GABION_CHECK(out.empty(), "the plaintext of the segments fills the buffer");
  return {};
}

Result<void> verify_segments(Aead& aead, const BlockRef& block, std::size_t first, std::size_t end,
                             std::span<const Bytes> sealed) {
  std::vector<std::byte> scratch(kSegmentBytes);  // small enough for the processor's cache
  const auto same = [&scratch](std::size_t plain) { return MutableBytes(scratch).first(plain); };
  return open_each(aead, block, first, end, sealed, same);
}

std::string seal_inline(Aead& aead, ByteView plain) {
  std::string out(plain.size() + kTagBytes, '\0');
  aead.seal(inline_nonce(), as_bytes(kInlineAad), plain, std::as_writable_bytes(std::span(out)));
  return out;
}

Result<Bytes> open_inline(Aead& aead, std::string_view sealed) {
  if (sealed.size() < kTagBytes) return Error(Errc::corrupt, "inline data is shorter than its tag");
  Buffer out(sealed.size() - kTagBytes);
  TRY_OK(aead.open(inline_nonce(), as_bytes(kInlineAad), as_bytes(sealed), out.span()));
  return Bytes(out);
}

}  // namespace gabion::gateway::data
