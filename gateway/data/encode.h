// A sealed block becomes shards. CPU work on the calling thread.
#pragma once

#include <vector>

#include "gateway/data/core.h"

namespace gabion::gateway::data {

// All shards of the block, in order, as slices of `buffer`: it begins with the sealed block and has room for
// layout.buffer_bytes(), where padding and parity are written. Copies are all the same slice.
std::vector<Bytes> encode_block(Core& core, const BlockRef& block, const Buffer& buffer);
// Those of its shards alone that are `wanted`, in that order.
std::vector<Bytes> encode_shards(Core& core, const BlockRef& block, const Buffer& buffer, const std::vector<unsigned>& wanted);

}  // namespace gabion::gateway::data
