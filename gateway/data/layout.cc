#include "gateway/data/layout.h"

#include <algorithm>

#include "common/check.h"

namespace gabion::gateway::data {

BlockLayout::BlockLayout(erasure::Profile profile, std::size_t plain, bool copies)
    : profile_(profile),
      copies_(copies),
      plain_(plain),
      segments_((plain + kSegmentBytes - 1) / kSegmentBytes),
      sealed_(plain + segments_ * kTagBytes) {
  GABION_CHECK(plain > 0 && plain <= kBlockBytes, "a block has 1 byte to 8 MiB");
  const std::size_t part = (sealed_ + profile.data - 1) / profile.data;
  shard_bytes_ = copies ? sealed_ : (part + kShardAlignment - 1) / kShardAlignment * kShardAlignment;
}

std::vector<ShardRange> BlockLayout::ranges(std::size_t begin, std::size_t end) const {
  GABION_CHECK(begin < end && end <= sealed_, "a range lies in its block");
  std::vector<ShardRange> out;
  while (begin < end) {
    const std::size_t shard = begin / shard_bytes_;
    const std::size_t base = shard * shard_bytes_;
    const std::size_t stop = std::min(end, base + shard_bytes_);
    out.push_back({static_cast<unsigned>(shard), static_cast<std::uint32_t>(begin - base),
                   static_cast<std::uint32_t>(stop - base)});
    begin = stop;
  }
  return out;
}

Nonce segment_nonce(std::uint64_t ordinal, std::uint32_t segment) {
  Nonce nonce{};
  store_le<std::uint64_t>(nonce.data(), ordinal);
  store_le<std::uint32_t>(nonce.data() + 8, segment);
  return nonce;
}

Result<BlockRef> block_ref(const metadata::Manifest& manifest, metadata::ManifestId id, int index) {
  const metadata::Block& block = manifest.blocks(index);
  const auto block_id = BlockId::from_raw(block.id());
  if (!block_id) return Error(Errc::corrupt, "a manifest holds a block id that is not 16 bytes");
  if (block.length() == 0 || block.length() > kBlockBytes) {
    return Error(Errc::corrupt, "a manifest holds a block of an impossible length");
  }
  BlockRef ref;
  ref.id = *block_id;
  ref.manifest = id;
  ref.ordinal = static_cast<std::uint64_t>(index);
  ref.length = block.length();
  ref.profile = {manifest.data_shards(), manifest.parity_shards()};
  ref.copies = block.copies();
  if (block.sealed_as().empty()) return ref;
  ref.sealed_as = BlockId::from_raw(block.sealed_as());
  if (!ref.sealed_as) return Error(Errc::corrupt, "a manifest holds a block that was sealed under an id that is not 16 bytes");
  return ref;
}

Result<void> check_manifest(const metadata::Manifest& manifest) {
  if (manifest.size() == 0) return {};
  const bool inlined = !manifest.inline_data().empty();
  if (inlined) {
    if (manifest.inline_data().size() != manifest.size() + kTagBytes) {
      return Error(Errc::corrupt, "a manifest's inline data has the wrong length");
    }
    return {};
  }
  const unsigned k = manifest.data_shards();
  if (k < 1 || k > 32 || manifest.parity_shards() > 8) {
    return Error(Errc::corrupt, "a manifest has an impossible profile");
  }
  std::uint64_t sum = 0;
  for (const metadata::Block& block : manifest.blocks()) sum += block.length();
  if (sum != manifest.size()) return Error(Errc::corrupt, "a manifest's blocks do not add up to its size");
  return {};
}

}  // namespace gabion::gateway::data
