// Enrolment finds out who this node is before anything of it runs: its drives, its number in its cluster, its certificate and
// the secrets. A node whose drives know is what they say; one with fresh drives makes a cluster of its own, or joins the one that
// the configuration names. Blocks; an interrupted enrolment goes on where it was.
#pragma once

#include "tools/serve/config.h"
#include "tools/serve/drives.h"
#include "tools/serve/membership.h"
#include "tools/serve/secrets.h"

namespace gabion::serve {

struct Enrolled {
  ClusterId cluster;
  bool founding = false;  // the cluster is to be made: its state may not exist yet
  bool fresh = false;     // the drives are new and not known to the cluster yet
  std::vector<OpenDrive> drives;
  std::vector<OpenDrive> replacements;  // see DriveSet
  Membership membership;
  Secrets secrets;
};

// `profile` decides how many fresh drives hold metadata. `executor` runs what has to be awaited; the caller is not on it.
Result<Enrolled> enrol(const Config& config, erasure::Profile profile, const std::function<const char*(const char*)>& getenv,
                       const Executor& executor, Clock& clock, Rng& rng);

// The disks of these drives: all, or those that hold metadata and secrets.
std::vector<Disk*> disks_of(const std::vector<OpenDrive>& drives);
std::vector<Disk*> metadata_disks_of(const std::vector<OpenDrive>& drives);

}  // namespace gabion::serve
