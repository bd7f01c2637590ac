#include "metadata/cluster/edit_state.h"

namespace gabion::metadata::cluster {
namespace {

constexpr int kAttempts = 20;  // others that may be faster, one after the other

}  // namespace

task<Result<Metadata::VersionedClusterState>> edit_state(Metadata& metadata, Context ctx, Edit edit) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto current = co_await metadata.cluster_state(ctx);
    if (!current && current.error().code != Errc::not_found) co_return current.error();
    ClusterState state = current ? std::move(current->state) : ClusterState();
    CO_CHECK(edit(state));
    Command command;
    *command.mutable_set_cluster_state()->mutable_state() = state;
    command.mutable_set_cluster_state()->set_expected_version(current ? current->version : 0);
    CO_TRY(const auto result, co_await metadata.commit(ctx, std::move(command)));
    if (result.outcome() == STALE) continue;
    // The version it has now; what came after it is as good.
    co_return co_await metadata.cluster_state(ctx);
  }
  co_return Error(Errc::conflict, "the cluster's state changes too fast; try again");
}

}  // namespace gabion::metadata::cluster
