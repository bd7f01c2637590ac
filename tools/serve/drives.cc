#include "tools/serve/drives.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "chunkserver/format.h"
#include "common/log.h"
#include "tools/serve/joining.h"
#include "tools/serve/membership.h"
#include "tools/serve/secrets.h"

namespace gabion::serve {
namespace {

constexpr const char* kLockFile = "lock";
constexpr const char* kCompleteFile = "complete";
constexpr std::size_t kCompleteMax = 64;

// What one directory turned out to be.
struct Found {
  std::vector<OpenDrive> identified;
  std::vector<OpenDrive> blank;
  std::vector<std::string> missing;  // paths
  std::vector<std::string> strange;  // paths of directories with something else in them
};

Error about(const std::string& path, const std::string& text) { return Error(Errc::invalid, path + ": " + text); }

// Empty, or holding no more than what an interrupted formatting leaves. Names that begin with `besides` do not count.
Result<bool> is_blank(Disk& disk, std::string_view besides = {}) {
  TRY(const auto names, disk.list(""));
  for (const std::string& name : names) {
    if (name == "lost+found" || name == kLockFile || name == std::string(chunkserver::kIdentityFile) + ".new") continue;
    if (name.starts_with(kJoinKeyFile) || (!besides.empty() && name.starts_with(besides))) continue;
    if (name != "segments") return false;
    TRY(const auto segments, disk.list(name));
    if (!segments.empty()) return false;
  }
  return true;
}

// A drive, but neither data nor metadata was ever on it.
Result<bool> is_unused(Disk& disk) {
  static const std::set<std::string> kOfEveryDrive{"lost+found", kLockFile, chunkserver::kIdentityFile, chunkserver::kIndexDir,
                                                   kMembershipFile, kCompleteFile, kCredentialsFile, kMasterKeyFile,
                                                   "segments"};
  TRY(const auto names, disk.list(""));
  for (const std::string& name : names) {
    if (!kOfEveryDrive.contains(name)) return false;
  }
  TRY(const auto segments, disk.list("segments"));
  return segments.empty();
}

// A drive that cannot be used but does not contradict the others: the cluster serves without it.
void leave_out(Found& found, const std::string& path, const Error& error) {
  LOG(error, "serve", "drive is not usable; serving without it", field("drive", path), field("error", error.message));
  found.missing.push_back(path);
}

Result<void> examine(const std::string& path, std::uint32_t position, Found& found) {
  auto disk = PosixDisk::open_root(path);
  if (!disk) {
    leave_out(found, path, disk.error());
    return {};
  }
  OpenDrive drive{.path = path, .position = position, .disk = std::move(*disk), .identity = {}};
  auto identity = chunkserver::read_identity(*drive.disk);
  if (identity) {
    drive.identity = *identity;
    if (auto locked = drive.disk->lock(kLockFile); !locked) return about(path, locked.error().message);
    found.identified.push_back(std::move(drive));
    return {};
  }
  if (identity.error().code == Errc::invalid) return about(path, identity.error().message);
  if (identity.error().code != Errc::not_found) {
    leave_out(found, path, identity.error());
    return {};
  }
  auto blank = is_blank(*drive.disk);
  if (!blank) {
    leave_out(found, path, blank.error());
    return {};
  }
  if (!*blank) {
    found.strange.push_back(path);
    return {};
  }
  found.blank.push_back(std::move(drive));
  return {};
}

Result<void> check_one_cluster(const Found& found) {
  const OpenDrive& first = found.identified.front();
  std::set<DriveId> seen;
  for (const OpenDrive& drive : found.identified) {
    if (drive.identity.cluster != first.identity.cluster) {
      return about(drive.path, fmt::format("belongs to cluster {}, but {} belongs to cluster {}", drive.identity.cluster.to_hex(),
                                           first.path, first.identity.cluster.to_hex()));
    }
    if (!seen.insert(drive.identity.drive).second) return about(drive.path, "is a copy of another drive given");
  }
  return {};
}

// No drive says that the making of the cluster came to its end.
bool is_incomplete(const Found& found) {
  return std::all_of(found.identified.begin(), found.identified.end(), [](const OpenDrive& drive) {
    const auto mark = read_file(*drive.disk, kCompleteFile, kCompleteMax);
    return !mark && mark.error().code == Errc::not_found;
  });
}

// From empty directories, or from what an interrupted attempt left: then the drives it formatted stay as they are.
Result<DriveSet> format_fresh(Found found, erasure::Profile profile, const ClusterOfNew& cluster_of_new, Clock& clock, Rng& rng) {
  if (!found.strange.empty()) {
    return about(found.strange.front(), "is not a Gabion drive and not empty; give an empty directory");
  }
  if (!found.missing.empty()) return about(found.missing.front(), "a new cluster needs all its directories: create it first");
  DriveSet set;
  std::optional<ClusterId> begun;
  if (!found.identified.empty()) begun = found.identified.front().identity.cluster;
  std::vector<Disk*> drives;
  for (const OpenDrive& drive : found.identified) drives.push_back(drive.disk.get());
  for (const OpenDrive& drive : found.blank) drives.push_back(drive.disk.get());
  TRY(set.cluster, cluster_of_new(begun, drives));
  if (begun && *begun != set.cluster) {
    return about(found.identified.front().path, fmt::format("was begun for cluster {}, and this is cluster {}; empty it first",
                                                            begun->to_hex(), set.cluster.to_hex()));
  }
  set.fresh = true;
  set.drives = std::move(found.identified);
  for (OpenDrive& drive : found.blank) {
    if (auto locked = drive.disk->lock(kLockFile); !locked) return about(drive.path, locked.error().message);
    TRY_OK(format_replacement(drive, set.cluster, drive.position <= profile.parity, clock, rng));
    set.drives.push_back(std::move(drive));
  }
  std::sort(set.drives.begin(), set.drives.end(), [](const OpenDrive& a, const OpenDrive& b) { return a.position < b.position; });
  return set;
}

}  // namespace

ClusterOfNew make_new_cluster(Rng& rng) {
  return [&rng](std::optional<ClusterId> begun, const std::vector<Disk*>&) -> Result<ClusterId> {
    return begun ? *begun : ClusterId::random(rng);
  };
}

Result<void> mark_complete(const std::vector<Disk*>& drives) {
  for (Disk* drive : drives) {
    if (!read_file(*drive, kCompleteFile, kCompleteMax)) TRY_OK(replace_file(*drive, kCompleteFile, "the cluster was made\n"));
  }
  return {};
}

Result<void> format_replacement(OpenDrive& drive, const ClusterId& cluster, bool metadata, Clock& clock, Rng& rng) {
  drive.identity = {.cluster = cluster,
                    .drive = DriveId::random(rng),
                    .position = drive.position,
                    .created = clock.wall(),
                    .metadata = metadata};
  if (auto done = chunkserver::format_drive(*drive.disk, drive.identity); !done) return about(drive.path, done.error().message);
  return {};
}

Result<OpenDrive> find_new_drive(const std::string& path, std::uint32_t position, const ClusterId& cluster) {
  auto disk = PosixDisk::open_root(path);
  if (!disk) return about(path, "is no directory that can be used: " + disk.error().message);
  OpenDrive drive{.path = path, .position = position, .disk = std::move(*disk), .identity = {}};
  const auto identity = chunkserver::read_identity(*drive.disk);
  if (identity) {
    if (identity->cluster != cluster) return about(path, "is a drive of another cluster");
    // Only what an interrupted attempt left: a drive that was in use may hold what is not to come back.
    TRY(const bool unused, is_unused(*drive.disk));
    if (!unused) return about(path, "was in use as a drive; empty it first");
    drive.identity = *identity;
    return drive;
  }
  if (identity.error().code != Errc::not_found) return about(path, identity.error().message);
  // A node that has not noticed yet that its drive was wiped goes on keeping that file there.
  TRY(const bool blank, is_blank(*drive.disk, kMembershipFile));
  if (!blank) return about(path, "is not empty; give an empty directory");
  return drive;
}

Result<void> make_drive(OpenDrive& drive, const ClusterId& cluster, bool metadata, Clock& clock, Rng& rng) {
  if (auto locked = drive.disk->lock(kLockFile); !locked) return about(drive.path, locked.error().message);
  if (!drive.identity.drive.is_zero()) return {};
  return format_replacement(drive, cluster, metadata, clock, rng);
}

Result<DriveSet> open_drives(const Config& config, erasure::Profile profile, const ClusterOfNew& cluster_of_new, Clock& clock,
                             Rng& rng) {
  for (const std::string& path : config.replace) {
    if (std::find(config.drives.begin(), config.drives.end(), path) == config.drives.end()) {
      return about(path, "--replace must name one of the drives");
    }
  }
  Found found;
  for (std::uint32_t i = 0; i < config.drives.size(); ++i) TRY_OK(examine(config.drives[i], i, found));
  if (found.identified.empty()) {
    if (!config.replace.empty()) return about(config.replace.front(), "--replace needs the other drives of the cluster");
    return format_fresh(std::move(found), profile, cluster_of_new, clock, rng);
  }
  TRY_OK(check_one_cluster(found));
  const bool all_here = found.missing.empty() && found.strange.empty() && config.replace.empty();
  if (all_here && is_incomplete(found)) return format_fresh(std::move(found), profile, cluster_of_new, clock, rng);
  for (const std::string& path : found.strange) {
    // A drive that was wiped while it was in use may hold what was written to it afterwards.
    LOG(error, "serve",
        "directory has no identity of a drive; serving without it. To use it again, empty it and name it "
        "with --replace",
        field("drive", path));
  }
  DriveSet set;
  set.cluster = found.identified.front().identity.cluster;
  set.drives = std::move(found.identified);
  for (OpenDrive& drive : found.blank) {
    if (std::find(config.replace.begin(), config.replace.end(), drive.path) == config.replace.end()) {
      LOG(error, "serve",
          "directory is empty: is its disk mounted? To put a new disk in place of a lost one, name it with "
          "--replace",
          field("drive", drive.path));
      continue;
    }
    if (auto locked = drive.disk->lock(kLockFile); !locked) return about(drive.path, locked.error().message);
    set.replacements.push_back(std::move(drive));
  }
  return set;
}

}  // namespace gabion::serve
