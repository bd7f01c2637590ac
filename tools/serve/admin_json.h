// How the admin API writes what an operator sees, and reads what is asked of it. Names are camelCase, enumerators lower case,
// times RFC 3339, sizes bytes. Pure.
#pragma once

#include <boost/json.hpp>
#include <string_view>

#include "common/result.h"
#include "tools/serve/cluster_view.h"

namespace gabion::serve {

inline constexpr std::string_view kApiVersion = "gabion.admin/v1";

// {"apiVersion":..., "kind":kind}, to be filled.
boost::json::object document(std::string_view kind);

boost::json::object cluster_json(const ClusterView& view);
boost::json::object node_json(const ClusterView& view, const NodeView& node);
boost::json::object drive_json(const DriveView& drive);
boost::json::object ring_json(const ClusterView& view);
boost::json::object capacity_json(const ClusterView& view);
boost::json::object repair_json(const ClusterView& view);
boost::json::object job_json(const JobView& job);
boost::json::object raft_json(const RaftGroupView& group);
boost::json::object plan_json(const Plan& plan);

// invalid, naming what is wrong.
Result<Change> change_of(const boost::json::object& request);
Result<NodeId> node_of(std::string_view name);         // "n3"
Result<std::uint64_t> job_of(std::string_view name);   // "J-12" or "12"

}  // namespace gabion::serve
