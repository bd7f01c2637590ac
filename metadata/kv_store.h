// KvStore is what the state machine keeps its state in: ordered tables, atomic batches, snapshots. RocksKv is the real
// one, MemoryKv the one of the simulation; one contract test covers both.
// get() and iterate() are thread-safe; write() and flush() are called by one thread at a time each. Calls may block.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/disk.h"
#include "common/result.h"

namespace gabion::metadata {

// `objects` is what listings scan, so nothing large is in it. `other` holds several kinds, told apart by their first byte.
enum class Table : std::uint8_t { objects, manifests, journal, other };
inline constexpr std::size_t kTables = 4;

// What one batch changes: for each table the new value of a key, or nullopt where it goes.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};
using TableChanges = std::unordered_map<std::string, std::optional<std::string>, TextHash, std::equal_to<>>;
using Changes = std::array<TableChanges, kTables>;

// Walks the keys below its bound in byte order, as they were when it was made.
class KvIterator {
 public:
  virtual ~KvIterator() = default;
  virtual void seek(std::string_view key) = 0;  // to the first key that is not less
  virtual void next() = 0;
  virtual bool valid() const = 0;  // false at the end and after an error, which status() tells apart
  virtual Result<void> status() const = 0;
  // Valid until the next move.
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
};

class KvStore {
 public:
  virtual ~KvStore() = default;
  // False when there is no such key. Errc::would_block when the answer is not in memory and `mode` is cached_only.
  virtual Result<bool> get(Table table, std::string_view key, std::string& value, ReadMode mode) const = 0;
  // `upper_bound` is the first key not to see; empty: all.
  virtual std::unique_ptr<KvIterator> iterate(Table table, std::string upper_bound) const = 0;
  // All or nothing, also over a crash; durable after the next flush(). An error means that the store is broken.
  virtual Result<void> write(const Changes& changes) = 0;
  virtual Result<void> flush() = 0;
};

}  // namespace gabion::metadata
