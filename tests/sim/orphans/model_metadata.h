// A model of metadata in many groups, as far as orphans depend on it: manifests that are held by keys and loans, what waits to be
// erased, the oldest ring that a group still takes blocks of, and the cluster's state. Changes happen at once, when they are
// called; everything that is asked through the interface takes its time, and a group may be out of reach. One thread.
#pragma once

#include <map>
#include <set>
#include <string>

#include "metadata/metadata.h"
#include "tests/support/sim.h"

namespace gabion::test {

class ModelMetadata final : public metadata::Metadata {
 public:
  using Manifest = metadata::Manifest;
  using ManifestId = metadata::ManifestId;
  using GroupId = metadata::GroupId;
  struct Held {
    Manifest manifest;
    std::set<std::string> holders;
  };
  struct Group {
    std::uint64_t oldest_ring = 0;
    std::map<ManifestId, Held> manifests;
    std::map<ManifestId, metadata::Doomed> doomed;
    TimePoint out_of_reach = TimePoint::min();  // until then
  };

  explicit ModelMetadata(sim::SimWorld& world) : world_(world) { groups_[metadata::kRootGroup]; }

  std::map<GroupId, Group>& all() { return groups_; }
  VersionedClusterState& state() { return state_; }
  std::uint64_t state_epoch() const { return state_.state.ring_epoch(); }
  ManifestId fresh_id(GroupId group) { return metadata::manifest_id(group, ++last_index_); }

  // False: refused, as blocks placed by a ring that was dropped are.
  bool put(GroupId group, ManifestId id, const Manifest& manifest, const std::string& key) {
    Group& to = groups_.at(group);
    if (manifest.ring_epoch() < to.oldest_ring) return false;
    to.manifests[id] = {manifest, {key}};
    return true;
  }
  // False: it is not there any more.
  bool hold(GroupId group, ManifestId id, const std::string& holder) {
    const auto found = groups_.at(group).manifests.find(id);
    if (found == groups_.at(group).manifests.end()) return false;
    found->second.holders.insert(holder);
    return true;
  }
  void adopt(GroupId group, ManifestId id, const Manifest& manifest, const std::string& key) {
    Held& held = groups_.at(group).manifests[id];
    held.manifest = manifest;
    held.holders.insert(key);
  }
  void drop(GroupId group, ManifestId id, const std::string& holder) {
    Group& from = groups_.at(group);
    const auto found = from.manifests.find(id);
    if (found == from.manifests.end() || found->second.holders.erase(holder) == 0 || !found->second.holders.empty()) return;
    metadata::Doomed& entry = from.doomed[id];
    entry.Clear();
    entry.set_manifest(id);
    entry.set_doomed_us(world_.clock().wall());
    *entry.mutable_blocks() = found->second.manifest.blocks();
    from.manifests.erase(found);
  }
  // The new group is a clone.
  GroupId split(GroupId parent) {
    const GroupId child = groups_.rbegin()->first + 1;
    groups_[child] = Group(groups_.at(parent));
    return child;
  }

  // --- Metadata ---
  task<Result<std::vector<GroupId>>> groups(Context) override {
    co_await pass_time();
    std::vector<GroupId> out;
    for (const auto& [id, group] : groups_) out.push_back(id);
    co_await pass_time();
    co_return out;
  }
  task<Result<std::vector<ListedManifest>>> manifests(Context, GroupId group, ManifestId after, std::size_t) override {
    co_await pass_time();
    CO_CHECK(reach(group));
    std::vector<ListedManifest> out;
    const auto& all = groups_.at(group).manifests;
    for (auto it = all.upper_bound(after); it != all.end() && out.size() < kPage; ++it) {
      out.push_back({it->first, it->second.manifest});
    }
    co_await pass_time();
    co_return out;
  }
  task<Result<std::vector<metadata::Doomed>>> doomed(Context, GroupId group, ManifestId after, std::size_t) override {
    co_await pass_time();
    CO_CHECK(reach(group));
    std::vector<metadata::Doomed> out;
    const auto& all = groups_.at(group).doomed;
    for (auto it = all.upper_bound(after); it != all.end() && out.size() < kPage; ++it) out.push_back(it->second);
    co_await pass_time();
    co_return out;
  }
  task<Result<VersionedClusterState>> cluster_state(Context) override {
    co_await pass_time();
    auto out = state_;
    co_await pass_time();
    co_return out;
  }
  task<Result<metadata::CommandResult>> commit(Context, metadata::Command) override { co_return not_modelled(); }
  task<Result<metadata::Bucket>> bucket(Context, std::string) override { co_return not_modelled(); }
  task<Result<std::vector<metadata::Bucket>>> buckets(Context) override { co_return not_modelled(); }
  task<Result<metadata::Object>> object(Context, metadata::BucketId, std::string, With) override { co_return not_modelled(); }
  task<Result<Manifest>> manifest(Context, GroupId, ManifestId) override { co_return not_modelled(); }
  task<Result<metadata::ObjectPage>> list_objects(Context, metadata::ListRequest) override { co_return not_modelled(); }
  task<Result<metadata::UploadPage>> list_uploads(Context, metadata::ListUploadsRequest) override { co_return not_modelled(); }
  task<Result<metadata::PartPage>> list_parts(Context, metadata::BucketId, std::string, std::string, std::uint32_t,
                                              std::size_t) override {
    co_return not_modelled();
  }
  task<Result<std::vector<metadata::JournalEntry>>> journal(Context, GroupId, metadata::BucketId, std::uint64_t,
                                                            std::size_t) override {
    co_return not_modelled();
  }
  task<Result<std::vector<metadata::RepairIntent>>> repairs(Context, GroupId, std::string, std::size_t) override {
    co_return not_modelled();
  }
  task<Result<std::vector<ManifestId>>> live_manifests(Context, GroupId, std::vector<ManifestId>) override {
    co_return not_modelled();
  }
  task<Result<metadata::Statistics>> statistics(Context) override { co_return not_modelled(); }

  task<void> pass_time() { return world_.clock().sleep(Duration(world_.rng().below(kSlowness))); }

 private:
  static constexpr std::size_t kPage = 8;
  static constexpr std::uint64_t kSlowness = 150'000'000;

  static Error not_modelled() { return {Errc::internal, "not modelled"}; }
  Result<void> reach(GroupId group) const {
    if (world_.clock().now() < groups_.at(group).out_of_reach) return Error(Errc::unavailable, "the group does not answer");
    return {};
  }

  sim::SimWorld& world_;
  std::map<GroupId, Group> groups_;
  VersionedClusterState state_;
  std::uint64_t last_index_ = 0;
};

}  // namespace gabion::test
