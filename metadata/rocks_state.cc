#include "metadata/rocks_state.h"

#include <filesystem>

#include "common/check.h"
#include "common/crc.h"
#include "common/log.h"

namespace gabion::metadata {
namespace {

const std::string kRootState = "metadata/state";  // of group 0
const std::string kGroups = "metadata/groups";
constexpr std::string_view kScratch = "scratch";
constexpr std::string_view kIncoming = "incoming";  // a state that comes from another node
constexpr std::string_view kOutgoing = "outgoing";  // one that goes to one, and its number
const std::string kBallast = kRootState + "/ballast";
constexpr std::size_t kCopyChunk = MiB;
constexpr std::uint64_t kBallastBytes = 32 * MiB;  // what a flush needs at most
constexpr std::uint64_t kOpeningBytes = 4 * MiB;   // RocksDB begins with new files of its own

// The file `current`: magic, version, length and CRC32C of the fields, then the fields.
constexpr std::uint32_t kMagic = 0x50534d47;  // "GMSP"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderSize = 16;
constexpr std::size_t kFieldsSize = 8 + 8 + 8 + 16;

Error missing_drive() { return {Errc::unavailable, "the drive is missing"}; }

}  // namespace

RocksDrives::RocksDrives(std::vector<Place> places, const RocksOptions& options, Rng& rng)
    : places_(std::move(places)), rng_(rng), memory_(options), open_(places_.size()) {
  for (const Place& place : places_) {
    ballast_.push_back(place.disk == nullptr ? nullptr : std::make_shared<Ballast>(*place.disk, kBallast, kBallastBytes));
  }
}

void RocksDrives::opened(std::size_t drive, std::weak_ptr<RocksKv> store) {
  const std::lock_guard lock(mutex_);
  std::erase_if(open_[drive], [](const auto& other) { return other.expired(); });
  open_[drive].push_back(std::move(store));
}

std::uint64_t RocksDrives::unflushed_bytes(std::size_t drive) {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const auto& open : open_[drive]) {
    if (const auto store = open.lock()) bytes += store->unflushed_bytes();
  }
  return bytes;
}

RocksStateStorage& RocksStates::of(std::uint32_t group) {
  auto& storage = storages_[group];
  if (!storage) storage = std::make_unique<RocksStateStorage>(drives_, group);
  return *storage;
}

RocksStateStorage::RocksStateStorage(RocksDrives& drives, std::uint32_t group)
    : shared_(drives),
      places_(drives.places()),
      root_(group == 0 ? kRootState : kGroups + "/" + std::to_string(group)),
      current_(root_ + "/current"),
      slots_(places_.size()) {}

Result<void> RocksStateStorage::make_root(std::size_t drive) {
  Disk& disk = *places_[drive].disk;
  std::string parent;
  for (std::size_t end = root_.find('/'); parent != root_; end = root_.find('/', end + 1)) {
    const std::string directory = root_.substr(0, end);
    TRY_OK(disk.make_dir(directory));
    TRY_OK(disk.sync_dir(parent));
    parent = directory;
  }
  return {};
}

Result<std::optional<RocksStateStorage::Current>> RocksStateStorage::load(std::size_t drive) {
  if (places_[drive].disk == nullptr) return missing_drive();
  auto content = read_file(*places_[drive].disk, current_, kHeaderSize + kFieldsSize);
  if (!content && content.error().code == Errc::not_found) return std::optional<Current>();
  if (!content) return content.error();
  const std::string damaged = full_path(drive, current_);
  if (content->size() != kHeaderSize + kFieldsSize || load_le<std::uint32_t>(content->data()) != kMagic) {
    return Error(Errc::corrupt, damaged + " is damaged");
  }
  const char* fields = content->data() + kHeaderSize;
  if (load_le<std::uint32_t>(content->data() + 8) != kFieldsSize ||
      load_le<std::uint32_t>(content->data() + 12) != crc32c(0, as_bytes({fields, kFieldsSize}))) {
    return Error(Errc::corrupt, damaged + " is damaged");
  }
  if (load_le<std::uint32_t>(content->data() + 4) != kVersion) {
    return Error(Errc::invalid, damaged + " was written by a newer version");
  }
  Current current;
  current.directory = load_le<std::uint64_t>(fields);
  current.mark.index = load_le<std::uint64_t>(fields + 8);
  current.mark.primary = load_le<std::uint64_t>(fields + 16) != 0;
  std::memcpy(current.lineage.bytes.data(), fields + 24, 16);
  return std::optional<Current>(current);
}

Result<void> RocksStateStorage::store(std::size_t drive, const Current& current) {
  std::string content(kHeaderSize + kFieldsSize, '\0');
  char* fields = content.data() + kHeaderSize;
  store_le(fields, current.directory);
  store_le(fields + 8, current.mark.index);
  store_le<std::uint64_t>(fields + 16, current.mark.primary ? 1 : 0);
  std::memcpy(fields + 24, current.lineage.bytes.data(), 16);
  store_le(content.data(), kMagic);
  store_le(content.data() + 4, kVersion);
  store_le(content.data() + 8, static_cast<std::uint32_t>(kFieldsSize));
  store_le(content.data() + 12, crc32c(0, as_bytes({fields, kFieldsSize})));
  return replace_file(*places_[drive].disk, current_, content);
}

Result<std::optional<StateMark>> RocksStateStorage::mark(std::size_t drive) {
  const std::lock_guard lock(slots_[drive].mutex);
  TRY(auto current, load(drive));
  if (!current) return std::optional<StateMark>();
  return std::optional<StateMark>(current->mark);
}

Result<std::shared_ptr<KvStore>> RocksStateStorage::open(std::size_t drive) {
  const std::lock_guard lock(slots_[drive].mutex);
  GABION_CHECK(slots_[drive].store.expired(), "the state of one drive is opened twice");
  TRY(auto current, load(drive));
  TRY_OK(make_room(drive));
  if (!current) {
    TRY_OK(make_root(drive));
    current.emplace();
    current->directory = 1;
    std::error_code ignored;  // a half-made first directory
    std::filesystem::remove_all(full_path(drive, directory_path(1)), ignored);
  }
  // A copy that is written to goes its own way: its next tables have names that the source uses for others.
  if (!current->mark.primary) {
    current->mark.primary = true;
    current->lineage = StateLineage::random(shared_.rng());
    TRY_OK(store(drive, *current));
  }
  const std::string directory = directory_path(current->directory);
  remove_others(drive, directory);
  TRY(auto opened, RocksKv::open(full_path(drive, directory), shared_.memory(), shared_.ballast(drive)));
  TRY_OK(places_[drive].disk->sync_dir(root_));
  keep_ballast(drive);
  std::shared_ptr<RocksKv> shared = std::move(opened);
  slots_[drive].store = shared;
  shared_.opened(drive, shared);
  return std::shared_ptr<KvStore>(shared);
}

Result<void> RocksStateStorage::make_room(std::size_t drive) {
  shared_.ballast(drive)->give(kOpeningBytes);
  TRY(const DiskSpace space, places_[drive].disk->space());
  if (space.available_bytes < kOpeningBytes) return Error(Errc::exhausted, places_[drive].path + " is full");
  return {};
}

// Also where the copies go: they must be renewed on full drives, or the log cannot be cut. Not later than at the start, as
// the other drives may have been wiped since.
void RocksStateStorage::keep_ballast(std::size_t opened) {
  const bool starting = !started_.exchange(true);
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (i != opened && !starting) continue;
    if (places_[i].disk != nullptr && make_root(i)) shared_.ballast(i)->take();
  }
}

Result<void> RocksStateStorage::advance(std::size_t drive, std::uint64_t index) {
  const std::lock_guard lock(slots_[drive].mutex);
  TRY(auto current, load(drive));
  if (!current || !current->mark.primary) return Error(Errc::unavailable, "the state of the drive is gone");
  current->mark.index = index;
  return store(drive, *current);
}

std::vector<Result<void>> RocksStateStorage::copy(std::size_t from, std::vector<std::size_t> to, std::uint64_t index,
                                                  const Condition& wanted) {
  const std::string scratch = root_ + "/" + std::string(kScratch);
  std::vector<Result<void>> results;
  Result<Current> source = [&]() -> Result<Current> {
    const std::lock_guard lock(slots_[from].mutex);
    const auto store = slots_[from].store.lock();
    if (!store) return Error(Errc::unavailable, "the state to copy is not open");
    TRY(auto current, load(from));
    if (!current) return Error(Errc::unavailable, "the state to copy is gone");
    std::error_code ignored;
    std::filesystem::remove_all(full_path(from, scratch), ignored);
    TRY_OK(store->checkpoint(full_path(from, scratch)));
    if (!wanted()) return Error(Errc::conflict, "the copy would hold more than it may");
    current->mark.index = index;
    return *current;
  }();
  for (const std::size_t drive : to) {
    GABION_CHECK(drive != from, "a state is copied onto itself");
    if (!source) results.emplace_back(source.error());
    else results.push_back(receive(drive, from, scratch, *source));
    if (!results.back()) discard(drive);
  }
  std::error_code ignored;
  std::filesystem::remove_all(full_path(from, scratch), ignored);
  return results;
}

Result<void> RocksStateStorage::receive(std::size_t to, std::size_t from, const std::string& scratch, const Current& source) {
  if (places_[to].disk == nullptr) return missing_drive();
  const std::lock_guard lock(slots_[to].mutex);
  // The primary may have moved here since; its state is not overwritten.
  if (!slots_[to].store.expired()) return Error(Errc::conflict, "the state of this drive is open");
  TRY_OK(make_root(to));
  shared_.ballast(to)->give(kBallastBytes);
  auto old = load(to);
  if (!old && old.error().code != Errc::corrupt) return old.error();
  const bool related = old && *old && (*old)->lineage == source.lineage;
  Current next = source;
  next.mark.primary = false;
  next.directory = std::max(source.directory, old && *old ? (*old)->directory : 0) + 1;

  Disk& disk = *places_[to].disk;
  const std::string directory = directory_path(next.directory);
  std::error_code failure;
  std::filesystem::remove_all(full_path(to, directory), failure);
  TRY_OK(disk.make_dir(directory));
  TRY(const auto names, places_[from].disk->list(scratch));
  for (const std::string& name : names) {
    const std::string source_path = full_path(from, scratch + "/" + name);
    if (related && name.ends_with(".sst")) {
      const std::string have = full_path(to, directory_path((*old)->directory) + "/" + name);
      const auto have_size = std::filesystem::file_size(have, failure);
      if (!failure && have_size == std::filesystem::file_size(source_path, failure) && !failure) {
        std::filesystem::create_hard_link(have, full_path(to, directory + "/" + name), failure);
        if (!failure) continue;
      }
    }
    TRY_OK(copy_file(from, scratch + "/" + name, to, directory + "/" + name));
  }
  TRY_OK(disk.sync_dir(directory));
  TRY_OK(disk.sync_dir(root_));
  TRY_OK(store(to, next));
  remove_others(to, directory);
  shared_.ballast(to)->take();
  return {};
}

Result<void> RocksStateStorage::take_in(std::size_t drive, const std::string& from, StateLineage lineage, std::uint64_t index) {
  if (!slots_[drive].store.expired()) return Error(Errc::conflict, "the state of this drive is open");
  const auto old = load(drive);
  if (!old && old.error().code != Errc::corrupt) return old.error();
  Current next;
  next.mark.index = index;
  next.lineage = lineage;
  next.directory = (old && *old ? (*old)->directory : 0) + 1;
  Disk& disk = *places_[drive].disk;
  const std::string directory = directory_path(next.directory);
  std::error_code ignored;  // what a power cut left here
  std::filesystem::remove_all(full_path(drive, directory), ignored);
  TRY_OK(disk.sync_dir(from));
  TRY_OK(disk.rename(from, directory));
  TRY_OK(disk.sync_dir(root_));
  TRY_OK(store(drive, next));
  remove_others(drive, directory);
  return {};
}

void RocksStateStorage::discard(std::size_t to) {
  if (places_[to].disk == nullptr) return;
  const std::lock_guard lock(slots_[to].mutex);
  if (!slots_[to].store.expired()) return;
  if (const auto kept = load(to); kept) remove_others(to, *kept ? directory_path((*kept)->directory) : std::string());
  shared_.ballast(to)->take();
}

Result<void> RocksStateStorage::copy_file(std::size_t from, const std::string& source, std::size_t to,
                                          const std::string& target) {
  TRY(auto in, places_[from].disk->open(source, OpenMode::read));
  TRY(auto out, places_[to].disk->open(target, OpenMode::create));
  Buffer chunk(kCopyChunk);
  for (std::uint64_t offset = 0;;) {
    TRY(const std::size_t n, in->read(offset, chunk.span(), ReadMode::wait));
    if (n == 0) break;
    TRY_OK(out->write(offset, chunk.span().first(n)));
    offset += n;
  }
  return out->sync();
}

// Leftovers of copies that were replaced or never finished. Failing to remove one is tried again with the next copy.
void RocksStateStorage::remove_others(std::size_t drive, const std::string& keep) {
  const auto names = places_[drive].disk->list(root_);
  if (!names) return;
  for (const std::string& name : *names) {
    const std::string path = root_ + "/" + name;
    const bool is_directory = name == kScratch || name.starts_with(kIncoming) || name.starts_with(kOutgoing) ||
                              name.find_first_not_of("0123456789") == std::string::npos;
    if (!is_directory || path == keep || slots_[drive].travelling.contains(path)) continue;
    std::error_code failure;
    std::filesystem::remove_all(full_path(drive, path), failure);
    if (failure) LOG(warn, "metadata", "an old copy of the state stays", field("path", full_path(drive, path)));
  }
}

Room RocksStateStorage::room(std::size_t drive) {
  const auto space = places_[drive].disk->space();
  if (!space || space->available_bytes >= kBallastBytes) return Room::ample;  // an error shows itself elsewhere
  const std::uint64_t need = shared_.unflushed_bytes(drive) + RocksKv::kFlushExtra;
  return space->available_bytes + shared_.ballast(drive)->held() >= need ? Room::reserve : Room::none;
}

Result<void> RocksStateStorage::clear(std::size_t drive) {
  if (places_[drive].disk == nullptr) return missing_drive();
  const std::lock_guard lock(slots_[drive].mutex);
  if (auto removed = places_[drive].disk->remove(current_); !removed && removed.error().code != Errc::not_found) {
    return removed;
  }
  return places_[drive].disk->sync_dir(root_);
}

}  // namespace gabion::metadata
