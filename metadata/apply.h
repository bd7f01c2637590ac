// What applying each command does: deterministic functions of the state and the command. An error means that the store
// failed or is damaged, never that the command is refused: that is an Outcome. Internal to the state machine.
#pragma once

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "metadata/transaction.h"

namespace gabion::metadata::apply {

inline constexpr std::uint32_t kShardsMax = 40;  // of any profile

struct Step {
  std::uint64_t index = 0;  // in the log
  WallMicros time_us = 0;   // of the proposer
  ManifestId made = 0;      // the id of the manifest that it makes, if any
};

// --- Commands ---
Result<CommandResult> create_bucket(Transaction& tx, const Step& step, CreateBucket& command);
Result<CommandResult> delete_bucket(Transaction& tx, const Step& step, DeleteBucket& command);
Result<CommandResult> put_object(Transaction& tx, const Step& step, PutObject& command);
Result<CommandResult> delete_object(Transaction& tx, const Step& step, DeleteObject& command);
Result<CommandResult> delete_objects(Transaction& tx, const Step& step, DeleteObjects& command);
Result<CommandResult> create_upload(Transaction& tx, const Step& step, CreateUpload& command);
Result<CommandResult> put_part(Transaction& tx, const Step& step, PutPart& command);
Result<CommandResult> complete_upload(Transaction& tx, const Step& step, CompleteUpload& command);
Result<CommandResult> abort_upload(Transaction& tx, const Step& step, AbortUpload& command);
Result<CommandResult> add_repairs(Transaction& tx, const Step& step, AddRepairs& command);
Result<CommandResult> finish_repair(Transaction& tx, const Step& step, FinishRepair& command);
Result<CommandResult> confirm_doomed(Transaction& tx, const Step& step, ConfirmDoomed& command);
Result<CommandResult> finish_doomed(Transaction& tx, const Step& step, FinishDoomed& command);
Result<CommandResult> replace_blocks(Transaction& tx, const Step& step, ReplaceBlocks& command);
Result<CommandResult> trim_journal(Transaction& tx, const Step& step, TrimJournal& command);
Result<CommandResult> set_cluster_state(Transaction& tx, const Step& step, SetClusterState& command);
Result<CommandResult> close_bucket(Transaction& tx, const Step& step, CloseBucket& command);
Result<CommandResult> raise_bucket(Transaction& tx, const Step& step, RaiseBucket& command);
Result<CommandResult> open_bucket(Transaction& tx, const Step& step, OpenBucket& command);
Result<CommandResult> split_range(Transaction& tx, const Step& step, SplitRange& command);
Result<CommandResult> trim_range(Transaction& tx, const Step& step, TrimRange& command);
Result<CommandResult> set_rings(Transaction& tx, const Step& step, SetRings& command);
Result<CommandResult> lend_manifest(Transaction& tx, const Step& step, LendManifest& command);
Result<CommandResult> end_loan(Transaction& tx, const Step& step, EndLoan& command);

// --- What they share ---
inline CommandResult refuse(Outcome outcome, std::string_view detail = {}) {
  CommandResult result;
  result.set_outcome(outcome);
  if (!detail.empty()) result.set_detail(detail.data(), detail.size());
  return result;
}

// --- Ranges ---
// The command is another group's: it has a key that this group does not own, or is about what group 0 alone has.
bool belongs_elsewhere(const GroupRange& range, const Command& command);
// What becomes of a split: it is to be carried out, was carried out already, or is refused.
Result<CommandResult> decide_split(Transaction& tx, const SplitRange& command, bool& due);
// The state is to be rid of what the group does not own.
void begin_trimming(Transaction& tx);

// The group takes what is written to the bucket.
Result<bool> takes_bucket(Transaction& tx, BucketId id);
Result<std::optional<Version>> current_version(Transaction& tx, BucketId bucket, std::string_view key);
// The refusal, or nullopt when the conditions hold for the current version (or its absence).
std::optional<CommandResult> check_write(const Preconditions& conditions, const std::optional<Version>& current);
// Makes `version` the current one in place of `old`: fills in its sequence and time, journals it, drops what `old` referred to.
Result<void> replace_version(Transaction& tx, const Step& step, BucketId bucket, const std::string& key, Version& version,
                             const std::optional<Version>& old);

// A manifest's references: one when it is made, and then counted. The last one to go takes the manifest with it.
Result<void> add_reference(Transaction& tx, ManifestId manifest);
Result<void> drop_reference(Transaction& tx, const Step& step, ManifestId manifest);
// What a command brings along from another group, for the manifests that it refers to and that are not here.
class Adoptable {
 public:
  Adoptable(const Step& step, const google::protobuf::RepeatedPtrField<AdoptedManifest>& adopted);
  const Manifest* find(ManifestId id) const;

 private:
  std::unordered_map<ManifestId, const Manifest*> manifests_;
};
// A manifest that is here, or can be adopted with all that it refers to; false when it is neither.
Result<bool> find_shared(Transaction& tx, const Adoptable& adoptable, ManifestId id, Manifest& manifest);
// Counts one more reference to it, and takes it in when it is not here yet. False, and nothing has changed, when it is neither
// here nor brought along.
Result<bool> refer_to(Transaction& tx, const Adoptable& adoptable, ManifestId id);
// Another group copies its bytes, or those of a manifest that refers to it. Scans.
Result<bool> is_lent(Transaction& tx, ManifestId manifest);

// The name of the blocks that a manifest has: what is doomed, and asked for in other groups, is contents.
inline ManifestId contents_of(ManifestId id, const Manifest& manifest) {
  return manifest.contents() == 0 ? id : manifest.contents();
}
// The manifest has these contents from here on; they were named before.
void name_contents(Transaction& tx, ManifestId id, const Manifest& manifest);
// Some manifest has the contents of this name.
Result<bool> contents_live(Transaction& tx, ManifestId name);
// The manifest does not have these blocks any more, nor the name of its contents: they wait for the collector.
Result<void> doom_blocks(Transaction& tx, const Step& step, ManifestId id, Manifest& manifest,
                         const std::unordered_set<std::string_view>& live);

Result<void> add_intent(Transaction& tx, const RepairIntent& intent);
template <class Intents>
Result<void> add_intents(Transaction& tx, ManifestId manifest, Intents& intents) {
  for (RepairIntent& intent : intents) {
    intent.set_manifest(manifest);
    TRY_OK(add_intent(tx, intent));
  }
  return {};
}

// Blocks placed by a ring that was dropped since: nothing brings their shards to where they are looked for, and drives that
// have them may be given up.
inline bool placed_by_dropped_ring(const Transaction& tx, const Manifest& manifest) {
  return manifest.ring_epoch() != 0 && manifest.ring_epoch() < tx.totals().oldest_ring;
}

// Of blocks that were placed by a ring which has been replaced since: a rebalance may have passed them by.
template <class Intents>
void add_stale_placements(const Transaction& tx, const Manifest& manifest, Intents& intents) {
  if (manifest.ring_epoch() == 0 || manifest.ring_epoch() >= tx.totals().ring_epoch) return;
  for (const Block& block : manifest.blocks()) {
    RepairIntent& intent = *intents.Add();
    intent.set_block(block.id());
    const std::uint32_t shards = manifest.parity_shards() + (block.copies() ? 1 : manifest.data_shards());
    for (std::uint32_t shard = 0; shard < std::min(shards, kShardsMax); ++shard) intent.add_shards(shard);
  }
}

// Commands with an id are remembered with their results, the last kRememberedMax of them: more than a group commits in the time
// in which a command may be sent again (ClusterMetadataOptions::patience, 10 s).
inline constexpr std::uint64_t kRememberedMax = 400'000;
Result<std::optional<std::string>> find_remembered(Transaction& tx, const std::string& command_id);
Result<void> remember(Transaction& tx, const std::string& command_id, std::string result);

// An upload as it is stored: its number names its parts, and the sequence tells what happened to the key since.
struct StoredUpload {
  std::uint64_t number = 0;
  std::uint64_t sequence = 0;
  Upload upload;
};
std::string encode_upload(const StoredUpload& stored);
Result<StoredUpload> decode_upload(std::string_view row);
Result<std::optional<StoredUpload>> find_upload(Transaction& tx, BucketId bucket, std::string_view key, std::string_view id);
// For the uploads of the key that are going on: the key was deleted meanwhile.
Result<void> note_deletion(Transaction& tx, BucketId bucket, const std::string& key);
Result<bool> key_deleted_since(Transaction& tx, BucketId bucket, std::string_view key, std::uint64_t sequence);

// An upload with all its parts, read before anything is changed.
struct WholeUpload {
  StoredUpload stored;
  std::vector<Part> parts;  // ascending by number
};
Result<WholeUpload> load_parts(Transaction& tx, StoredUpload stored);
// Removes the rows of the upload and its parts. What the parts refer to is the caller's matter.
Result<void> remove_upload(Transaction& tx, BucketId bucket, const WholeUpload& upload);
Result<void> discard_upload(Transaction& tx, const Step& step, BucketId bucket, const WholeUpload& upload);

std::string etag_of(const Version& version);

}  // namespace gabion::metadata::apply
