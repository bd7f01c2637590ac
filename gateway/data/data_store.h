// DataStore is the data path: it turns a stream of plaintext into sealed, erasure-coded, placed and synced blocks that a
// Manifest describes, and a manifest back into plaintext. It knows nothing of buckets, keys or HTTP. Writers and readers
// belong to one task; the store is thread-safe.
//
// A written manifest is durable but invisible: the caller commits it (metadata::PutObject, PutPart). Until then the
// blocks belong to the writer, whose destruction without commit or release queues their removal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/bytes.h"
#include "common/context.h"
#include "common/result.h"
#include "erasure/codec.h"
#include "metadata/metadata.h"

namespace gabion::gateway::data {

inline constexpr std::size_t kBlockBytes = 8 * MiB;     // plaintext of a full block
inline constexpr std::size_t kSegmentBytes = 64 * KiB;  // plaintext of an encrypted segment
// Objects up to this size live in the metadata; blocks up to kCopiesMax are stored as m+1 copies. By measurement:
// docs/performance.md.
inline constexpr std::size_t kInlineMax = 8 * KiB;
inline constexpr std::size_t kCopiesMax = 128 * KiB;

// What a finished write gave. `intents` are shards that could not be written; they travel in the same commit.
struct Written {
  metadata::Manifest manifest;
  std::vector<metadata::RepairIntent> intents;
};

class Writer {
 public:
  virtual ~Writer() = default;
  // Takes plaintext; copies it (sealed) before it returns. May wait for drives or for memory. exhausted: no memory or no
  // drive space; unavailable: too few drives work.
  virtual task<Result<void>> append(ByteView plaintext) = 0;
  // Every block is durable on enough drives that any one more could be lost (k+1, as far as the drives allow).
  virtual task<Result<Written>> finish() = 0;
  // The manifest was committed, or its commit has an unknown outcome: the blocks are no longer the writer's to remove.
  virtual void release() = 0;
};

class Reader {
 public:
  virtual ~Reader() = default;
  // The next verified and decrypted bytes, in order; empty at the end. corrupt or unavailable when more than m shards of
  // a block are gone.
  virtual task<Result<Bytes>> next() = 0;
};

class DataStore {
 public:
  virtual ~DataStore() = default;
  // `size_hint`: the number of bytes to come, where known; small ones get small buffers. Waits for memory.
  virtual task<Result<std::unique_ptr<Writer>>> write(Context ctx, std::optional<std::uint64_t> size_hint) = 0;
  // Plaintext [offset, offset + length) of the manifest; must lie inside it. The manifest's slices are resolved through
  // the metadata, where `group` has the manifest. Bad shards found on the way are queued for repair.
  virtual task<Result<std::unique_ptr<Reader>>> read(Context ctx, metadata::GroupId group, metadata::ManifestId id,
                                                     metadata::Manifest manifest, std::uint64_t offset,
                                                     std::uint64_t length) = 0;
};

}  // namespace gabion::gateway::data
