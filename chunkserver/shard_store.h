// ShardStore is what the gateway sees of one drive of a chunk server. DriveStore implements it on a disk in this
// process; RemoteShardStore through RPC. One contract test covers every implementation. Thread-safe: call from any
// executor; a call resumes on the caller's.
//
// A shard is an opaque byte string of at most kShardBytesMax, written once under a key and never changed. Chunk servers
// know nothing of objects, plaintext or keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/context.h"
#include "common/ids.h"
#include "common/result.h"

namespace gabion::chunkserver {

inline constexpr std::size_t kShardBytesMax = 16 * MiB;
// Each cell of a shard carries its own CRC32C. It is the size of one encrypted segment (64 KiB and its tag), so that a
// range read of a full block verifies just the cells it returns.
inline constexpr std::size_t kCellBytes = 64 * KiB + 16;

// The order of keys is the order of ring partitions, as a partition is the leading bits of a block id.
struct ShardKey {
  BlockId block;
  std::uint8_t index = 0;  // 0..k+m-1

  friend auto operator<=>(const ShardKey&, const ShardKey&) = default;
};

// The first key that is greater; nullopt: there is none.
inline std::optional<ShardKey> next_key(ShardKey key) {
  if (++key.index != 0) return key;
  for (std::size_t i = key.block.bytes.size(); i-- > 0;) {
    if (++key.block.bytes[i] != 0) return key;
  }
  return std::nullopt;
}

struct ShardInfo {
  ShardKey key;
  std::uint32_t length = 0;  // bytes
};

struct ShardPage {
  std::vector<ShardInfo> shards;  // ascending by key
  bool more = false;
};

enum class DriveHealth { up, failed };

struct DriveStatus {
  DriveHealth health = DriveHealth::up;
  std::string reason;  // why it failed
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;  // for new shards: the reserve is already taken off
  std::uint64_t shards = 0;
  std::uint64_t shard_bytes = 0;    // live
  std::uint64_t segment_bytes = 0;  // all segments, live or not
};

class ShardStore {
 public:
  virtual ~ShardStore() = default;

  // Durable when it returns success. Putting a key that exists with the same bytes succeeds; with others replaces it
  // (repair of a bad shard does). exhausted: no space; unavailable: the drive failed. `pieces` are concatenated.
  virtual task<Result<void>> put(Context ctx, ShardKey key, std::vector<Bytes> pieces) = 0;

  // `length` bytes from `offset`, every cell they touch verified. not_found; corrupt: a checksum did not match, nothing
  // is returned; unavailable: the drive failed; invalid: outside the shard. length 0 means to the end.
  virtual task<Result<Bytes>> read(Context ctx, ShardKey key, std::uint32_t offset, std::uint32_t length) = 0;

  // The shard's length without reading it. not_found.
  virtual task<Result<ShardInfo>> stat(Context ctx, ShardKey key) = 0;

  // Durable when it returns. Keys that do not exist are not an error.
  virtual task<Result<void>> remove(Context ctx, std::vector<ShardKey> keys) = 0;

  // Shards with keys not less than `from`, at most `limit`, in order.
  virtual task<Result<ShardPage>> list(Context ctx, ShardKey from, std::size_t limit) = 0;

  virtual task<Result<DriveStatus>> status(Context ctx) = 0;
};

}  // namespace gabion::chunkserver
