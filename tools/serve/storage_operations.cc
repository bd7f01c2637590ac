// What changes a node while it serves: others may join it, it gets drives, it keeps the newest state of its cluster.
#include <fmt/format.h>

#include <algorithm>

#include "common/log.h"
#include "tools/serve/addresses.h"
#include "tools/serve/cluster_setup.h"
#include "tools/serve/storage.h"

namespace gabion::serve {
namespace {

constexpr std::uint64_t kAssumedRate = 64 * MiB;  // of a node without a limit, for estimates alone

}  // namespace

void Storage::open_administration() {
  credentials_ = std::make_unique<RootCredentials>(secrets_);
  Administration::Options administration;
  ClusterControlOptions& options = administration.control;
  options.self = [this] { return self(); };
  options.leader = [this] { return metadata_->leader(); };
  options.reports = [this] {
    return duties_->controller() == nullptr ? std::vector<NodeReport>() : reports_of(duties_->controller()->nodes());
  };
  options.groups = [this] { return metadata_->groups(); };
  options.removing = [this](const metadata::ClusterState& state) { return duties_->trimming(state); };
  options.statistics = [this](Context ctx, metadata::GroupId group) { return metadata_->group(group).statistics(ctx); };
  options.init = [this](Context, std::string listen) { return run_on(background_.executor(), init(std::move(listen))); };
  options.local_drive = [this](std::string path, ClusterControl::Drive what) {
    return run_on(background_.executor(), local_drive(std::move(path), what));
  };
  options.metadata = &metadata();
  options.clock = &clock_;
  options.rng = &rng_;
  options.bytes_per_second = config_.repair_bytes_per_second != 0 ? config_.repair_bytes_per_second : kAssumedRate;
  administration.peers = port_.get();
  administration.credentials = credentials_.get();
  administration.region = config_.region;
  administration_ = std::make_unique<Administration>(std::move(administration));
  port_->router().add({rpc::Method::admin}, *administration_);
}

task<Result<void>> Storage::init(std::string listen) {
  if (!started_) co_return Error(Errc::unavailable, "this node is still starting");
  if (std::exchange(opening_to_others_, true)) co_return Error(Errc::conflict, "this is being done already");
  const auto done = co_await open_to_others(std::move(listen));
  opening_to_others_ = false;
  co_return done;
}

// Each step can be repeated, should a later one fail.
task<Result<void>> Storage::open_to_others(std::string listen) {
  if (port_->port() != 0) co_return Error(Errc::already_exists, "this node is in a cluster already");
  if (listen.empty()) listen = config_.cluster_listen;
  if (listen.empty()) {
    co_return Error(Errc::invalid, "say where this node is to listen for others: --listen ADDRESS:PORT, or cluster.listen in its "
                                   "configuration");
  }
  CO_TRY(const net::ListenAddress address, listen_address(listen));
  const std::string reached = config_.cluster_advertise.empty() ? listen : config_.cluster_advertise;
  CO_CHECK(check_reachable(reached));
  CO_CHECK(co_await serve::open_to_others(metadata(), secrets_, self(), reached, membership_, clock_, rng_));
  CO_CHECK(write_membership(drives_.disks(), membership_));
  if (!port_->connected()) CO_CHECK(port_->connect({cluster_, self()}, credentials_of(membership_)));
  CO_CHECK(port_->listen(address));
  LOG(info, "serve", "other nodes may join", field("address", reached));
  co_return Result<void>();
}

task<Result<LocalDriveView>> Storage::local_drive(std::string path, ClusterControl::Drive what) {
  if (!started_) co_return Error(Errc::unavailable, "this node is still starting");
  for (const auto& known : drives_.all()) {
    // Whether the cluster counts it as well is for the cluster to say.
    if (known->open.path != path || !known->up) continue;
    co_return LocalDriveView{known->id(), path, describe_drive(known->open, self()).weight()};
  }
  const auto position = static_cast<std::uint32_t>(drives_.all().size());
  // A mount that hangs holds up nobody else.
  auto find = [this, path, position] { return find_new_drive(path, position, cluster_); };
  CO_TRY(OpenDrive drive, co_await offload(readers_.get_executor(), std::move(find)));
  LocalDriveView view{drive.identity.drive, path, describe_drive(drive, self()).weight()};
  if (what == ClusterControl::Drive::look) {
    if (view.id.is_zero()) view.id = DriveId::random(rng_);
    co_return view;
  }
  bool metadata = false;
  for (std::size_t i = 0; i < drives_.all().size(); ++i) {
    LocalDrive& lost = *drives_.all()[i];
    if (lost.open.path != path || lost.up) continue;
    metadata = metadata || lost.open.identity.metadata;
    co_await drives_.let_go(lost);
  }
  CO_TRY(view.id, co_await open_new_drive(std::move(drive), metadata));
  if (metadata) {
    LOG(warn, "serve", "the metadata of this node has one copy less until the node starts again", field("drive", path));
  }
  LOG(info, "serve", "a drive was added", field("drive", path), field("id", view.id.to_hex()));
  co_return view;
}

task<Result<DriveId>> Storage::open_new_drive(OpenDrive drive, bool metadata) {
  const std::string path = drive.path;
  auto make = [this, &drive, metadata, membership = membership_]() -> Result<void> {
    TRY_OK(make_drive(drive, cluster_, metadata, clock_, rng_));
    if (metadata) TRY_OK(copy_secrets(*drive.disk, secrets_));
    TRY_OK(write_membership({drive.disk.get()}, membership));
    return mark_complete({drive.disk.get()});
  };
  CO_CHECK(co_await offload(readers_.get_executor(), std::move(make)));
  // The drives of this node know that it is to be opened at the next start.
  const auto& added = membership_.added_drives();
  if (std::find(added.begin(), added.end(), path) == added.end()) membership_.add_added_drives(path);
  CO_CHECK(co_await write_membership_up(membership_));
  const LocalDrive* const opened = co_await drives_.add(std::move(drive));
  if (!opened->up) co_return Error(Errc::unavailable, path + " could not be opened as a drive; the log of its node says why");
  layout_->serve_local_drives();
  co_return opened->id();
}

// Written by one at a time, in the order in which they were asked for.
task<Result<void>> Storage::write_membership_up(Membership membership) {
  auto write = [disks = drives_.disks_up(), membership] { return write_membership(disks, membership); };
  co_return co_await offload(membership_writes_, std::move(write));
}

task<void> Storage::keep_state(metadata::Metadata::VersionedClusterState current) {
  if (current.version <= membership_.version()) co_return;
  join_service_->follow(current.state);
  *membership_.mutable_state() = std::move(current.state);
  membership_.set_version(current.version);
  membership_changed_.set();
}

task<void> Storage::keep_membership() {
  while (!stopping_) {
    co_await membership_changed_.wait();
    const auto written = co_await write_membership_up(membership_);
    if (!written) LOG(error, "cluster", "the cluster's state was not kept on any drive", field("error", written.error().message));
  }
}

void Storage::renew() {
  const auto renewed = renew_certificate(membership_.state(), secrets_, membership_, clock_, rng_);
  if (!renewed) {
    LOG(error, "cluster", "the certificate of this node was not renewed", field("error", renewed.error().message));
    return;
  }
  if (!*renewed) return;
  membership_changed_.set();
  if (!port_->connected()) return;
  auto replaced = port_->replace(credentials_of(membership_));
  if (!replaced) LOG(error, "cluster", "the new certificate cannot be used", field("error", replaced.error().message));
}

}  // namespace gabion::serve
