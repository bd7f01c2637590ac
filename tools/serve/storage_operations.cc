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
  options.groups = [this] {
    std::vector<metadata::raft::RaftGroup*> groups;
    if (metadata_->member() != nullptr) groups.push_back(&metadata_->member()->group());
    return groups;
  };
  options.init = [this](Context ctx, std::string listen) {
    return run_on(background_.executor(), open_to_others(ctx, std::move(listen)));
  };
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

task<Result<void>> Storage::open_to_others(Context, std::string listen) {
  if (!membership_.certificate().empty()) co_return Error(Errc::already_exists, "this node is in a cluster already");
  if (listen.empty()) listen = config_.cluster_listen;
  if (listen.empty()) {
    co_return Error(Errc::invalid, "say where this node is to listen for others: --listen ADDRESS:PORT, or cluster.listen in its "
                                   "configuration");
  }
  CO_TRY(const net::ListenAddress address, listen_address(listen));
  const std::string reached = config_.cluster_advertise.empty() ? listen : config_.cluster_advertise;
  Membership membership = membership_;
  CO_CHECK(co_await serve::open_to_others(metadata(), secrets_, self(), reached, membership, clock_, rng_));
  net::NodeCredentials credentials{
      .authority = membership.authority(), .certificate = membership.certificate(), .key = membership.key()};
  CO_CHECK(port_->connect({cluster_, self()}, std::move(credentials)));
  CO_CHECK(port_->listen(address));
  CO_CHECK(write_membership(drives_.disks(), membership));
  membership_ = std::move(membership);
  LOG(info, "serve", "other nodes may join", field("address", reached));
  co_return Result<void>();
}

task<Result<LocalDriveView>> Storage::local_drive(std::string path, ClusterControl::Drive what) {
  for (const auto& known : drives_.all()) {
    if (known->open.path != path) continue;
    // Whether the cluster counts it as well is for the cluster to say.
    LocalDriveView view;
    view.id = known->id();
    view.path = path;
    view.weight = describe_drive(known->open, self()).weight();
    co_return view;
  }
  CO_TRY(OpenDrive drive, find_new_drive(path, static_cast<std::uint32_t>(drives_.all().size()), cluster_));
  if (what == ClusterControl::Drive::make) CO_CHECK(make_drive(drive, cluster_, clock_, rng_));
  LocalDriveView view;
  view.id = drive.identity.drive.is_zero() ? DriveId::random(rng_) : drive.identity.drive;
  view.path = path;
  view.weight = describe_drive(drive, self()).weight();
  if (what == ClusterControl::Drive::look) co_return view;
  CO_CHECK(mark_complete({drive.disk.get()}));
  std::vector<OpenDrive> one;
  one.push_back(std::move(drive));
  drives_.adopt(std::move(one));
  membership_.add_added_drives(path);
  CO_CHECK(write_membership(drives_.disks(), membership_));
  drives_.open_engines();
  const LocalDrive& opened = *drives_.all().back();
  if (!opened.up) co_return Error(Errc::unavailable, fmt::format("{} could not be opened as a drive; see this node's log", path));
  opened.store->start();
  layout_->serve_local_drives();
  LOG(info, "serve", "a drive was added", field("drive", path), field("id", view.id.to_hex()));
  co_return view;
}

task<void> Storage::keep_state(metadata::Metadata::VersionedClusterState current) {
  if (current.version <= membership_.version()) co_return;
  *membership_.mutable_state() = std::move(current.state);
  membership_.set_version(current.version);
  const auto renewed = renew_certificate(membership_.state(), secrets_, membership_, clock_, rng_);
  if (!renewed) LOG(error, "cluster", "the certificate of this node was not renewed", field("error", renewed.error().message));
  if (renewed && *renewed) {
    auto replaced = port_->replace(
        {.authority = membership_.authority(), .certificate = membership_.certificate(), .key = membership_.key()});
    if (!replaced) LOG(error, "cluster", "the new certificate cannot be used", field("error", replaced.error().message));
  }
  const Membership membership = membership_;
  const auto disks = drives_.disks();
  const auto written = co_await offload(readers_.get_executor(), [&] { return write_membership(disks, membership); });
  if (!written) LOG(error, "cluster", "the cluster's state was not kept on any drive", field("error", written.error().message));
}

}  // namespace gabion::serve
