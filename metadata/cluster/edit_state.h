// Changing the cluster's state: read it, compute the next one, commit that against the version it was computed from, and begin
// anew when somebody else was faster.
#pragma once

#include <functional>

#include "metadata/metadata.h"

namespace gabion::metadata::cluster {

// Changes the state it is given, or says why not. May be called several times, each time with what is current.
using Edit = std::function<Result<void>(ClusterState&)>;

// The state as it was committed, and its version. The edit's own error ends it and nothing happened; conflict when others were
// always faster.
task<Result<Metadata::VersionedClusterState>> edit_state(Metadata& metadata, Context ctx, Edit edit);

}  // namespace gabion::metadata::cluster
