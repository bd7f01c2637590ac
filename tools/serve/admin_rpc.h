// The admin API between nodes, over RPC: a node sends a request that it has authenticated to the one that must answer it.
#pragma once

#include "common/rpc/rpc.h"
#include "tools/serve/admin_api.h"

namespace gabion::serve {

// Asks another node. `peers` must outlive the task.
task<Result<AdminAnswer>> ask_node(rpc::Peers& peers, Context ctx, NodeId node, AdminRequest request);

// Answers Method::admin. Only a node of the cluster may ask: denied for a stranger. `api` must outlive the task.
task<Result<rpc::Reply>> answer_node(AdminApi& api, Context ctx, rpc::Peer peer, std::string header);

}  // namespace gabion::serve
