// MemoryKv keeps the tables in ordered maps, MemoryStateStorage the maps of several simulated drives, and MemoryStates those of
// all groups. What was not flushed is forgotten by crash(). Snapshots share the maps until the next write. Thread-safe.
#pragma once

#include <map>
#include <mutex>

#include "metadata/state_storage.h"

namespace gabion::metadata {

using MemoryTable = std::map<std::string, std::string, std::less<>>;
using MemoryTables = std::array<std::shared_ptr<const MemoryTable>, kTables>;

// What a drive holds durably. Shared by the store that is open on it.
struct MemoryImage {
  std::mutex mutex;
  MemoryTables tables;
  std::optional<StateMark> mark;
  bool failed = false;
  bool refuses_copies = false;
  bool eager = false;  // every write is flushed at once, as a store may do at any time
  std::uint64_t generation = 0;  // of open stores; a crash makes older ones dead

  MemoryImage();
  void wipe();
  // The machine lost power: what was not flushed is gone, and so are the stores that are open.
  void crash();
};

class MemoryKv final : public KvStore {
 public:
  explicit MemoryKv(std::shared_ptr<MemoryImage> image);
  Result<bool> get(Table table, std::string_view key, std::string& value, ReadMode mode) const override;
  std::unique_ptr<KvIterator> iterate(Table table, std::string upper_bound) const override;
  Result<void> write(const Changes& changes) override;
  Result<void> flush() override;

  // Everything, in one text: equal states give equal texts.
  std::string dump() const;
  static std::string dump(const MemoryTables& tables);
  static Result<MemoryTables> parse(std::string_view dump);

 private:
  friend class MemoryStateStorage;
  Result<void> alive() const;  // with the image's mutex held

  std::shared_ptr<MemoryImage> image_;
  const std::uint64_t generation_;
  MemoryTables tables_;  // guarded by the image's mutex
};

class MemoryStateStorage final : public StateStorage {
 public:
  explicit MemoryStateStorage(std::vector<std::shared_ptr<MemoryImage>> images) : images_(std::move(images)) {}
  std::size_t drives() const override { return images_.size(); }
  Result<std::optional<StateMark>> mark(std::size_t drive) override;
  Result<std::shared_ptr<KvStore>> open(std::size_t drive) override;
  Result<void> advance(std::size_t drive, std::uint64_t index) override;
  std::vector<Result<void>> copy(std::size_t from, std::vector<std::size_t> to, std::uint64_t index,
                                 const Condition& wanted) override;
  Result<std::unique_ptr<StateExport>> export_open(std::size_t drive) override;
  Result<std::unique_ptr<StateImport>> import_to(std::size_t drive) override;
  Result<bool> split_off(std::size_t drive, StateStorage& child, const Change& change, std::uint64_t index) override;
  Result<void> clear(std::size_t drive) override;
  // The store that was opened last, while it is in use.
  std::shared_ptr<const MemoryKv> opened() const { return opened_.lock(); }

 private:
  std::vector<std::shared_ptr<MemoryImage>> images_;
  std::weak_ptr<const MemoryKv> opened_;
};

// What the drives of a node hold: by group and drive.
using MemoryImages = std::map<std::uint32_t, std::vector<std::shared_ptr<MemoryImage>>>;

class MemoryStates final : public StateStorages {
 public:
  // With those of group 0, which say how many drives there are; those of other groups are made when they are needed.
  explicit MemoryStates(std::shared_ptr<MemoryImages> images) : images_(std::move(images)) {}
  explicit MemoryStates(std::vector<std::shared_ptr<MemoryImage>> root)
      : images_(std::make_shared<MemoryImages>(MemoryImages{{0, std::move(root)}})) {}
  MemoryStateStorage& of(std::uint32_t group) override;

 private:
  const std::shared_ptr<MemoryImages> images_;
  std::map<std::uint32_t, std::unique_ptr<MemoryStateStorage>> storages_;
};

}  // namespace gabion::metadata
