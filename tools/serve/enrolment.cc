#include "tools/serve/enrolment.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/async.h"
#include "common/log.h"
#include "tools/serve/joining.h"

namespace gabion::serve {
namespace {

Membership membership_of(const Joined& joined, const Config& config) {
  Membership membership;
  membership.set_cluster(joined.reply.state().cluster_id());
  membership.set_node(joined.reply.node());
  membership.set_metadata(describe_node(config).metadata());
  membership.set_certificate(joined.reply.certificate());
  membership.set_key(joined.key);
  membership.set_authority(joined.reply.authority());
  *membership.mutable_state() = joined.reply.state();
  membership.set_version(joined.reply.version());
  return membership;
}

Membership first_of(const ClusterId& cluster) {
  Membership membership;
  membership.set_cluster(std::string(cluster.raw()));
  membership.set_node(1);
  membership.set_metadata(true);
  return membership;
}

// What the cluster gave must be what this node will use: gateways that disagree about the secrets serve nobody.
// Only what the environment does not give is kept on the drives.
Result<void> keep_secrets(const Joined& joined, const std::vector<OpenDrive>& drives,
                          const std::function<const char*(const char*)>& getenv) {
  TRY(const SecretKey master, SecretKey::from_raw(joined.reply.master_key()));
  return store_secrets(metadata_disks_of(drives), joined.reply.access_key(), joined.reply.secret_key(), master, getenv);
}

Result<void> check_drives(erasure::Profile profile, const Config& config) {
  if (profile.total() <= config.drives.size()) return {};
  return Error(Errc::invalid, fmt::format("storage class {} needs {} drives, {} are given", erasure::to_string(profile),
                                          profile.total(), config.drives.size()));
}

Result<void> check_secrets(const Joined& joined, const Secrets& secrets) {
  if (secrets.access_key != joined.reply.access_key() || secrets.secret_key != joined.reply.secret_key()) {
    return Error(Errc::invalid,
                 "GABION_ROOT_ACCESS_KEY and GABION_ROOT_SECRET_KEY are not those of the cluster; leave them unset");
  }
  if (as_text(secrets.master_key.view()) != joined.reply.master_key()) {
    return Error(Errc::invalid, "GABION_MASTER_KEY is not the one of the cluster; leave it unset");
  }
  return {};
}

// The drives of the configuration, and those that were added while the node served.
Config with_added_drives(const Config& config) {
  std::vector<std::unique_ptr<PosixDisk>> disks;
  std::vector<Disk*> pointers;
  for (const std::string& path : config.drives) {
    auto disk = PosixDisk::open_root(path);
    if (!disk) continue;
    disks.push_back(std::move(*disk));
    pointers.push_back(disks.back().get());
  }
  Config all = config;
  const auto known = read_membership(pointers);
  if (!known || !*known) return all;  // what is wrong is said when the drives are opened
  for (const std::string& path : (*known)->added_drives()) {
    if (std::find(all.drives.begin(), all.drives.end(), path) == all.drives.end()) all.drives.push_back(path);
  }
  return all;
}

}  // namespace

std::vector<Disk*> disks_of(const std::vector<OpenDrive>& drives) {
  std::vector<Disk*> disks;
  for (const OpenDrive& drive : drives) disks.push_back(drive.disk.get());
  return disks;
}

std::vector<Disk*> metadata_disks_of(const std::vector<OpenDrive>& drives) {
  std::vector<Disk*> disks;
  for (const OpenDrive& drive : drives) {
    if (drive.identity.metadata) disks.push_back(drive.disk.get());
  }
  return disks;
}

Result<Enrolled> enrol(const Config& config, erasure::Profile profile, const std::function<const char*(const char*)>& getenv,
                       const Executor& executor, Clock& clock, Rng& rng) {
  std::optional<Joined> joined;
  const ClusterOfNew cluster_of_new = [&](std::optional<ClusterId> begun,
                                          const std::vector<Disk*>& drives) -> Result<ClusterId> {
    TRY(const auto known, read_membership(drives));
    if (begun && known) return *begun;
    if (config.cluster_join.empty()) {
      TRY_OK(check_drives(profile, config));
      return make_new_cluster(rng)(begun, drives);
    }
    LOG(info, "serve", "joining a cluster", field("at", config.cluster_join.front()));
    TRY(JoinKey key, keep_join_key(drives));
    TRY(joined, block_on(executor, join_cluster(config, std::move(key), clock)));
    const auto cluster = ClusterId::from_raw(joined->reply.state().cluster_id());
    if (!cluster) return Error(Errc::corrupt, "the cluster that let this node join has no id");
    return *cluster;
  };
  TRY(DriveSet set, open_drives(with_added_drives(config), profile, cluster_of_new, clock, rng));
  Enrolled out;
  out.cluster = set.cluster;
  out.fresh = set.fresh;
  out.drives = std::move(set.drives);
  out.replacements = std::move(set.replacements);
  TRY(auto known, read_membership(disks_of(out.drives)));
  if (joined) TRY_OK(keep_secrets(*joined, out.drives, getenv));
  if (joined) out.membership = membership_of(*joined, config);
  else if (known) out.membership = *std::move(known);
  else if (out.fresh) out.membership = first_of(out.cluster);
  else return Error(Errc::corrupt,
                    fmt::format("the file '{}' is on none of the drives: this node does not know who it is in its cluster",
                                kMembershipFile));
  if (out.membership.cluster() != out.cluster.raw()) {
    return Error(Errc::invalid, "the drives given belong to two clusters");
  }
  out.founding = out.fresh && out.membership.certificate().empty();
  if (out.fresh) TRY_OK(write_membership(disks_of(out.drives), out.membership));
  if (joined) forget_join_key(disks_of(out.drives));
  TRY(out.secrets, load_secrets(metadata_disks_of(out.drives), out.founding, rng, getenv));
  if (joined) TRY_OK(check_secrets(*joined, out.secrets));
  return out;
}

}  // namespace gabion::serve
