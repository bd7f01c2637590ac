#include "metadata/memory_kv.h"

namespace gabion::metadata {
namespace {

class MemoryIterator final : public KvIterator {
 public:
  MemoryIterator(std::shared_ptr<const MemoryTable> table, std::string upper_bound, Result<void> status)
      : table_(std::move(table)), upper_bound_(std::move(upper_bound)), status_(std::move(status)), at_(table_->end()) {}
  void seek(std::string_view key) override { at_ = status_ ? table_->lower_bound(key) : table_->end(); }
  void next() override { ++at_; }
  bool valid() const override {
    return at_ != table_->end() && (upper_bound_.empty() || at_->first < upper_bound_);
  }
  Result<void> status() const override { return status_; }
  std::string_view key() const override { return at_->first; }
  std::string_view value() const override { return at_->second; }

 private:
  const std::shared_ptr<const MemoryTable> table_;
  const std::string upper_bound_;
  const Result<void> status_;
  MemoryTable::const_iterator at_;
};

Error failed_drive() { return {Errc::unavailable, "the drive of the state has failed"}; }

}  // namespace

MemoryImage::MemoryImage() { wipe(); }

void MemoryImage::wipe() {
  const std::lock_guard lock(mutex);
  for (auto& table : tables) table = std::make_shared<MemoryTable>();
  mark.reset();
  ++generation;
}

void MemoryImage::crash() {
  const std::lock_guard lock(mutex);
  failed = false;
  ++generation;
}

MemoryKv::MemoryKv(std::shared_ptr<MemoryImage> image)
    : image_(std::move(image)), generation_(image_->generation), tables_(image_->tables) {}

Result<void> MemoryKv::alive() const {
  if (image_->failed || image_->generation != generation_) return failed_drive();
  return {};
}

Result<bool> MemoryKv::get(Table table, std::string_view key, std::string& value, ReadMode) const {
  const std::lock_guard lock(image_->mutex);
  TRY_OK(alive());
  const MemoryTable& rows = *tables_[static_cast<std::size_t>(table)];
  const auto it = rows.find(key);
  if (it == rows.end()) return false;
  value = it->second;
  return true;
}

std::unique_ptr<KvIterator> MemoryKv::iterate(Table table, std::string upper_bound) const {
  const std::lock_guard lock(image_->mutex);
  return std::make_unique<MemoryIterator>(tables_[static_cast<std::size_t>(table)], std::move(upper_bound), alive());
}

Result<void> MemoryKv::write(const Changes& changes) {
  const std::lock_guard lock(image_->mutex);
  TRY_OK(alive());
  for (std::size_t i = 0; i < kTables; ++i) {
    if (changes[i].empty()) continue;
    // Snapshots and the durable image keep the old table.
    if (tables_[i].use_count() > 1) tables_[i] = std::make_shared<MemoryTable>(*tables_[i]);
    auto& rows = const_cast<MemoryTable&>(*tables_[i]);
    for (const auto& [key, value] : changes[i]) {
      if (value) rows.insert_or_assign(key, *value);
      else rows.erase(key);
    }
  }
  if (image_->eager) image_->tables = tables_;
  return {};
}

Result<void> MemoryKv::flush() {
  const std::lock_guard lock(image_->mutex);
  TRY_OK(alive());
  image_->tables = tables_;
  return {};
}

std::string MemoryKv::dump() const {
  const std::lock_guard lock(image_->mutex);
  return dump(tables_);
}

std::string MemoryKv::dump(const MemoryTables& tables) {
  std::string out;
  const auto append = [&out](std::string_view text) {
    append_be64(out, text.size());
    out.append(text);
  };
  for (const auto& table : tables) {
    append_be64(out, table->size());
    for (const auto& [key, value] : *table) {
      append(key);
      append(value);
    }
  }
  return out;
}

Result<MemoryTables> MemoryKv::parse(std::string_view dump) {
  bool whole = true;
  const auto number = [&] {
    whole = whole && dump.size() >= 8;
    if (!whole) return std::uint64_t{0};
    const std::uint64_t value = load_be64(dump.data());
    dump.remove_prefix(8);
    return value;
  };
  const auto text = [&] {
    const std::uint64_t size = number();
    whole = whole && dump.size() >= size;
    if (!whole) return std::string();
    std::string value(dump.substr(0, size));
    dump.remove_prefix(size);
    return value;
  };
  MemoryTables tables;
  for (auto& table : tables) {
    auto rows = std::make_shared<MemoryTable>();
    for (std::uint64_t n = number(); n > 0 && whole; --n) {
      std::string key = text();
      (*rows)[std::move(key)] = text();
    }
    table = std::move(rows);
  }
  if (!whole || !dump.empty()) return Error(Errc::corrupt, "not a dump of tables");
  return tables;
}

Result<std::optional<StateMark>> MemoryStateStorage::mark(std::size_t drive) {
  const std::lock_guard lock(images_[drive]->mutex);
  if (images_[drive]->failed) return failed_drive();
  return images_[drive]->mark;
}

Result<std::shared_ptr<KvStore>> MemoryStateStorage::open(std::size_t drive) {
  MemoryImage& image = *images_[drive];
  const std::lock_guard lock(image.mutex);
  if (image.failed) return failed_drive();
  if (!image.mark) image.mark.emplace();
  image.mark->primary = true;
  ++image.generation;
  const auto store = std::make_shared<MemoryKv>(images_[drive]);
  opened_ = store;
  return std::shared_ptr<KvStore>(store);
}

Result<void> MemoryStateStorage::advance(std::size_t drive, std::uint64_t index) {
  const std::lock_guard lock(images_[drive]->mutex);
  if (images_[drive]->failed || !images_[drive]->mark) return failed_drive();
  images_[drive]->mark->index = index;
  return {};
}

std::vector<Result<void>> MemoryStateStorage::copy(std::size_t from, std::vector<std::size_t> to, std::uint64_t index,
                                                   const Condition& wanted) {
  std::vector<Result<void>> results;
  MemoryTables tables;
  bool readable = false;
  {
    // What was written since the last flush comes along, as with a real store.
    const auto store = opened_.lock();
    const std::lock_guard lock(images_[from]->mutex);
    readable = !images_[from]->failed;
    tables = store && store->image_ == images_[from] ? store->tables_ : images_[from]->tables;
  }
  if (readable && !wanted()) return {to.size(), Error(Errc::conflict, "the copy would hold more than it may")};
  for (const std::size_t drive : to) {
    MemoryImage& image = *images_[drive];
    const std::lock_guard lock(image.mutex);
    if (!readable || image.failed || image.refuses_copies) {
      results.emplace_back(failed_drive());
      continue;
    }
    image.tables = tables;
    image.mark = StateMark{.index = index, .primary = false};
    ++image.generation;
    results.emplace_back();
  }
  return results;
}

namespace {

// One file, which is a dump.
class MemoryExport final : public StateExport {
 public:
  explicit MemoryExport(std::string dump) : dump_(std::move(dump)), files_{{"tables", dump_.size()}} {}
  StateLineage lineage() const override { return {}; }
  const std::vector<StateFile>& files() const override { return files_; }
  Result<Bytes> read(std::size_t, std::uint64_t offset, std::size_t length) override {
    return Bytes::copy_of(std::string_view(dump_).substr(offset, length));
  }

 private:
  const std::string dump_;
  const std::vector<StateFile> files_;
};

class MemoryImport final : public StateImport {
 public:
  explicit MemoryImport(std::shared_ptr<MemoryImage> image) : image_(std::move(image)) {}
  Result<std::vector<bool>> begin(StateLineage, std::vector<StateFile> files) override {
    if (files.size() != 1) return Error(Errc::invalid, "the state of another kind of storage");
    dump_.assign(files[0].size, '\0');
    return std::vector<bool>{false};
  }
  Result<void> write(std::size_t, std::uint64_t offset, Bytes bytes) override {
    dump_.replace(offset, bytes.size(), bytes.text());
    return {};
  }
  Result<void> finish(std::size_t) override { return {}; }
  Result<void> commit(std::uint64_t index) override {
    TRY(auto tables, MemoryKv::parse(dump_));
    const std::lock_guard lock(image_->mutex);
    if (image_->failed) return failed_drive();
    image_->tables = std::move(tables);
    image_->mark = StateMark{.index = index, .primary = false};
    ++image_->generation;
    return {};
  }

 private:
  const std::shared_ptr<MemoryImage> image_;
  std::string dump_;
};

}  // namespace

Result<std::unique_ptr<StateExport>> MemoryStateStorage::export_open(std::size_t drive) {
  const auto store = opened_.lock();
  if (!store || store->image_ != images_[drive]) return Error(Errc::unavailable, "the state to export is not open");
  return std::unique_ptr<StateExport>(std::make_unique<MemoryExport>(store->dump()));
}

Result<std::unique_ptr<StateImport>> MemoryStateStorage::import_to(std::size_t drive) {
  const std::lock_guard lock(images_[drive]->mutex);
  if (images_[drive]->failed) return failed_drive();
  return std::unique_ptr<StateImport>(std::make_unique<MemoryImport>(images_[drive]));
}

Result<bool> MemoryStateStorage::split_off(std::size_t drive, StateStorage& other, const Change& change, std::uint64_t index) {
  auto& child = dynamic_cast<MemoryStateStorage&>(other);
  MemoryImage& image = *child.images_[drive];
  if (const auto open = child.opened_.lock(); open && open->image_ == child.images_[drive]) return false;
  const auto store = opened_.lock();
  if (!store || store->image_ != images_[drive]) return Error(Errc::unavailable, "the state to divide is not open");
  const auto born = std::make_shared<MemoryImage>();
  {
    const std::lock_guard lock(store->image_->mutex);
    TRY_OK(store->alive());
    born->tables = store->tables_;
  }
  MemoryKv changed(born);
  TRY_OK(change(changed));
  TRY_OK(changed.flush());
  const std::lock_guard lock(image.mutex);
  if (image.failed) return failed_drive();
  if (image.mark && image.mark->index >= index) return false;
  image.tables = born->tables;
  image.mark = StateMark{.index = index, .primary = false};
  ++image.generation;
  return true;
}

Result<void> MemoryStateStorage::clear(std::size_t drive) {
  images_[drive]->wipe();
  return {};
}

MemoryStateStorage& MemoryStates::of(std::uint32_t group) {
  auto& storage = storages_[group];
  if (storage) return *storage;
  auto& images = (*images_)[group];
  while (images.size() < images_->at(0).size()) images.push_back(std::make_shared<MemoryImage>());
  storage = std::make_unique<MemoryStateStorage>(images);
  return *storage;
}

}  // namespace gabion::metadata
