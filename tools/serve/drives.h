// Finds out what the directories given to `gabion serve` are before anything is written to them: drives of one cluster,
// empty directories, missing ones. A cluster is made only from directories that are all there and all empty; an empty
// directory in an existing cluster is formatted only when it was named as a replacement, as it could be a disk that was not
// mounted.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chunkserver/identity.h"
#include "common/clock.h"
#include "common/disk.h"
#include "common/result.h"
#include "common/rng.h"
#include "erasure/codec.h"
#include "tools/serve/config.h"

namespace gabion::serve {

struct OpenDrive {
  std::string path;
  std::uint32_t position = 0;  // in the list given
  std::unique_ptr<PosixDisk> disk;
  chunkserver::Identity identity;
};

struct DriveSet {
  ClusterId cluster;
  bool fresh = false;               // the cluster was made just now, or its making was interrupted
  std::vector<OpenDrive> drives;    // locked, identified, of this cluster
  std::vector<OpenDrive> replacements;  // empty, named as replacements, locked, not formatted yet
};

// `profile` is for fresh drives: parity+1 of them hold the node's metadata. `cluster_of_new` names the cluster that fresh drives
// are formatted for, given the one that an interrupted attempt began with, and all drives; it is asked before anything is
// written.
// Refusals are errors with one clear line; what is merely missing is logged.
using ClusterOfNew = std::function<Result<ClusterId>(std::optional<ClusterId> begun, const std::vector<Disk*>& drives)>;
Result<DriveSet> open_drives(const Config& config, erasure::Profile profile, const ClusterOfNew& cluster_of_new, Clock& clock,
                             Rng& rng);

// Notes on every drive that the cluster was made completely. Until then the next start may begin anew: nothing was stored.
Result<void> mark_complete(const std::vector<Disk*>& drives);

// Without another cluster to join: the one that was begun, or a new one.
ClusterOfNew make_new_cluster(Rng& rng);

// A directory that could become a drive of a cluster that serves already: empty, or formatted for it and never used, as an
// attempt that was interrupted leaves it; then its identity is set. Writes nothing. invalid, saying why, for anything else.
Result<OpenDrive> find_new_drive(const std::string& path, std::uint32_t position, const ClusterId& cluster);
// Locks it, and formats it unless it is. With `metadata` it gets a copy of the node's metadata when the node starts again.
Result<void> make_drive(OpenDrive& drive, const ClusterId& cluster, bool metadata, Clock& clock, Rng& rng);

// Formats a replacement as a drive of the cluster.
Result<void> format_replacement(OpenDrive& drive, const ClusterId& cluster, bool metadata, Clock& clock, Rng& rng);

}  // namespace gabion::serve
