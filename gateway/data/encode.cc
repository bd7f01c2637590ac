#include "gateway/data/encode.h"

#include "common/check.h"

namespace gabion::gateway::data {

std::vector<Bytes> encode_block(Core& core, const BlockRef& block, const Buffer& buffer) {
  const BlockLayout layout(block);
  GABION_CHECK(buffer.size() >= layout.buffer_bytes(), "a block is coded in a buffer with room for its parity");
  const Bytes bytes(buffer);
  if (layout.copies()) return std::vector<Bytes>(layout.shards(), bytes.slice(0, layout.sealed()));
  const unsigned k = block.profile.data;
  const std::size_t length = layout.shard_bytes();
  std::memset(buffer.data() + layout.sealed(), 0, k * length - layout.sealed());
  std::vector<Bytes> shards;
  std::vector<ByteView> data;
  std::vector<MutableBytes> parity;
  for (unsigned i = 0; i < block.profile.total(); ++i) {
    shards.push_back(bytes.slice(i * length, length));
    if (i < k) data.push_back(shards.back().view());
    else parity.push_back(buffer.span().subspan(i * length, length));
  }
  if (!parity.empty()) core.codec(block.profile).encode(data, parity);
  return shards;
}

std::vector<Bytes> encode_shards(Core& core, const BlockRef& block, const Buffer& buffer, const std::vector<unsigned>& wanted) {
  const BlockLayout layout(block);
  GABION_CHECK(buffer.size() >= layout.buffer_bytes(), "a block is coded in a buffer with room for its parity");
  const Bytes bytes(buffer);
  if (layout.copies()) return std::vector<Bytes>(wanted.size(), bytes.slice(0, layout.sealed()));
  const unsigned k = block.profile.data;
  const std::size_t length = layout.shard_bytes();
  std::memset(buffer.data() + layout.sealed(), 0, k * length - layout.sealed());
  std::vector<Bytes> shards;
  std::vector<erasure::Codec::Wanted> parity;
  for (const unsigned shard : wanted) {
    shards.push_back(bytes.slice(shard * length, length));
    if (shard >= k) parity.push_back({shard, buffer.span().subspan(shard * length, length)});
  }
  if (parity.empty()) return shards;
  std::vector<erasure::Codec::Present> data;
  for (unsigned i = 0; i < k; ++i) data.push_back({i, bytes.slice(i * length, length).view()});
  const auto coded = core.codec(block.profile).reconstruct(data, parity);
  GABION_CHECK(coded.has_value(), "parity comes from all data shards");
  return shards;
}

}  // namespace gabion::gateway::data
