// States that travel: a checkpoint of the open store whose files are read by another node, the files that come from one, and a
// state that becomes another group's.
#include <filesystem>

#include "common/check.h"
#include "metadata/rocks_state.h"

namespace gabion::metadata {

class RocksStateStorage::Export final : public StateExport {
 public:
  Export(RocksStateStorage& storage, std::size_t drive, std::string directory, StateLineage lineage)
      : storage_(storage), drive_(drive), directory_(std::move(directory)), lineage_(lineage) {}
  ~Export() override {
    std::error_code ignored;  // then the next opening removes it
    std::filesystem::remove_all(storage_.full_path(drive_, directory_), ignored);
    const std::lock_guard lock(storage_.slots_[drive_].mutex);
    storage_.slots_[drive_].travelling.erase(directory_);
  }

  Result<void> list() {
    TRY(const auto names, disk().list(directory_));
    for (const std::string& name : names) {
      TRY(auto file, disk().open(path(name), OpenMode::read));
      TRY(const std::uint64_t size, file->size());
      files_.push_back({name, size});
    }
    return {};
  }

  StateLineage lineage() const override { return lineage_; }
  const std::vector<StateFile>& files() const override { return files_; }
  Result<Bytes> read(std::size_t file, std::uint64_t offset, std::size_t length) override {
    TRY(auto in, disk().open(path(files_[file].name), OpenMode::read));
    const Buffer buffer(length);
    TRY(const std::size_t n, in->read(offset, buffer.span(), ReadMode::wait));
    if (n != length) return Error(Errc::corrupt, path(files_[file].name) + " is shorter than it was");
    return Bytes(buffer);
  }

 private:
  Disk& disk() const { return *storage_.places_[drive_].disk; }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  RocksStateStorage& storage_;
  const std::size_t drive_;
  const std::string directory_;
  const StateLineage lineage_;
  std::vector<StateFile> files_;
};

class RocksStateStorage::Import final : public StateImport {
 public:
  Import(RocksStateStorage& storage, std::size_t drive, std::string directory)
      : storage_(storage), drive_(drive), directory_(std::move(directory)) {}
  ~Import() override {
    open_.clear();
    std::error_code ignored;  // then the next opening removes it
    std::filesystem::remove_all(storage_.full_path(drive_, directory_), ignored);
    const std::lock_guard lock(storage_.slots_[drive_].mutex);
    storage_.slots_[drive_].travelling.erase(directory_);
  }

  Result<std::vector<bool>> begin(StateLineage lineage, std::vector<StateFile> files) override {
    open_.clear();
    std::vector<bool> here(files.size());
    const std::vector<StateFile> before = lineage == lineage_ ? std::exchange(finished_, {}) : std::vector<StateFile>();
    finished_.clear();
    lineage_ = lineage;
    files_ = std::move(files);
    // Tables never change; the files that say which of them count do.
    for (std::size_t i = 0; i < files_.size(); ++i) {
      here[i] = files_[i].name.ends_with(".sst") && std::find(before.begin(), before.end(), files_[i]) != before.end();
      if (here[i]) finished_.push_back(files_[i]);
    }
    TRY_OK(disk().make_dir(directory_));
    TRY(const auto names, disk().list(directory_));
    for (const std::string& name : names) {
      const bool kept = std::any_of(finished_.begin(), finished_.end(), [&](const StateFile& file) { return file.name == name; });
      if (!kept) TRY_OK(disk().remove(path(name)));
    }
    return here;
  }

  Result<void> write(std::size_t file, std::uint64_t offset, Bytes bytes) override {
    GABION_CHECK(offset + bytes.size() <= files_[file].size, "a file grows beyond its size");
    TRY(File * out, opened(file));
    return out->write(offset, bytes.view());
  }

  Result<void> finish(std::size_t file) override {
    TRY(File * out, opened(file));  // which makes an empty one
    TRY(const std::uint64_t size, out->size());
    if (size != files_[file].size) return Error(Errc::corrupt, path(files_[file].name) + " is not whole");
    TRY_OK(out->sync());
    open_.erase(file);
    finished_.push_back(files_[file]);
    return {};
  }

  Result<void> commit(std::uint64_t index) override {
    GABION_CHECK(finished_.size() == files_.size(), "a state is committed before it is whole");
    const std::lock_guard lock(storage_.slots_[drive_].mutex);
    return storage_.take_in(drive_, directory_, lineage_, index);
  }

 private:
  Disk& disk() const { return *storage_.places_[drive_].disk; }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  Result<File*> opened(std::size_t file) {
    auto& open = open_[file];
    if (!open) {
      auto made = disk().open(path(files_[file].name), OpenMode::create);
      if (!made) return made.error();
      open = *std::move(made);
    }
    return open.get();
  }

  RocksStateStorage& storage_;
  const std::size_t drive_;
  const std::string directory_;
  StateLineage lineage_;
  std::vector<StateFile> files_, finished_;
  std::map<std::size_t, std::unique_ptr<File>> open_;
};

Result<std::unique_ptr<StateExport>> RocksStateStorage::export_open(std::size_t drive) {
  std::unique_ptr<Export> made;
  {
    const std::lock_guard lock(slots_[drive].mutex);
    const auto store = slots_[drive].store.lock();
    if (!store) return Error(Errc::unavailable, "the state to export is not open");
    TRY(const auto current, load(drive));
    if (!current) return Error(Errc::unavailable, "the state to export is gone");
    const std::string directory = root_ + "/outgoing-" + std::to_string(++slots_[drive].exports);
    std::error_code ignored;
    std::filesystem::remove_all(full_path(drive, directory), ignored);
    TRY_OK(store->checkpoint(full_path(drive, directory)));
    slots_[drive].travelling.insert(directory);
    made = std::make_unique<Export>(*this, drive, directory, current->lineage);
  }
  TRY_OK(made->list());
  return std::unique_ptr<StateExport>(std::move(made));
}

Result<std::unique_ptr<StateImport>> RocksStateStorage::import_to(std::size_t drive) {
  if (places_[drive].disk == nullptr) return Error(Errc::unavailable, "the drive is missing");
  const std::string directory = root_ + "/incoming";
  const std::lock_guard lock(slots_[drive].mutex);
  TRY_OK(make_root(drive));
  if (!slots_[drive].travelling.insert(directory).second) return Error(Errc::conflict, "another state is coming to this drive");
  std::error_code ignored;
  std::filesystem::remove_all(full_path(drive, directory), ignored);
  return std::unique_ptr<StateImport>(std::make_unique<Import>(*this, drive, directory));
}

Result<bool> RocksStateStorage::split_off(std::size_t drive, StateStorage& other, const Change& change, std::uint64_t index) {
  auto& child = dynamic_cast<RocksStateStorage&>(other);
  const std::string scratch = child.root_ + "/scratch";
  TRY_OK(child.make_root(drive));
  const std::lock_guard child_lock(child.slots_[drive].mutex);
  if (!child.slots_[drive].store.expired()) return false;
  const auto there = child.load(drive);
  if (!there && there.error().code != Errc::corrupt) return there.error();
  if (there && *there && (*there)->mark.index >= index) return false;
  std::error_code ignored;  // what a power cut left
  std::filesystem::remove_all(full_path(drive, scratch), ignored);
  {
    const std::lock_guard lock(slots_[drive].mutex);
    const auto store = slots_[drive].store.lock();
    if (!store) return Error(Errc::unavailable, "the state to divide is not open");
    TRY_OK(make_room(drive));
    TRY_OK(store->checkpoint(full_path(drive, scratch)));
  }
  {
    TRY(const auto born, RocksKv::open(full_path(drive, scratch), shared_.memory(), shared_.ballast(drive)));
    TRY_OK(change(*born));
    TRY_OK(born->flush());
  }
  TRY_OK(child.take_in(drive, scratch, StateLineage::random(shared_.rng()), index));
  return true;
}

}  // namespace gabion::metadata
