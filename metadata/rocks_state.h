// RocksStateStorage keeps a group's state below a directory of each drive, metadata/state for group 0 and metadata/groups/N for
// the others: numbered directories, each a RocksDB, and the file `current` that says which one counts. A copy is made beside the
// old one from a checkpoint, of which only files that the old one lacks are copied, and `current` is then replaced atomically.
// RocksStates has those of all groups; they share the memory, and the ballast of each drive.
// Thread-safe; calls on one drive exclude each other. The disks must outlive it.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "common/ids.h"
#include "metadata/rocks_kv.h"
#include "metadata/state_storage.h"

namespace gabion::metadata {

// What the states of all groups have in common.
class RocksDrives {
 public:
  struct Place {
    Disk* disk = nullptr;  // nullptr: the drive is missing
    std::string path;      // of the disk's root in the real file system, as RocksDB needs it
  };
  RocksDrives(std::vector<Place> places, const RocksOptions& options, Rng& rng);

  const std::vector<Place>& places() const { return places_; }
  const std::shared_ptr<Ballast>& ballast(std::size_t drive) const { return ballast_[drive]; }
  const RocksMemory& memory() const { return memory_; }
  Rng& rng() const { return rng_; }
  void opened(std::size_t drive, std::weak_ptr<RocksKv> store);
  // What the stores that are open on the drive still have to write.
  std::uint64_t unflushed_bytes(std::size_t drive);

 private:
  const std::vector<Place> places_;
  Rng& rng_;
  const RocksMemory memory_;
  std::vector<std::shared_ptr<Ballast>> ballast_;
  std::mutex mutex_;
  std::vector<std::vector<std::weak_ptr<RocksKv>>> open_;  // by drive; guarded by mutex_
};

class RocksStateStorage final : public StateStorage {
 public:
  RocksStateStorage(RocksDrives& drives, std::uint32_t group);

  std::size_t drives() const override { return places_.size(); }
  Result<std::optional<StateMark>> mark(std::size_t drive) override;
  Result<std::shared_ptr<KvStore>> open(std::size_t drive) override;
  Result<void> advance(std::size_t drive, std::uint64_t index) override;
  std::vector<Result<void>> copy(std::size_t from, std::vector<std::size_t> to, std::uint64_t index,
                                 const Condition& wanted) override;
  Result<std::unique_ptr<StateExport>> export_open(std::size_t drive) override;
  Result<std::unique_ptr<StateImport>> import_to(std::size_t drive) override;
  Result<bool> split_off(std::size_t drive, StateStorage& child, const Change& change, std::uint64_t index) override;
  Room room(std::size_t drive) override;
  Result<void> clear(std::size_t drive) override;

 private:
  class Export;
  class Import;
  // What the file `current` holds.
  struct Current {
    StateMark mark;
    std::uint64_t directory = 0;
    StateLineage lineage;
  };
  struct Slot {
    std::mutex mutex;
    std::weak_ptr<RocksKv> store;
    std::set<std::string> travelling;   // directories of exports and imports
    std::uint64_t exports = 0;          // ever, for their names
  };

  Result<void> make_root(std::size_t drive);
  // For a store that is to be opened. The slot's mutex is held.
  Result<void> make_room(std::size_t drive);
  void keep_ballast(std::size_t opened);
  Result<std::optional<Current>> load(std::size_t drive);
  Result<void> store(std::size_t drive, const Current& current);
  Result<void> receive(std::size_t to, std::size_t from, const std::string& scratch, const Current& source);
  // Removes what receive() left when it failed.
  void discard(std::size_t to);
  // Puts the directory `from` in the place of what the drive holds. The slot's mutex is held.
  Result<void> take_in(std::size_t drive, const std::string& from, StateLineage lineage, std::uint64_t index);
  Result<void> copy_file(std::size_t from, const std::string& source, std::size_t to, const std::string& target);
  void remove_others(std::size_t drive, const std::string& keep);
  std::string directory_path(std::uint64_t number) const { return root_ + "/" + std::to_string(number); }
  std::string full_path(std::size_t drive, const std::string& path) const { return places_[drive].path + "/" + path; }

  RocksDrives& shared_;
  const std::vector<RocksDrives::Place>& places_;
  const std::string root_;
  const std::string current_;
  std::vector<Slot> slots_;
  std::atomic<bool> started_{false};
};

class RocksStates final : public StateStorages {
 public:
  RocksStates(std::vector<RocksDrives::Place> places, const RocksOptions& options, Rng& rng)
      : drives_(std::move(places), options, rng) {}
  RocksStateStorage& of(std::uint32_t group) override;

 private:
  RocksDrives drives_;
  std::map<std::uint32_t, std::unique_ptr<RocksStateStorage>> storages_;
};

}  // namespace gabion::metadata
