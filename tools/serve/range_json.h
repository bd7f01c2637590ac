// How the admin API writes the ranges of keys, and reads which one is to be split; as admin_json.h. Pure.
#pragma once

#include <boost/json.hpp>

#include "common/result.h"
#include "tools/serve/range_view.h"

namespace gabion::serve {

boost::json::object ranges_json(const RangesView& view);
boost::json::object split_json(const SplitView& split);
boost::json::object split_plan_json(const SplitPlan& plan);

Result<SplitWish> split_wish_of(const boost::json::object& request);  // invalid, naming what is wrong

}  // namespace gabion::serve
