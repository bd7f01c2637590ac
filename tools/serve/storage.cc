#include "tools/serve/storage.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <future>

#include "common/async.h"
#include "common/log.h"

namespace gabion::serve {
namespace {

// Enough for hundreds of drives; a ring with more partitions is made by splitting each in two, without moving data.
constexpr unsigned kPartitionBits = 10;
constexpr std::size_t kMemoryShare = 4;
constexpr Duration kWatchInterval = std::chrono::seconds(2);
constexpr const char* kTenant = "default";
constexpr std::uint64_t kOpeningBytes = 4 * MiB;

std::size_t memory_budget(const Config& config) {
  if (config.memory_bytes != 0) return config.memory_bytes;
  const auto pages = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES));
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / kMemoryShare;
}

ring::Drive ring_drive(const OpenDrive& drive) {
  const auto space = drive.disk->space();
  const auto gibibytes = space ? static_cast<double>(space->total_bytes) / static_cast<double>(GiB) : 1;
  return {.id = drive.identity.drive, .weight = std::max(gibibytes, 1.0), .domain = {"node"}};
}

// RocksDB begins with new files, and its answer to a full disk in the middle of them may be the end of the process.
Result<void> check_room(const OpenDrive& drive) {
  TRY(const DiskSpace space, drive.disk->space());
  if (space.available_bytes >= kOpeningBytes) return {};
  return Error(Errc::exhausted,
               fmt::format("it is full: {} bytes are left, {} are needed", space.available_bytes, kOpeningBytes));
}

}  // namespace

Result<std::unique_ptr<Storage>> Storage::open(const Config& config, const GetEnv& getenv, Clock& clock, Rng& rng,
                                               MetricsRegistry& registry) {
  std::unique_ptr<Storage> storage(new Storage(config, clock, rng));
  if (auto opened = storage->open_all(getenv, registry); !opened) {
    if (storage->metadata_) block_on(storage->background_.executor(), storage->metadata_->stop());
    return opened.error();
  }
  return storage;
}

Storage::Storage(const Config& config, Clock& clock, Rng& rng) : config_(config), clock_(clock), rng_(rng) {}

Storage::~Storage() {
  readers_.join();
}

Result<void> Storage::open_all(const GetEnv& getenv, MetricsRegistry& registry) {
  profile_ = erasure::default_profile(config_.drives.size());
  if (!config_.standard_class.empty()) {
    TRY(profile_, erasure::parse_profile(config_.standard_class));
    if (profile_.total() > config_.drives.size()) {
      return Error(Errc::invalid, fmt::format("storage class {} needs {} drives, {} are given", config_.standard_class,
                                              profile_.total(), config_.drives.size()));
    }
  }
  TRY(DriveSet set, open_drives(config_, profile_, clock_, rng_));
  cluster_ = set.cluster;
  adopt(std::move(set.drives));
  TRY(secrets_, load_secrets(metadata_disks(), set.fresh, rng_, getenv));
  TRY_OK(open_metadata(set.fresh));
  if (set.fresh) TRY_OK(make_cluster());
  TRY_OK(load_cluster());
  TRY_OK(mark_cluster_complete());
  if (!set.replacements.empty()) TRY_OK(replace_drives(std::move(set.replacements), getenv));
  open_engines();
  open_data_path();
  // A wrong master key must be found out now, not at the first read.
  auto key = block_on(background_.executor(), keys_->tenant_key(Context{}, kTenant));
  if (!key) return Error(Errc::invalid, "the master key is not the one this cluster was made with: " + key.error().message);
  register_metrics(registry);
  return {};
}

void Storage::adopt(std::vector<OpenDrive> drives) {
  for (OpenDrive& open : drives) {
    auto drive = std::make_unique<Drive>();
    drive->open = std::move(open);
    drive->writer = std::make_unique<IoThread>(fmt::format("drive{}", drive->open.position));
    if (drive->open.identity.metadata) drive->log = std::make_unique<IoThread>(fmt::format("log{}", drive->open.position));
    drives_.push_back(std::move(drive));
  }
}

std::vector<Disk*> Storage::metadata_disks() const {
  std::vector<Disk*> disks;
  for (const auto& drive : drives_) {
    if (drive->open.identity.metadata) disks.push_back(drive->open.disk.get());
  }
  return disks;
}

Result<void> Storage::open_metadata(bool fresh) {
  metadata::LocalMetadataOptions options;
  for (const auto& drive : drives_) {
    if (!drive->open.identity.metadata) continue;
    options.drives.emplace_back(drive->open.identity.drive, drive->open.disk.get(), drive->open.path, drive->log->executor());
  }
  if (options.drives.empty()) return Error(Errc::unavailable, "none of the drives that hold the metadata is here");
  options.commit = commit_.executor();
  options.readers = readers_.get_executor();
  options.background = checkpoint_.executor();
  options.clock = &clock_;
  options.rng = &rng_;
  options.metrics = &metadata_metrics_;
  options.allow_new = fresh;
  options.rocks.block_cache_bytes = config_.metadata_cache_bytes;
  TRY(metadata_, block_on(background_.executor(), metadata::LocalMetadata::open(std::move(options))));
  return {};
}

Result<void> Storage::make_cluster() {
  const auto current = block_on(background_.executor(), metadata_->cluster_state(Context{}));
  if (current) return {};  // an interrupted start came this far
  if (current.error().code != Errc::not_found) return current.error();
  std::vector<ring::Drive> members;
  for (const auto& drive : drives_) members.push_back(ring_drive(drive->open));
  TRY(ring_, ring::build(ring::Ring(), std::move(members), profile_.total(), kPartitionBits));
  metadata::ClusterState state;
  state.set_cluster_id(std::string(cluster_.raw()));
  state.set_ring(ring_.encode());
  state.set_data_shards(profile_.data);
  state.set_parity_shards(profile_.parity);
  TRY_OK(block_on(background_.executor(), save_cluster_state(std::move(state), 0)));
  LOG(info, "serve", "made a new cluster", field("cluster", cluster_.to_hex()), field("drives", drives_.size()),
      field("class", erasure::to_string(profile_)));
  return {};
}

Result<void> Storage::mark_cluster_complete() {
  std::vector<Disk*> disks;
  for (const auto& drive : drives_) disks.push_back(drive->open.disk.get());
  if (auto marked = mark_complete(disks); !marked) {
    LOG(warn, "serve", "a drive could not be marked as part of a complete cluster", field("error", marked.error().message));
  }
  return {};
}

task<Result<void>> Storage::save_cluster_state(metadata::ClusterState state, std::uint64_t version) {
  metadata::Command command;
  *command.mutable_set_cluster_state()->mutable_state() = std::move(state);
  command.mutable_set_cluster_state()->set_expected_version(version);
  CO_TRY(const auto result, co_await metadata_->commit(Context{}, std::move(command)));
  if (result.outcome() != metadata::APPLIED) co_return Error(Errc::conflict, "the cluster's state was changed by another");
  co_return Result<void>();
}

Result<void> Storage::load_cluster() {
  TRY(const auto current, block_on(background_.executor(), metadata_->cluster_state(Context{})));
  TRY(ring_, ring::Ring::decode(current.state.ring()));
  TRY_OK(check_profile({.data = current.state.data_shards(), .parity = current.state.parity_shards()}));
  std::erase_if(drives_, [&](const std::unique_ptr<Drive>& drive) {
    const auto& members = ring_.drives();
    const bool member = std::any_of(members.begin(), members.end(),
                                    [&](const ring::Drive& d) { return d.id == drive->open.identity.drive; });
    if (!member)
      LOG(error, "serve", "drive was replaced by another one; wipe it to use it again",
          field("drive", drive->open.path));
    return !member;
  });
  if (config_.drives.size() > ring_.drives().size()) {
    return Error(Errc::invalid, fmt::format("the cluster has {} drives, {} are given; adding drives is not supported yet",
                                            ring_.drives().size(), config_.drives.size()));
  }
  return {};
}

Result<void> Storage::check_profile(erasure::Profile stored) {
  if (!config_.standard_class.empty() && profile_ != stored) {
    return Error(Errc::invalid, fmt::format("this cluster's storage class is {} and cannot be changed to {}",
                                            erasure::to_string(stored), erasure::to_string(profile_)));
  }
  profile_ = stored;
  return {};
}

Result<void> Storage::replace_drives(std::vector<OpenDrive> replacements, const GetEnv& getenv) {
  TRY(auto current, block_on(background_.executor(), metadata_->cluster_state(Context{})));
  std::vector<ring::Drive> members = ring_.drives();
  bool more_metadata = false;
  for (OpenDrive& replacement : replacements) {
    const auto lost = std::find_if(members.begin(), members.end(), [&](const ring::Drive& member) {
      return std::none_of(drives_.begin(), drives_.end(),
                          [&](const auto& drive) { return drive->open.identity.drive == member.id; });
    });
    if (lost == members.end()) return Error(Errc::invalid, replacement.path + ": no drive is lost that it could replace");
    const bool metadata = metadata_disks().size() < profile_.parity + 1;
    TRY_OK(format_replacement(replacement, cluster_, metadata, clock_, rng_));
    more_metadata |= metadata;
    LOG(info, "serve", "a new drive takes the place of a lost one", field("drive", replacement.path),
        field("lost", lost->id.to_hex()), field("new", replacement.identity.drive.to_hex()));
    replaced_.push_back(replacement.identity.drive);
    *lost = ring_drive(replacement);
    std::vector<OpenDrive> one;
    one.push_back(std::move(replacement));
    adopt(std::move(one));
  }
  TRY(ring_, ring::build(ring_, std::move(members), ring_.width(), ring_.partition_bits()));
  current.state.set_ring(ring_.encode());
  TRY_OK(block_on(background_.executor(), save_cluster_state(std::move(current.state), current.version)));
  if (!more_metadata) return {};
  // The metadata opens again with the new drive among its replicas, which brings it up to date.
  block_on(background_.executor(), metadata_->stop());
  metadata_.reset();
  TRY_OK(open_metadata(false));
  // A second time, as the new drives get copies of what is kept on drives.
  auto copied = load_secrets(metadata_disks(), false, rng_, getenv);
  if (!copied) LOG(error, "serve", "secrets were not copied to the new drive", field("error", copied.error().message));
  return {};
}

void Storage::open_engines() {
  // Each drive scans its newest segment on its own thread.
  std::vector<std::future<Result<void>>> openings;
  for (const auto& pointer : drives_) {
    Drive& drive = *pointer;
    std::promise<Result<void>> promise;
    openings.push_back(promise.get_future());
    asio::post(drive.writer->context(), [this, &drive, promise = std::move(promise)]() mutable {
      promise.set_value([&]() -> Result<void> {
        TRY_OK(check_room(drive.open));
        TRY(drive.index, chunkserver::RocksIndex::open(drive.open.path + "/index", drive.open.identity.drive, index_shared_));
        chunkserver::DriveOptions options;
        options.compact_bytes_per_second = config_.compaction_bytes_per_second;
        TRY(drive.store, chunkserver::DriveStore::open(options, drive.open.identity, *drive.open.disk, *drive.index,
                                                       drive.writer->executor(), readers_.get_executor(), clock_, drive.metrics));
        return {};
      }());
    });
  }
  for (std::size_t i = 0; i < openings.size(); ++i) {
    const auto opened = openings[i].get();
    drives_[i]->up = opened.has_value();
    if (!opened) {
      LOG(error, "serve", "drive is not usable; serving without it", field("drive", drives_[i]->open.path),
          field("error", opened.error().message));
    }
  }
}

void Storage::open_data_path() {
  placement_ = std::make_unique<gateway::data::Placement>(ring_);
  for (const auto& drive : drives_) {
    if (drive->up) placement_->attach(drive->open.identity.drive, *drive->store);
  }
  keys_ = std::make_unique<gateway::data::KeyStore>(secrets_.master_key, *metadata_, rng_);
  memory_ = std::make_unique<gateway::data::MemoryBudget>(clock_, memory_budget(config_),
                                                          std::chrono::seconds(config_.memory_wait_seconds));
  const gateway::data::Dependencies dependencies{*placement_, *metadata_, *keys_, *memory_, clock_, rng_};
  gateway::data::Options options;
  options.profile = profile_;
  options.tenant = kTenant;
  blocks_ = std::make_unique<gateway::data::BlockStore>(dependencies, options);
  repairer_ = std::make_unique<gateway::data::Repairer>(
      *blocks_, gateway::data::Repairer::RepairOptions{.bytes_per_second = config_.repair_bytes_per_second});
  collector_ = std::make_unique<gateway::data::Collector>(
      *blocks_, gateway::data::Collector::CollectorOptions{.grace = std::chrono::seconds(config_.gc_grace_seconds)});
}

void Storage::start() {
  for (const auto& drive : drives_) {
    if (drive->store) drive->store->start();
  }
  repairer_->start(background_.executor());
  collector_->start(background_.executor());
  spawn(background_.executor(), gate_, "watch_drives", watch_drives());
  if (!replaced_.empty()) spawn(background_.executor(), gate_, "rebuild_replaced", rebuild_replaced());
}

void Storage::stop() {
  stopping_ = true;
  const Executor executor = background_.executor();
  block_on(executor, collector_->stop());
  block_on(executor, repairer_->stop());
  block_on(executor, gate_.close());
  block_on(executor, blocks_->close());
  block_on(executor, memory_->close());
  for (const auto& drive : drives_) {
    if (drive->store) block_on(executor, drive->store->stop());
  }
  block_on(executor, metadata_->stop());
}

task<void> Storage::rebuild_replaced() {
  for (const DriveId& id : replaced_) {
    LOG(info, "serve", "rebuilding the new drive", field("drive", id.to_hex()));
    const auto failed = co_await repairer_->rebuild_drive(Context{.priority = Priority::background}, id);
    if (!failed) LOG(error, "serve", "rebuild ended early", field("drive", id.to_hex()), field("error", failed.error().message));
    else LOG(info, "serve", "rebuilt the new drive", field("drive", id.to_hex()), field("failed_blocks", *failed));
  }
}

// A drive that was pulled or wiped may go on answering from open files; its identity file tells.
task<void> Storage::watch_drives() {
  while (!stopping_) {
    for (const auto& drive : drives_) {
      if (drive->store && drive->up) co_await watch_drive(*drive);
    }
    for (Duration slept{}; slept < kWatchInterval && !stopping_; slept += std::chrono::milliseconds(100)) {
      co_await clock_.sleep(std::chrono::milliseconds(100));
    }
  }
}

task<void> Storage::watch_drive(Drive& drive) {
  const DriveId id = drive.open.identity.drive;
  Disk& disk = *drive.open.disk;
  auto read = [&disk] { return chunkserver::read_identity(disk); };
  const auto identity = co_await offload(readers_.get_executor(), std::move(read));
  const auto status = co_await drive.store->status(Context{});
  std::string problem;
  if (!identity) problem = identity.error().message;
  else if (identity->drive != id) problem = "another drive is mounted in its place";
  else if (!status) problem = status.error().message;
  else if (status->health == chunkserver::DriveHealth::failed) problem = status->reason;
  for (const auto& replica : metadata_->status().log) {
    if (problem.empty() && replica.drive == id && !replica.healthy) problem = replica.error;
  }
  if (problem.empty()) {
    drive.total_bytes = status->total_bytes;
    drive.available_bytes = status->available_bytes;
    drive.shards = status->shards;
    drive.shard_bytes = status->shard_bytes;
    co_return;
  }
  LOG(error, "serve", "drive is lost; serving without it until the next start", field("drive", drive.open.path),
      field("error", problem));
  drive.up = false;
  placement_->detach(id);
  if (!drive.open.identity.metadata) co_return;
  if (auto moved = co_await metadata_->fail_drive(id, problem); !moved) {
    LOG(error, "serve", "metadata cannot go on without the drive", field("error", moved.error().message));
  }
}

void Storage::register_metrics(MetricsRegistry& registry) {
  const auto each_drive = [&](const std::string& name, const std::string& help, auto read) {
    for (const auto& drive : drives_) {
      Drive* const d = drive.get();
      registry.add(name, help, fmt::format("drive=\"{}\"", label_value(d->open.path)), [d, read] { return read(*d); });
    }
  };
  each_drive("gabion_drive_up", "1 while the drive is in use.", [](const Drive& d) { return d.up ? 1.0 : 0.0; });
  each_drive("gabion_drive_total_bytes", "Size of the drive's file system.",
             [](const Drive& d) { return double(d.total_bytes); });
  each_drive("gabion_drive_available_bytes", "Free for new shards.", [](const Drive& d) { return double(d.available_bytes); });
  each_drive("gabion_drive_shards", "Live shards.", [](const Drive& d) { return double(d.shards); });
  each_drive("gabion_drive_shard_bytes", "Bytes of live shards.", [](const Drive& d) { return double(d.shard_bytes); });
  registry.add("gabion_drives", "Drives of the cluster.", "", [this] { return double(drives_total()); });
  for (const auto& drive : drives_) {
    drive->metrics.register_in(registry, fmt::format("drive=\"{}\"", label_value(drive->open.path)));
  }
  metadata_metrics_.add_to(registry);
  blocks_->core().metrics.add_to(registry, *memory_);
  repairer_->add_to(registry);
  collector_->add_to(registry);
}

}  // namespace gabion::serve
