#include "tools/serve/cluster_setup.h"

#include <algorithm>

#include "common/log.h"
#include "metadata/cluster/layout.h"

namespace gabion::serve {
namespace {

namespace cluster = metadata::cluster;

cluster::Facts facts_at(Clock& clock) {
  cluster::Facts facts;
  facts.now_us = clock.wall();
  return facts;
}

Result<void> certify(const metadata::ClusterState& state, const Secrets& secrets, Membership& membership, Clock& clock,
                     Rng& rng) {
  TRY(const pki::Authority authority, open_authority(state, secrets.master_key));
  if (membership.key().empty()) membership.set_key(pki::make_key());
  TRY(const std::string request, pki::make_request(membership.key()));
  TRY(*membership.mutable_certificate(), authority.issue(request, node_of(membership), clock, rng));
  membership.set_authority(authority.certificate());
  return {};
}

}  // namespace

metadata::DriveInfo describe_drive(const OpenDrive& drive, NodeId node) {
  const auto space = drive.disk->space();
  const auto gibibytes = space ? static_cast<double>(space->total_bytes) / static_cast<double>(GiB) : 1;
  metadata::DriveInfo info;
  info.set_id(std::string(drive.identity.drive.raw()));
  info.set_node(static_cast<std::uint32_t>(node));
  info.set_path(drive.path);
  info.set_weight(std::max(gibibytes, 1.0));
  return info;
}

task<Result<void>> found_cluster(metadata::Metadata& metadata, const Config& config, ClusterId id, erasure::Profile profile,
                                 std::vector<metadata::DriveInfo> drives, Clock& clock) {
  const auto found = [&](metadata::ClusterState& state) -> Result<void> {
    if (state.nodes_size() != 0) return {};  // an interrupted start came this far
    state.set_cluster_id(std::string(id.raw()));
    state.set_automatic_class(config.standard_class.empty());
    state.set_data_shards(profile.data);
    state.set_parity_shards(profile.parity);
    metadata::NodeInfo node = describe_node(config);
    node.set_id(1);
    TRY(auto change, cluster::found(std::move(state), std::move(node), drives, facts_at(clock)));
    state = std::move(change.state);
    return {};
  };
  auto done = co_await cluster::edit_state(metadata, Context{}, found);
  if (!done) co_return done.error();
  LOG(info, "serve", "made a new cluster", field("cluster", id.to_hex()), field("drives", drives.size()),
      field("class", erasure::to_string(profile)));
  co_return Result<void>();
}

task<Result<void>> announce_drives(metadata::Metadata& metadata, NodeId node, std::vector<metadata::DriveInfo> drives,
                                   Clock& clock) {
  const auto announce = [&](metadata::ClusterState& state) -> Result<void> {
    std::vector<metadata::DriveInfo> unknown;
    for (const metadata::DriveInfo& drive : drives) {
      const bool known = std::any_of(state.drives().begin(), state.drives().end(),
                                     [&](const metadata::DriveInfo& other) { return other.id() == drive.id(); });
      if (!known) unknown.push_back(drive);
    }
    if (unknown.empty()) return {};
    TRY(auto change, cluster::add_drives(std::move(state), node, std::move(unknown), facts_at(clock)));
    state = std::move(change.state);
    return {};
  };
  auto done = co_await cluster::edit_state(metadata, Context{}, announce);
  if (!done) co_return done.error();
  co_return Result<void>();
}

task<Result<void>> replace_drive(metadata::Metadata& metadata, DriveId lost, metadata::DriveInfo fresh, Clock& clock) {
  const auto replace = [&](metadata::ClusterState& state) -> Result<void> {
    TRY(auto change, cluster::replace_drive(std::move(state), lost, fresh, facts_at(clock)));
    state = std::move(change.state);
    return {};
  };
  auto done = co_await cluster::edit_state(metadata, Context{}, replace);
  if (!done) co_return done.error();
  co_return Result<void>();
}

task<Result<void>> move_node(metadata::Metadata& metadata, NodeId node, metadata::NodeInfo now) {
  const auto move = [&](metadata::ClusterState& state) -> Result<void> {
    for (metadata::NodeInfo& info : *state.mutable_nodes()) {
      if (NodeId{info.id()} != node) continue;
      info.set_address(now.address());
      info.set_s3_endpoint(now.s3_endpoint());
      info.set_admin_endpoint(now.admin_endpoint());
    }
    return {};
  };
  auto done = co_await cluster::edit_state(metadata, Context{}, move);
  if (!done) co_return done.error();
  co_return Result<void>();
}

task<Result<void>> open_to_others(metadata::Metadata& metadata, const Secrets& secrets, NodeId node, std::string address,
                                  Membership& membership, Clock& clock, Rng& rng) {
  const auto open = [&](metadata::ClusterState& state) -> Result<void> {
    if (state.authority_certificate().empty()) {
      const auto id = ClusterId::from_raw(state.cluster_id());
      if (!id) return Error(Errc::corrupt, "the cluster's state has no cluster id");
      set_authority(state, pki::Authority::create(*id, clock, rng), secrets.master_key, rng);
    }
    for (metadata::NodeInfo& info : *state.mutable_nodes()) {
      if (NodeId{info.id()} == node) info.set_address(address);
    }
    return {};
  };
  CO_TRY(auto committed, co_await cluster::edit_state(metadata, Context{}, open));
  CO_CHECK(certify(committed.state, secrets, membership, clock, rng));
  *membership.mutable_state() = std::move(committed.state);
  membership.set_version(committed.version);
  co_return Result<void>();
}

Result<bool> renew_certificate(const metadata::ClusterState& state, const Secrets& secrets, Membership& membership, Clock& clock,
                               Rng& rng) {
  if (membership.certificate().empty()) return false;
  TRY(const pki::Certificate certificate, pki::read_certificate(membership.certificate()));
  if (!pki::is_due_for_renewal(certificate, clock.wall())) return false;
  TRY_OK(certify(state, secrets, membership, clock, rng));
  return true;
}

}  // namespace gabion::serve
