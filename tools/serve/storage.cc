#include "tools/serve/storage.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "common/async.h"
#include "common/check.h"
#include "common/log.h"
#include "metadata/cluster/layout.h"
#include "tools/serve/addresses.h"
#include "tools/serve/cluster_setup.h"

namespace gabion::serve {
namespace {

constexpr std::size_t kMemoryShare = 4;
constexpr Duration kWatchInterval = std::chrono::seconds(2);
constexpr Duration kAskInterval = std::chrono::milliseconds(500);
constexpr Duration kWaitInterval = std::chrono::seconds(5);  // between two log lines while there is no leader
constexpr const char* kTenant = "default";

std::size_t memory_budget(const Config& config) {
  if (config.memory_bytes != 0) return config.memory_bytes;
  const auto pages = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES));
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / kMemoryShare;
}

bool is_chunkserver(const Config& config) { return describe_node(config).chunkserver(); }

}  // namespace

Result<std::unique_ptr<Storage>> Storage::open(const Config& config, const GetEnv& getenv, std::vector<Executor> io, Clock& clock,
                                               Rng& rng, MetricsRegistry& registry) {
  std::unique_ptr<Storage> storage(new Storage(config, std::move(io), clock, rng, registry));
  if (auto opened = storage->open_all(getenv); !opened) {
    block_on(storage->background_.executor(), storage->port_->stop(Duration::zero()));
    if (storage->metadata_) block_on(storage->background_.executor(), storage->metadata_->stop());
    return opened.error();
  }
  return storage;
}

Storage::Storage(const Config& config, std::vector<Executor> io, Clock& clock, Rng& rng, MetricsRegistry& registry)
    : config_(config),
      clock_(clock),
      rng_(rng),
      registry_(registry),
      drives_(config, clock, readers_, registry),
      port_(std::make_unique<ClusterPort>(std::move(io), clock, registry)) {}

Storage::~Storage() { readers_.join(); }

Result<void> Storage::open_all(const GetEnv& getenv) {
  TRY(const erasure::Profile profile, wanted_profile());
  TRY(Enrolled enrolled, enrol(config_, profile, getenv, background_.executor(), clock_, rng_));
  const bool founding = enrolled.founding, fresh = enrolled.fresh;
  TRY_OK(enter(std::move(enrolled), getenv));
  TRY_OK(open_metadata(founding, fresh));
  join_service_ = std::make_unique<JoinService>(metadata(), secrets_, clock_, rng_);
  port_->router().add({rpc::Method::join}, *join_service_);
  open_administration();
  layout_ = std::make_unique<ClusterLayout>(*port_, drives_, self(), clock_);
  duties_ = std::make_unique<ClusterDuties>(
      ClusterDuties::Options{self(), config_, *metadata_, *port_, *layout_, drives_, clock_, rng_});
  if (port_->connected()) TRY_OK(listen());
  if (founding) {
    std::vector<metadata::DriveInfo> drives;
    for (const auto& drive : drives_.all()) drives.push_back(describe_drive(drive->open, self()));
    TRY_OK(block_on(background_.executor(), found_cluster(metadata(), config_, cluster_, profile, std::move(drives), clock_)));
  }
  TRY_OK(place_replacements());
  TRY(auto current, wait_for_cluster());
  TRY_OK(check_class(current.state));
  TRY_OK(tell_address(current.state));
  TRY_OK(open_drives(current.state, fresh));
  TRY(current, wait_for_cluster());
  TRY_OK(layout_->apply(current.state));
  open_data_path();
  // A wrong master key must be found out now, not at the first read.
  auto key = block_on(background_.executor(), keys_->tenant_key(Context{}, kTenant));
  if (!key) return Error(Errc::invalid, "the master key is not the one this cluster was made with: " + key.error().message);
  if (founding && !config_.cluster_listen.empty()) {
    TRY_OK(block_on(background_.executor(), open_to_others(config_.cluster_listen)));
  }
  mark_cluster_complete();
  register_metrics();
  return {};
}

Result<erasure::Profile> Storage::wanted_profile() const {
  if (config_.standard_class.empty()) return erasure::default_profile(config_.drives.size());
  return erasure::parse_profile(config_.standard_class);
}

// Who this node is; it connects to the others, if there are any.
Result<void> Storage::enter(Enrolled enrolled, const GetEnv& getenv) {
  cluster_ = enrolled.cluster;
  secrets_ = std::move(enrolled.secrets);
  membership_ = std::move(enrolled.membership);
  self_ = node_of(membership_);
  drives_.adopt(std::move(enrolled.drives));
  TRY_OK(format_replacements(std::move(enrolled.replacements), getenv));
  if (membership_.certificate().empty()) return {};
  renew();
  TRY_OK(port_->connect({cluster_, self()}, credentials_of(membership_)));
  port_->set_peers(membership_.state());
  return {};
}

Result<void> Storage::open_metadata(bool founding, bool fresh) {
  NodeMetadata::Options options{config_, *port_, drives_, background_.executor(), readers_.get_executor(),
                                clock_,  rng_,   registry_};
  metadata_ = std::make_unique<NodeMetadata>(options);
  const auto start = founding ? NodeMetadata::Start::found : fresh ? NodeMetadata::Start::join : NodeMetadata::Start::restart;
  if (membership_.metadata()) TRY_OK(metadata_->open_member(self(), cluster_, start));
  metadata_->open_router(self());
  if (membership_.state().nodes_size() != 0) metadata_->follow({membership_.state(), membership_.version()});
  return {};
}

Result<void> Storage::listen() {
  std::string address = config_.cluster_listen;
  if (address.empty()) {
    const auto* node = metadata::cluster::find_node(membership_.state(), self());
    if (node != nullptr) address = node->address();
  }
  TRY(const net::ListenAddress at, listen_address(address));
  return port_->listen(at);
}

// The state, as soon as somebody leads the metadata.
Result<metadata::Metadata::VersionedClusterState> Storage::wait_for_cluster() {
  for (;;) {
    auto current = block_on(background_.executor(), metadata().cluster_state(Context{}));
    if (current) {
      metadata_->follow(*current);
      return current;
    }
    if (current.error().code != Errc::unavailable) return current.error();
    LOG(warn, "serve", "waiting for the metadata of the cluster", field("reason", current.error().message));
    block_on(background_.executor(), clock_.sleep(kWaitInterval));
  }
}

Result<void> Storage::check_class(const metadata::ClusterState& state) const {
  const erasure::Profile stored{state.data_shards(), state.parity_shards()};
  if (config_.standard_class.empty()) return {};
  TRY(const erasure::Profile wanted, erasure::parse_profile(config_.standard_class));
  if (wanted == stored) return {};
  return Error(Errc::invalid, fmt::format("this cluster's storage class is {} and cannot be changed to {}",
                                          erasure::to_string(stored), erasure::to_string(wanted)));
}

Result<void> Storage::open_drives(const metadata::ClusterState& state, bool fresh) {
  if (!fresh) {
    drives_.drop([&](const DriveId& id) {
      return metadata::cluster::find_drive(state, id) == nullptr && is_chunkserver(config_);
    });
  }
  drives_.open_engines();
  layout_->serve_local_drives();
  if (!fresh || !is_chunkserver(config_)) return {};
  std::vector<metadata::DriveInfo> drives;
  for (const auto& drive : drives_.all()) {
    if (drive->up) drives.push_back(describe_drive(drive->open, self()));
  }
  return block_on(background_.executor(), announce_drives(metadata(), self(), std::move(drives), clock_));
}

void Storage::mark_cluster_complete() {
  if (auto marked = mark_complete(drives_.disks()); !marked) {
    LOG(warn, "serve", "a drive could not be marked as part of a complete cluster", field("error", marked.error().message));
  }
}

// Before the metadata is opened, so that a new drive that is to hold a part of it is brought up to date with the others.
Result<void> Storage::format_replacements(std::vector<OpenDrive> replacements, const GetEnv& getenv) {
  if (replacements.empty()) return {};
  const erasure::Profile profile = erasure::default_profile(config_.drives.size());
  for (OpenDrive& replacement : replacements) {
    if (membership_.state().nodes_size() != 0) TRY_OK(choose_lost(membership_.state(), replacement.path));
    const bool metadata = drives_.metadata_disks().size() < profile.parity + 1;
    TRY_OK(format_replacement(replacement, cluster_, metadata, clock_, rng_));
    std::vector<OpenDrive> one;
    one.push_back(std::move(replacement));
    drives_.adopt(std::move(one));
  }
  TRY_OK(write_membership(drives_.disks(), membership_));
  // A second time, as the new drives get copies of what is kept on drives.
  auto copied = load_secrets(drives_.metadata_disks(), false, rng_, getenv);
  if (!copied) LOG(error, "serve", "secrets were not copied to the new drive", field("error", copied.error().message));
  return {};
}

// The one that was at the same path, else the only one that is lost.
Result<metadata::DriveInfo> Storage::choose_lost(const metadata::ClusterState& state, const std::string& path) const {
  std::vector<metadata::DriveInfo> lost, given_up;
  for (const metadata::DriveInfo& drive : state.drives()) {
    const bool here = std::any_of(drives_.all().begin(), drives_.all().end(),
                                  [&](const auto& known) { return known->id().raw() == drive.id(); });
    if (NodeId{drive.node()} != self() || here) continue;
    if (drive.path() == path) return drive;
    (drive.out() ? given_up : lost).push_back(drive);
  }
  if (lost.empty()) lost = std::move(given_up);
  if (lost.empty()) return Error(Errc::invalid, path + ": no drive is lost that it could replace");
  if (lost.size() == 1) return lost.front();
  return Error(Errc::invalid, fmt::format("{}: {} drives are missing, among them {}; mount the new disk where the lost one was",
                                          path, lost.size(), lost.front().path()));
}

// The new drives that are named as replacements and that the cluster does not know: those that were formatted just now, and
// those of an attempt that was interrupted.
Result<void> Storage::place_replacements() {
  for (const auto& drive : drives_.all()) {
    const std::string& path = drive->open.path;
    if (std::find(config_.replace.begin(), config_.replace.end(), path) == config_.replace.end()) continue;
    TRY(const auto current, wait_for_cluster());
    if (metadata::cluster::find_drive(current.state, drive->id()) != nullptr) continue;
    TRY(const metadata::DriveInfo lost, choose_lost(current.state, path));
    const auto lost_id = DriveId::from_raw(lost.id());
    if (!lost_id) return Error(Errc::corrupt, "the cluster's state has a drive without an id");
    LOG(info, "serve", "a new drive takes the place of a lost one", field("drive", path),
        field("lost", metadata::cluster::drive_name(lost)), field("new", drive->id().to_hex()));
    TRY_OK(block_on(background_.executor(), replace_drive(metadata(), *lost_id, describe_drive(drive->open, self()), clock_)));
  }
  return {};
}

Result<void> Storage::tell_address(const metadata::ClusterState& state) {
  const auto* const known = metadata::cluster::find_node(state, self());
  metadata::NodeInfo now = describe_node(config_);
  if (known == nullptr) return Error(Errc::denied, "this node was removed from its cluster; empty its drives to use them again");
  if (config_.cluster_listen.empty()) now.set_address(known->address());  // as `gabion admin cluster init` said
  if (now.address() == known->address() && now.s3_endpoint() == known->s3_endpoint() &&
      now.admin_endpoint() == known->admin_endpoint()) {
    return {};
  }
  return block_on(background_.executor(), move_node(metadata(), self(), std::move(now)));
}

void Storage::open_data_path() {
  keys_ = std::make_unique<gateway::data::KeyStore>(secrets_.master_key, metadata(), rng_);
  memory_ = std::make_unique<gateway::data::MemoryBudget>(clock_, memory_budget(config_),
                                                          std::chrono::seconds(config_.memory_wait_seconds));
  const gateway::data::Dependencies dependencies{layout_->placement(), metadata(), *keys_, *memory_, clock_, rng_};
  gateway::data::Options options;
  options.profile = profile();
  options.tenant = kTenant;
  blocks_ = std::make_unique<gateway::data::BlockStore>(dependencies, options);
  layout_->service().watch_reads(clock_, [pace = &blocks_->core().pace](Duration took) {
    pace->client_read(gateway::data::Pace::Where::drive, took);
  });
  repairer_ = std::make_unique<gateway::data::Repairer>(
      *blocks_, gateway::data::Repairer::RepairOptions{.bytes_per_second = config_.repair_bytes_per_second});
  rebalancer_ = std::make_unique<gateway::data::Rebalancer>(
      *blocks_, *repairer_, gateway::data::Rebalancer::RebalanceOptions{.bytes_per_second = config_.repair_bytes_per_second});
  gateway::data::Reencoder::ReencodeOptions reencode;
  reencode.bytes_per_second = config_.repair_bytes_per_second;
  reencoder_ = std::make_unique<gateway::data::Reencoder>(*blocks_, reencode);
  scrubber_ = std::make_unique<gateway::data::Scrubber>(*blocks_, *repairer_, gateway::data::Scrubber::ScrubOptions{});
  sweeper_ = std::make_unique<gateway::data::OrphanSweeper>(
      *blocks_, gateway::data::OrphanSweeper::SweepOptions{.memory_bytes = config_.orphans_memory_bytes});
  gateway::data::Collector::CollectorOptions collect;
  collect.grace = std::chrono::seconds(config_.gc_grace_seconds);
  collect.collects_here = [this] { return duties_->collects_here(); };
  collect.pinned_elsewhere = [this](Context ctx) { return duties_->pinned_elsewhere(ctx); };
  collector_ = std::make_unique<gateway::data::Collector>(*blocks_, std::move(collect));
}

void Storage::start() {
  drives_.start();
  repairer_->start(moving_.executor());
  rebalancer_->start(moving_.executor());
  reencoder_->start(moving_.executor());
  scrubber_->start(moving_.executor());
  sweeper_->start(moving_.executor());
  collector_->start(background_.executor());
  spawn(background_.executor(), gate_, "watch", watch());
  spawn(background_.executor(), gate_, "keep the membership", keep_membership());
  spawn(background_.executor(), gate_, "ask failed drives", ask_failed_drives());
  duties_->start(background_.executor(), {blocks_->core(), *repairer_, *rebalancer_, *reencoder_, *scrubber_, *sweeper_},
                 [this](const metadata::Metadata::VersionedClusterState& current) { return keep_state(current); });
  started_ = true;
}

void Storage::stop() {
  stopping_ = true;
  membership_changed_.set();
  const Executor executor = background_.executor();
  block_on(executor, duties_->stop());
  block_on(executor, metadata_->hand_over());
  block_on(executor, collector_->stop());
  block_on(executor, sweeper_->stop());
  block_on(executor, scrubber_->stop());
  block_on(executor, reencoder_->stop());
  block_on(executor, rebalancer_->stop());
  block_on(executor, repairer_->stop());
  block_on(executor, gate_.close());
  block_on(executor, blocks_->close());
  block_on(executor, memory_->close());
  block_on(executor, port_->stop(std::chrono::seconds(1)));
  block_on(executor, drives_.stop());
  block_on(executor, metadata_->stop());
}

task<void> Storage::watch() {
  while (!stopping_) {
    co_await drives_.watch([this](const DriveId& id) { return metadata_problem(id); },
                           [this](LocalDrive& drive, std::string why) { return lose_drive(drive, std::move(why)); });
    renew();
    for (Duration slept{}; slept < kWatchInterval && !stopping_; slept += std::chrono::milliseconds(100)) {
      co_await clock_.sleep(std::chrono::milliseconds(100));
    }
  }
}

// Drives on other nodes fail with their node and come back with it.
task<void> Storage::ask_failed_drives() {
  while (!stopping_) {
    Context ctx;
    ctx.deadline = clock_.now() + kAskInterval;
    if (co_await layout_->placement().refresh_failed(ctx)) repairer_->wake();
    co_await clock_.sleep(kAskInterval);
  }
}

std::string Storage::metadata_problem(const DriveId& drive) const {
  if (metadata_->member() == nullptr) return {};
  for (const auto& replica : metadata_->member()->status().log) {
    if (replica.drive == drive && !replica.healthy) return replica.error;
  }
  return {};
}

task<void> Storage::lose_drive(LocalDrive& drive, std::string why) {
  layout_->lose(drive.id());
  if (!drive.open.identity.metadata || metadata_->member() == nullptr) co_return;
  const auto moved = co_await metadata_->member()->fail_drive(drive.id(), std::move(why));
  // not_found: it came while the node served, and got no part of the metadata yet.
  if (!moved && moved.error().code != Errc::not_found) {
    LOG(error, "serve", "metadata cannot go on without the drive", field("error", moved.error().message));
  }
}

void Storage::register_metrics() {
  registry_.add("gabion_drives", "Drives of the cluster.", "", [this] { return double(drives_total()); });
  blocks_->core().metrics.add_to(registry_, *memory_);
  repairer_->add_to(registry_);
  rebalancer_->add_to(registry_);
  reencoder_->add_to(registry_);
  collector_->add_to(registry_);
  sweeper_->add_to(registry_);
}

}  // namespace gabion::serve
