// As much of a Metadata, in memory, as the data path needs: manifests with reference counts under keys, repair intents,
// doomed blocks in two phases, the cluster state. Everything else answers Errc::internal. One thread.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "common/async.h"
#include "common/ids.h"
#include "metadata/metadata.h"

namespace gabion::test {

class FakeMetadata final : public metadata::Metadata {
 public:
  using Manifest = metadata::Manifest;
  using ManifestId = metadata::ManifestId;

  explicit FakeMetadata(Clock& clock) : clock_(clock) {}

  // --- For tests ---
  // A manifest under a key, with the intents of its blocks, replacing what was there; as a committed PutObject.
  ManifestId put(const std::string& key, Manifest manifest, const std::vector<metadata::RepairIntent>& intents = {}) {
    const ManifestId id = next_id_++;
    for (const metadata::Slice& slice : manifest.slices()) ++references_[slice.manifest()];
    manifests_[id] = std::move(manifest);
    ++references_[id];
    for (metadata::RepairIntent intent : intents) {
      intent.set_manifest(id);
      add_repair(intent);
    }
    const auto before = keys_.find(key);
    if (before != keys_.end()) drop(before->second);
    keys_[key] = id;
    return id;
  }
  void remove(const std::string& key) {
    drop(keys_.at(key));
    keys_.erase(key);
  }
  bool contains(const std::string& key) const { return keys_.contains(key); }
  ManifestId id_of(const std::string& key) const { return keys_.at(key); }
  const std::map<std::string, ManifestId>& keys() const { return keys_; }
  const Manifest& at(ManifestId id) const { return manifests_.at(id); }
  // An entry for blocks that are still referred to: what the second look is there for.
  void doom_by_mistake(ManifestId id) { doom(id, manifests_.at(id)); }
  const std::map<std::string, std::set<unsigned>>& intents() const { return intents_; }
  const std::map<ManifestId, metadata::Doomed>& doomed_entries() const { return doomed_; }
  std::set<std::string> live_blocks() const {
    std::set<std::string> out;
    for (const auto& [id, manifest] : manifests_) {
      for (const metadata::Block& block : manifest.blocks()) out.insert(block.id());
    }
    return out;
  }
  bool refuse_commits = false;
  std::set<ManifestId> elsewhere;  // what a second group has, if it has any
  std::function<void()> before_doomed;  // runs once, before the next look at what waits to be erased
  // It was deleted here, and is adopted from another group now.
  void come_back(ManifestId id, Manifest manifest) {
    manifests_[id] = std::move(manifest);
    references_[id] = 1;
  }
  unsigned lose_answers = 0;  // of so many replacements nobody hears whether they happened

  // --- Metadata ---
  task<Result<metadata::CommandResult>> commit(Context, metadata::Command command) override {
    metadata::CommandResult result;
    if (refuse_commits) co_return Error(Errc::unavailable, "the fake metadata refuses");
    switch (command.op_case()) {
      case metadata::Command::kAddRepairs:
        for (const auto& intent : command.add_repairs().intents()) add_repair(intent);
        break;
      case metadata::Command::kFinishRepair: finish_repair(command.finish_repair()); break;
      case metadata::Command::kConfirmDoomed:
        for (const ManifestId id : command.confirm_doomed().manifests()) {
          if (doomed_.contains(id) && !live(id)) result.add_confirmed(id);
        }
        break;
      case metadata::Command::kFinishDoomed:
        for (const ManifestId id : command.finish_doomed().manifests()) doomed_.erase(id);
        break;
      case metadata::Command::kReplaceBlocks:
        result.set_outcome(replace(command.replace_blocks()));
        if (lose_answers != 0 && lose_answers-- != 0) co_return Error(Errc::unknown_outcome, "the answer is lost");
        break;
      case metadata::Command::kEndLoan: break;
      case metadata::Command::kSetClusterState:
        if (command.set_cluster_state().expected_version() != state_.version) {
          result.set_outcome(metadata::STALE);
          break;
        }
        state_.state = command.set_cluster_state().state();
        ++state_.version;
        break;
      default: co_return not_faked();
    }
    co_return result;
  }
  task<Result<Manifest>> manifest(Context, metadata::GroupId, ManifestId id) override {
    const auto it = manifests_.find(id);
    if (it == manifests_.end()) co_return Error(Errc::not_found, "no such manifest");
    co_return it->second;
  }
  task<Result<std::vector<metadata::RepairIntent>>> repairs(Context, metadata::GroupId,
                                                            std::string after, std::size_t limit) override {
    std::vector<metadata::RepairIntent> out;
    for (auto it = intents_.upper_bound(after); it != intents_.end() && out.size() < limit; ++it) {
      metadata::RepairIntent intent;
      intent.set_block(it->first);
      intent.set_manifest(intent_manifest_.at(it->first));
      for (const unsigned shard : it->second) intent.add_shards(shard);
      out.push_back(std::move(intent));
    }
    co_return out;
  }
  task<Result<std::vector<metadata::Doomed>>> doomed(Context, metadata::GroupId group, ManifestId after,
                                                std::size_t limit) override {
    std::vector<metadata::Doomed> out;
    if (group != 0) co_return out;
    if (auto run = std::exchange(before_doomed, nullptr)) run();
    for (auto it = doomed_.upper_bound(after); it != doomed_.end() && out.size() < limit; ++it) out.push_back(it->second);
    co_return out;
  }
  task<Result<std::vector<ListedManifest>>> manifests(Context, metadata::GroupId, ManifestId after, std::size_t limit) override {
    std::vector<ListedManifest> out;
    for (auto it = manifests_.upper_bound(after); it != manifests_.end() && out.size() < limit; ++it) {
      out.push_back({it->first, it->second});
      out.back().manifest.clear_inline_data();
    }
    co_return out;
  }
  task<Result<std::vector<metadata::GroupId>>> groups(Context) override {
    co_return elsewhere.empty() ? std::vector<metadata::GroupId>{0} : std::vector<metadata::GroupId>{0, 1};
  }
  task<Result<std::vector<ManifestId>>> live_manifests(Context, metadata::GroupId group, std::vector<ManifestId> ids) override {
    std::erase_if(ids, [&](ManifestId id) { return group == 0 ? !live(id) : !elsewhere.contains(id); });
    std::sort(ids.begin(), ids.end());
    co_return ids;
  }
  task<Result<VersionedClusterState>> cluster_state(Context) override { co_return state_; }
  task<Result<metadata::Bucket>> bucket(Context, std::string) override { co_return not_faked(); }
  task<Result<std::vector<metadata::Bucket>>> buckets(Context) override { co_return not_faked(); }
  task<Result<metadata::Object>> object(Context, metadata::BucketId, std::string, With) override { co_return not_faked(); }
  task<Result<metadata::ObjectPage>> list_objects(Context, metadata::ListRequest) override { co_return not_faked(); }
  task<Result<metadata::UploadPage>> list_uploads(Context, metadata::ListUploadsRequest) override { co_return not_faked(); }
  task<Result<metadata::PartPage>> list_parts(Context, metadata::BucketId, std::string, std::string, std::uint32_t,
                                              std::size_t) override {
    co_return not_faked();
  }
  task<Result<std::vector<metadata::JournalEntry>>> journal(Context, metadata::GroupId,
                                                            metadata::BucketId, std::uint64_t, std::size_t) override {
    co_return not_faked();
  }
  task<Result<metadata::Statistics>> statistics(Context) override { co_return not_faked(); }

 private:
  static Error not_faked() { return {Errc::internal, "not faked"}; }
  void add_repair(const metadata::RepairIntent& intent) {
    intent_manifest_[intent.block()] = intent.manifest();
    for (const unsigned shard : intent.shards()) intents_[intent.block()].insert(shard);
  }
  void finish_repair(const metadata::FinishRepair& done) {
    const auto it = intents_.find(done.block());
    if (it == intents_.end()) return;
    for (const unsigned shard : done.shards()) it->second.erase(shard);
    if (it->second.empty()) intents_.erase(it);
  }
  void drop(ManifestId id) {
    if (--references_.at(id) != 0) return;
    references_.erase(id);
    const Manifest manifest = std::move(manifests_.extract(id).mapped());
    for (const metadata::Slice& slice : manifest.slices()) drop(slice.manifest());
    if (!manifest.blocks().empty()) doom(id, manifest);
  }
  static ManifestId contents_of(ManifestId id, const Manifest& manifest) {
    return manifest.contents() == 0 ? id : manifest.contents();
  }
  bool live(ManifestId contents) const {
    return std::any_of(manifests_.begin(), manifests_.end(),
                       [&](const auto& entry) { return contents_of(entry.first, entry.second) == contents; });
  }
  metadata::Outcome replace(const metadata::ReplaceBlocks& command) {
    const auto it = manifests_.find(command.manifest());
    if (it == manifests_.end()) return metadata::SOURCE_GONE;
    Manifest& manifest = it->second;
    if (manifest.contents() != command.contents()) return metadata::STALE;
    doom(it->first, manifest);
    *manifest.mutable_blocks() = command.blocks().blocks();
    manifest.set_data_shards(command.blocks().data_shards());
    manifest.set_parity_shards(command.blocks().parity_shards());
    manifest.set_contents(next_id_++);
    for (metadata::RepairIntent intent : command.intents()) {
      intent.set_manifest(it->first);
      add_repair(intent);
    }
    return metadata::APPLIED;
  }
  void doom(ManifestId id, const Manifest& manifest) {
    metadata::Doomed& entry = doomed_[contents_of(id, manifest)];
    entry.set_manifest(contents_of(id, manifest));
    if (manifest.contents() != 0) entry.set_pinned_as(id);
    entry.set_doomed_us(clock_.wall());
    entry.set_data_shards(manifest.data_shards());
    entry.set_parity_shards(manifest.parity_shards());
    *entry.mutable_blocks() = manifest.blocks();
  }

  Clock& clock_;
  ManifestId next_id_ = 1;
  std::map<std::string, ManifestId> keys_;
  std::map<ManifestId, Manifest> manifests_;
  std::map<ManifestId, std::uint64_t> references_;
  std::map<std::string, std::set<unsigned>> intents_;
  std::map<std::string, ManifestId> intent_manifest_;
  std::map<ManifestId, metadata::Doomed> doomed_;
  VersionedClusterState state_;
};

}  // namespace gabion::test
