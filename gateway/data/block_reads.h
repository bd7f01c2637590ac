// Verified reads of one block: bytes fetched from the drives, opened under the manifest's key. What the checksums let pass
// and the tags do not is read again without the shards under suspicion, so up to m tampered shards cost nothing but time.
#pragma once

#include <memory>

#include "gateway/data/seal.h"
#include "gateway/data/shard_fetch.h"

namespace gabion::gateway::data {

// One manifest that is being read, with its key. Belongs to one task at a time.
struct OpenManifest {
  OpenManifest(metadata::ManifestId manifest_id, metadata::Manifest m, const SecretKey& key)
      : id(manifest_id), manifest(std::move(m)), aead(key) {}
  metadata::ManifestId id;
  metadata::Manifest manifest;
  Aead aead;
};

// Checks the manifest and opens its data key.
task<Result<std::shared_ptr<OpenManifest>>> open_manifest(Core& core, Context ctx, metadata::ManifestId id,
                                                          metadata::Manifest manifest);

struct SegmentRange {
  std::size_t first = 0;
  std::size_t end = 0;
};

// What reading the segments takes out of the memory budget.
std::size_t memory_for_segments(const BlockRef& block, SegmentRange range);

// The plaintext of segments [first, end). `lease` is memory_for_segments() or more. The avoided drives are those of the
// whole read.
task<Result<Bytes>> read_segments(Core& core, Context ctx, std::shared_ptr<OpenManifest> open, BlockRef block,
                                  SegmentRange range, MemoryBudget::Lease lease, std::shared_ptr<AvoidedDrives> avoided);

// The whole block, sealed and verified, at the start of a buffer of layout.buffer_bytes(), or `room` if that is more. The rest
// is not initialised. Shards that are `doubtful` are read only when too few others are good. For repair and coding anew.
task<Result<Buffer>> read_sealed_block(Core& core, Context ctx, std::shared_ptr<OpenManifest> open, BlockRef block,
                                       std::size_t room = 0, std::set<unsigned> doubtful = {});

}  // namespace gabion::gateway::data
