// What changes a node while it serves: others may join it, it gets drives, it keeps the newest state of its cluster.
#include <fmt/format.h>

#include <algorithm>

#include "common/log.h"
#include "tools/serve/addresses.h"
#include "tools/serve/cluster_setup.h"
#include "tools/serve/storage.h"

namespace gabion::serve {

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
  options.removing = [this] { return duties_->trimming(); };
  options.statistics = [this](Context ctx, metadata::GroupId) { return metadata().statistics(ctx); };
  options.init = [this](Context, std::string listen) { return run_on(background_.executor(), init(std::move(listen))); };
  options.local_drive = [this](std::string path, ClusterControl::Drive what) {
    return run_on(background_.executor(), local_drive(std::move(path), what));
  };
  options.metadata = &metadata();
  options.clock = &clock_;
  options.rng = &rng_;
  options.bytes_per_second = config_.repair_bytes_per_second;
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
    if (known->open.path != path) continue;
    if (!known->up) {
      co_return Error(Errc::invalid, fmt::format("{} is where a drive was lost, and this node still has that open: mount the new "
                                                 "disk elsewhere, or restart the node with --replace {}", path, path));
    }
    // Whether the cluster counts it as well is for the cluster to say.
    co_return LocalDriveView{known->id(), path, describe_drive(known->open, self()).weight()};
  }
  const auto position = static_cast<std::uint32_t>(drives_.all().size());
  const Membership membership = membership_;
  // A mount that hangs holds up nobody else.
  auto prepare = [this, &path, position, &membership, what]() -> Result<OpenDrive> {
    TRY(OpenDrive drive, find_new_drive(path, position, cluster_));
    if (what == ClusterControl::Drive::look) return drive;
    TRY_OK(make_drive(drive, cluster_, clock_, rng_));
    TRY_OK(write_membership({drive.disk.get()}, membership));
    TRY_OK(mark_complete({drive.disk.get()}));
    return drive;
  };
  CO_TRY(OpenDrive drive, co_await offload(readers_.get_executor(), std::move(prepare)));
  LocalDriveView view{drive.identity.drive, path, describe_drive(drive, self()).weight()};
  if (view.id.is_zero()) view.id = DriveId::random(rng_);
  if (what == ClusterControl::Drive::look) co_return view;
  CO_CHECK(open_new_drive(std::move(drive)));
  LOG(info, "serve", "a drive was added", field("drive", path), field("id", view.id.to_hex()));
  co_return view;
}

Result<void> Storage::open_new_drive(OpenDrive drive) {
  const std::string path = drive.path;
  std::vector<OpenDrive> one;
  one.push_back(std::move(drive));
  drives_.adopt(std::move(one));
  const auto& added = membership_.added_drives();
  if (std::find(added.begin(), added.end(), path) == added.end()) membership_.add_added_drives(path);
  TRY_OK(write_membership(drives_.disks(), membership_));
  drives_.open_engines();
  const LocalDrive& opened = *drives_.all().back();
  if (!opened.up) return Error(Errc::unavailable, path + " could not be opened as a drive; the log of its node says why");
  opened.store->start();
  layout_->serve_local_drives();
  return {};
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
    const Membership membership = membership_;
    std::vector<Disk*> disks;
    for (const auto& drive : drives_.all()) {
      if (drive->up) disks.push_back(drive->open.disk.get());
    }
    const auto written = co_await offload(readers_.get_executor(), [&] { return write_membership(disks, membership); });
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
