#include "tools/serve/local_drives.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <utility>

#include "common/async.h"
#include "common/check.h"
#include "common/log.h"

namespace gabion::serve {
namespace {

constexpr std::uint64_t kOpeningBytes = 4 * MiB;

// RocksDB begins with new files, and its answer to a full disk in the middle of them may be the end of the process.
Result<void> check_room(const OpenDrive& drive) {
  TRY(const DiskSpace space, drive.disk->space());
  if (space.available_bytes >= kOpeningBytes) return {};
  return Error(Errc::exhausted,
               fmt::format("it is full: {} bytes are left, {} are needed", space.available_bytes, kOpeningBytes));
}

std::string label_of(const LocalDrive& drive) { return fmt::format("drive=\"{}\"", label_value(drive.open.path)); }

}  // namespace

LocalDrives::LocalDrives(const Config& config, Clock& clock, asio::thread_pool& readers, MetricsRegistry& registry)
    : config_(config), clock_(clock), readers_(readers), registry_(registry) {}

void LocalDrives::adopt(std::vector<OpenDrive> drives) {
  for (OpenDrive& open : drives) adopt_one(std::move(open));
}

LocalDrive& LocalDrives::adopt_one(OpenDrive open) {
  auto drive = std::make_unique<LocalDrive>();
  drive->open = std::move(open);
  drive->writer = std::make_unique<IoThread>(fmt::format("drive{}", drive->open.position));
  if (drive->open.identity.metadata) drive->log = std::make_unique<IoThread>(fmt::format("log{}", drive->open.position));
  drives_.push_back(std::move(drive));
  return *drives_.back();
}

void LocalDrives::drop(const std::function<bool(const DriveId&)>& unwanted) {
  for (auto it = drives_.begin(); it != drives_.end();) {
    if (!unwanted((*it)->id())) {
      ++it;
      continue;
    }
    LOG(error, "serve", "drive was replaced or removed; wipe it to use it again", field("drive", (*it)->open.path));
    // Others are let go, so that they can be used again once they were wiped.
    if ((*it)->open.identity.metadata) dropped_.push_back(std::move(*it));
    it = drives_.erase(it);
  }
}

Result<void> LocalDrives::open_engine(LocalDrive& drive) {
  TRY_OK(check_room(drive.open));
  TRY(drive.index, chunkserver::RocksIndex::open(drive.open.path + "/index", drive.id(), index_shared_));
  chunkserver::DriveOptions options;
  options.compact_bytes_per_second = config_.compaction_bytes_per_second;
  TRY(drive.store, chunkserver::DriveStore::open(options, drive.open.identity, *drive.open.disk, *drive.index,
                                                 drive.writer->executor(), readers_.get_executor(), clock_, drive.metrics));
  return {};
}

void LocalDrives::open_engines() {
  struct Opening {
    LocalDrive* drive;
    std::future<Result<void>> opened;
  };
  std::vector<Opening> openings;
  for (const auto& pointer : drives_) {
    LocalDrive& drive = *pointer;
    if (std::exchange(drive.tried, true)) continue;
    std::promise<Result<void>> promise;
    openings.push_back({&drive, promise.get_future()});
    asio::post(drive.writer->context(), [this, &drive, promise = std::move(promise)]() mutable {
      promise.set_value(open_engine(drive));
    });
  }
  for (Opening& opening : openings) opened(*opening.drive, opening.opened.get());
}

void LocalDrives::opened(LocalDrive& drive, const Result<void>& result) {
  drive.up = result.has_value();
  if (!result) {
    LOG(error, "serve", "drive is not usable; serving without it", field("drive", drive.open.path),
        field("error", result.error().message));
  }
  register_metrics(drive);
}

task<LocalDrive*> LocalDrives::add(OpenDrive open) {
  LocalDrive& drive = adopt_one(std::move(open));
  drive.tried = true;
  auto work = [this, &drive] { return open_engine(drive); };
  opened(drive, co_await offload(drive.writer->executor(), std::move(work)));
  if (drive.up) drive.store->start();
  co_return &drive;
}

task<void> LocalDrives::let_go(LocalDrive& drive) {
  GABION_CHECK(!drive.up, "only a lost drive is let go of");
  if (std::exchange(drive.let_go, true)) co_return;
  if (drive.store) co_await drive.store->give_up("another drive takes its place");
  auto close = [&drive] {
    if (drive.index) drive.index->close();
    drive.open.disk->unlock();
  };
  co_await offload(readers_.get_executor(), std::move(close));
  registry_.remove(label_of(drive));
}

void LocalDrives::start() {
  for (const auto& drive : drives_) {
    if (drive->store) drive->store->start();
  }
}

task<void> LocalDrives::stop() {
  for (const auto& drive : drives_) {
    if (drive->store && !drive->let_go) co_await drive->store->stop();
  }
}

std::vector<Disk*> LocalDrives::metadata_disks() const {
  std::vector<Disk*> disks;
  for (const auto& drive : drives_) {
    if (drive->open.identity.metadata && !drive->let_go) disks.push_back(drive->open.disk.get());
  }
  return disks;
}

std::vector<Disk*> LocalDrives::disks() const {
  std::vector<Disk*> disks;
  for (const auto& drive : drives_) {
    if (!drive->let_go) disks.push_back(drive->open.disk.get());
  }
  return disks;
}

std::vector<Disk*> LocalDrives::disks_up() const {
  std::vector<Disk*> disks;
  for (const auto& drive : drives_) {
    if (drive->up) disks.push_back(drive->open.disk.get());
  }
  return disks;
}

task<std::string> LocalDrives::examine(LocalDrive& drive) {
  Disk& disk = *drive.open.disk;
  auto read = [&disk] { return chunkserver::read_identity(disk); };
  const auto identity = co_await offload(readers_.get_executor(), std::move(read));
  const auto status = co_await drive.store->status(Context{});
  if (!identity) co_return identity.error().message;
  if (identity->drive != drive.id()) co_return "another drive is mounted in its place";
  if (!status) co_return status.error().message;
  if (status->health == chunkserver::DriveHealth::failed) co_return status->reason;
  drive.total_bytes = status->total_bytes;
  drive.available_bytes = status->available_bytes;
  drive.shards = status->shards;
  drive.shard_bytes = status->shard_bytes;
  co_return std::string();
}

task<void> LocalDrives::watch(std::function<std::string(const DriveId&)> metadata_problem,
                              std::function<task<void>(LocalDrive&, std::string)> lost) {
  for (std::size_t i = 0; i < drives_.size(); ++i) {  // a drive may be added meanwhile
    LocalDrive* const drive = drives_[i].get();
    if (!drive->store || !drive->up) continue;
    std::string problem = co_await examine(*drive);
    if (problem.empty()) problem = metadata_problem(drive->id());
    if (problem.empty()) continue;
    LOG(error, "serve", "drive is lost; serving without it until the next start", field("drive", drive->open.path),
        field("error", problem));
    drive->up = false;
    co_await lost(*drive, std::move(problem));
  }
}

void LocalDrives::register_metrics(LocalDrive& drive) {
  const std::string label = label_of(drive);
  const auto add = [&](const char* name, const char* help, auto read) {
    registry_.add(name, help, label, [d = &drive, read] { return static_cast<double>(read(*d)); });
  };
  add("gabion_drive_up", "1 while the drive is in use.", [](const LocalDrive& d) { return d.up ? 1 : 0; });
  add("gabion_drive_total_bytes", "Size of the drive's file system.", [](const LocalDrive& d) { return d.total_bytes.load(); });
  add("gabion_drive_available_bytes", "Free for new shards.", [](const LocalDrive& d) { return d.available_bytes.load(); });
  add("gabion_drive_shards", "Live shards.", [](const LocalDrive& d) { return d.shards.load(); });
  add("gabion_drive_shard_bytes", "Bytes of live shards.", [](const LocalDrive& d) { return d.shard_bytes.load(); });
  drive.metrics.register_in(registry_, label);
}

}  // namespace gabion::serve
