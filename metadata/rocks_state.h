// RocksStateStorage keeps the state below metadata/state of each drive: numbered directories, each a RocksDB, and the file
// `current` that says which one counts. A copy is made beside the old one from a checkpoint, of which only files that the
// old one lacks are copied, and `current` is then replaced atomically.
// Thread-safe; calls on one drive exclude each other. The disks must outlive it.
#pragma once

#include <atomic>
#include <mutex>
#include <set>

#include "common/ids.h"
#include "metadata/rocks_kv.h"
#include "metadata/state_storage.h"

namespace gabion::metadata {

class RocksStateStorage final : public StateStorage {
 public:
  struct Place {
    Disk* disk = nullptr;  // nullptr: the drive is missing
    std::string path;      // of the disk's root in the real file system, as RocksDB needs it
  };
  RocksStateStorage(std::vector<Place> places, const RocksOptions& options, Rng& rng);

  std::size_t drives() const override { return places_.size(); }
  Result<std::optional<StateMark>> mark(std::size_t drive) override;
  Result<std::shared_ptr<KvStore>> open(std::size_t drive) override;
  Result<void> advance(std::size_t drive, std::uint64_t index) override;
  std::vector<Result<void>> copy(std::size_t from, std::vector<std::size_t> to, std::uint64_t index) override;
  Result<std::unique_ptr<StateExport>> export_open(std::size_t drive) override;
  Result<std::unique_ptr<StateImport>> import_to(std::size_t drive) override;
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
    std::shared_ptr<Ballast> ballast;  // made once, with the drive there
    std::set<std::string> travelling;   // directories of exports and imports
    std::uint64_t exports = 0;          // ever, for their names
  };

  Result<void> make_root(std::size_t drive);
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
  std::string full_path(std::size_t drive, const std::string& path) const { return places_[drive].path + "/" + path; }

  const std::vector<Place> places_;
  const RocksOptions options_;
  Rng& rng_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  std::vector<Slot> slots_;
  std::atomic<bool> started_{false};
};

}  // namespace gabion::metadata
