// GroupWalk gives the groups of the metadata one after the other, and at the end those that came meanwhile: what was in a group
// when the walk began and moved to a new one is found there. For one task.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "metadata/metadata.h"

namespace gabion::gateway::data {

class GroupWalk {
 public:
  explicit GroupWalk(metadata::Metadata& metadata) : metadata_(metadata) {}

  // nullopt: there is none that was not given.
  task<Result<std::optional<metadata::GroupId>>> next(Context ctx) {
    if (given_ == groups_.size()) {
      CO_TRY(const auto all, co_await metadata_.groups(ctx));
      for (const metadata::GroupId group : all) {
        if (std::find(groups_.begin(), groups_.end(), group) == groups_.end()) groups_.push_back(group);
      }
      if (given_ == groups_.size()) co_return std::optional<metadata::GroupId>();
    }
    co_return std::optional(groups_[given_++]);
  }
  bool several() const { return groups_.size() > 1; }

 private:
  metadata::Metadata& metadata_;
  std::vector<metadata::GroupId> groups_;
  std::size_t given_ = 0;
};

}  // namespace gabion::gateway::data
