// StateStorage is where the state machine's store of a group lives: one place per metadata drive, of which one is open and the
// others hold copies of it. A state travels to another node as files: a StateExport has those of the open store, a
// StateImport takes them. RocksStateStorage is the real one, MemoryStateStorage that of the simulation. StateStorages has those
// of all groups of a node.
// Thread-safe. Calls block; run them on an executor meant for that.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "common/bytes.h"
#include "common/ids.h"
#include "metadata/kv_store.h"

namespace gabion::metadata {

// What one drive holds: all commands up to `index`, and perhaps later ones. `primary`: it was open for writing, not a copy.
struct StateMark {
  std::uint64_t index = 0;
  bool primary = false;
};

// What there is space for: anything, only commands that lead to more of it, or nothing.
enum class Room { ample, reserve, none };

// Files of two states with the same lineage and name hold the same.
using StateLineage = Id<struct StateLineageTag>;

struct StateFile {
  std::string name;
  std::uint64_t size = 0;
  friend bool operator==(const StateFile&, const StateFile&) = default;
};

// The open store as it was at one moment. Holds on to its files until it is destroyed; the storage must outlive it.
class StateExport {
 public:
  virtual ~StateExport() = default;
  virtual StateLineage lineage() const = 0;
  virtual const std::vector<StateFile>& files() const = 0;
  // Thread-safe. `length` bytes, which the file must have there.
  virtual Result<Bytes> read(std::size_t file, std::uint64_t offset, std::size_t length) = 0;
};

// A state that comes from elsewhere, beside what the drive holds. What is not committed goes with this object. One call at a
// time; the storage must outlive it.
class StateImport {
 public:
  virtual ~StateImport() = default;
  // The files to come; called again when the source has to begin anew. True for those that are here already.
  virtual Result<std::vector<bool>> begin(StateLineage lineage, std::vector<StateFile> files) = 0;
  virtual Result<void> write(std::size_t file, std::uint64_t offset, Bytes bytes) = 0;
  // The file is whole: makes it durable.
  virtual Result<void> finish(std::size_t file) = 0;
  // All files are finished: they replace what the drive holds, as a copy that holds all commands up to `index`. A power cut
  // leaves the old or the new. conflict while the store of the drive is open.
  virtual Result<void> commit(std::uint64_t index) = 0;
};

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
  // old or the new copy. conflict, and the old ones stay, unless `wanted` says yes once it is certain what the copy will hold.
  using Condition = std::function<bool()>;
  virtual std::vector<Result<void>> copy(std::size_t from, std::vector<std::size_t> to, std::uint64_t index,
                                         const Condition& wanted) = 0;
  // The open store of this drive, flushed. At most one import to a drive at a time.
  virtual Result<std::unique_ptr<StateExport>> export_open(std::size_t drive) = 0;
  virtual Result<std::unique_ptr<StateImport>> import_to(std::size_t drive) = 0;
  // Makes the same drive of `child`, which is of the same kind, hold what the open store of this drive holds with `change` made
  // to it: a state with all commands of its own up to `index`. Durable. A power cut leaves all or nothing. False, and nothing
  // is changed, where the drive has such a state or a later one, or one that is open.
  using Change = std::function<Result<void>(KvStore&)>;
  virtual Result<bool> split_off(std::size_t drive, StateStorage& child, const Change& change, std::uint64_t index) = 0;
  // Of the open store of this drive, and those of other groups on it.
  virtual Room room(std::size_t) { return Room::ample; }
  // Makes the drive hold nothing.
  virtual Result<void> clear(std::size_t drive) = 0;
};

class StateStorages {
 public:
  virtual ~StateStorages() = default;
  // Of a group that may have nothing yet. The same one whenever it is asked for; by one thread at a time.
  virtual StateStorage& of(std::uint32_t group) = 0;
};

}  // namespace gabion::metadata
