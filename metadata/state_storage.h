// StateStorage is where the state machine's store lives: one place per metadata drive, of which one is open and the
// others hold copies of it. RocksStateStorage is the real one, MemoryStateStorage that of the simulation.
// Thread-safe. Calls block; run them on an executor meant for that.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "metadata/kv_store.h"

namespace gabion::metadata {

// What one drive holds: all commands up to `index`, and perhaps later ones. `primary`: it was open for writing, not a copy.
struct StateMark {
  std::uint64_t index = 0;
  bool primary = false;
};

// What there is space for: anything, only commands that lead to more of it, or nothing.
enum class Room { ample, reserve, none };

class StateStorage {
 public:
  virtual ~StateStorage() = default;
  virtual std::size_t drives() const = 0;
  // nullopt when the drive is readable and holds nothing.
  virtual Result<std::optional<StateMark>> mark(std::size_t drive) = 0;
  // Opens what the drive holds, or something empty. It becomes the primary. The last user of the pointer closes it.
  virtual Result<std::shared_ptr<KvStore>> open(std::size_t drive) = 0;
  // Records that the open store of this drive holds, flushed, all commands up to `index`.
  virtual Result<void> advance(std::size_t drive, std::uint64_t index) = 0;
  // Makes each of `to` hold a copy of the open store of `from`, which holds all commands up to `index`. A power cut leaves the
  // old or the new copy.
  virtual std::vector<Result<void>> copy(std::size_t from, std::vector<std::size_t> to, std::uint64_t index) = 0;
  // Of the open store of this drive.
  virtual Room room(std::size_t) { return Room::ample; }
  // Makes the drive hold nothing.
  virtual Result<void> clear(std::size_t drive) = 0;
};

}  // namespace gabion::metadata
