#include <algorithm>
#include <unordered_set>

#include "metadata/apply.h"

namespace gabion::metadata::apply {
namespace {

// Rows exist for counts of two and more; a manifest without one has one reference.
Result<std::uint64_t> count_of(Transaction& tx, ManifestId manifest) {
  std::string row;
  TRY(const bool found, tx.get(Table::other, keys::references(manifest), row));
  if (!found) return std::uint64_t{1};
  if (row.size() != 8) return Error(Errc::corrupt, "a reference count is damaged");
  return load_le<std::uint64_t>(row.data());
}

void set_count(Transaction& tx, ManifestId manifest, std::uint64_t count) {
  if (count == 1) {
    tx.erase(Table::other, keys::references(manifest));
    return;
  }
  std::string row(8, '\0');
  store_le(row.data(), count);
  tx.put(Table::other, keys::references(manifest), std::move(row));
}

Result<void> forget_repair(Transaction& tx, const std::string& block) {
  if (tx.totals().repairs == 0) return {};
  std::string row = keys::repair(block);
  TRY(const bool found, tx.exists(Table::other, row));
  if (!found) return {};
  tx.erase(Table::other, std::move(row));
  --tx.totals().repairs;
  return {};
}

// The block stays, in the manifest that this command made.
Result<void> pass_repair_on(Transaction& tx, const Step& step, const std::string& block) {
  RepairIntent intent;
  std::string row = keys::repair(block);
  TRY(const bool found, tx.read(Table::other, row, intent));
  if (!found) return {};
  intent.set_manifest(step.made);
  tx.write(Table::other, std::move(row), intent);
  return {};
}

// Inline bytes go with the manifest; blocks wait for the collector; slices give their references back.
Result<void> remove_manifest(Transaction& tx, const Step& step, ManifestId id) {
  Manifest manifest;
  TRY(const bool found, tx.read(Table::manifests, keys::manifest(id), manifest));
  if (!found) return Error(Errc::corrupt, fmt::format("manifest {} is referred to and does not exist", id));
  tx.erase(Table::manifests, keys::manifest(id));
  // A command that came twice without being recognised replaces what it made itself: the blocks are those of the new
  // manifest, and must not be collected with the old one.
  Manifest made;
  if (manifest.blocks_size() != 0) TRY_OK(tx.read(Table::manifests, keys::manifest(step.made), made));
  std::unordered_set<std::string_view> live;
  for (const Block& block : made.blocks()) live.insert(block.id());
  TRY_OK(doom_blocks(tx, step, id, manifest, live));
  // Slices refer to leaves only, so this goes one level deep.
  for (const Slice& slice : manifest.slices()) TRY_OK(drop_reference(tx, step, slice.manifest()));
  return {};
}

}  // namespace

void name_contents(Transaction& tx, ManifestId id, const Manifest& manifest) {
  if (manifest.contents() == 0) return;
  std::string row(8, '\0');
  store_le(row.data(), id);
  tx.put(Table::other, keys::contents(manifest.contents()), std::move(row));
}

Result<bool> contents_live(Transaction& tx, ManifestId name) {
  Manifest manifest;
  TRY(const bool found, tx.read(Table::manifests, keys::manifest(name), manifest));
  if (found && manifest.contents() == 0) return true;
  return tx.exists(Table::other, keys::contents(name));
}

Result<void> doom_blocks(Transaction& tx, const Step& step, ManifestId id, Manifest& manifest,
                         const std::unordered_set<std::string_view>& live) {
  if (manifest.contents() != 0) tx.erase(Table::other, keys::contents(manifest.contents()));
  Doomed doomed;
  for (Block& block : *manifest.mutable_blocks()) {
    if (live.contains(block.id())) {
      TRY_OK(pass_repair_on(tx, step, block.id()));
      continue;
    }
    TRY_OK(forget_repair(tx, block.id()));
    doomed.add_blocks()->Swap(&block);
  }
  if (doomed.blocks_size() == 0) return {};
  doomed.set_manifest(contents_of(id, manifest));
  if (doomed.manifest() != id) doomed.set_pinned_as(id);
  doomed.set_doomed_us(step.time_us);
  doomed.set_data_shards(manifest.data_shards());
  doomed.set_parity_shards(manifest.parity_shards());
  std::string row = keys::doomed(doomed.manifest());
  TRY(const bool again, tx.exists(Table::other, row));  // it had come back meanwhile
  if (!again) ++tx.totals().doomed;
  tx.write(Table::other, std::move(row), doomed);
  return {};
}

Result<void> add_reference(Transaction& tx, ManifestId manifest) {
  TRY(const std::uint64_t count, count_of(tx, manifest));
  set_count(tx, manifest, count + 1);
  return {};
}

Result<void> drop_reference(Transaction& tx, const Step& step, ManifestId manifest) {
  TRY(const std::uint64_t count, count_of(tx, manifest));
  if (count == 1) return remove_manifest(tx, step, manifest);
  set_count(tx, manifest, count - 1);
  return {};
}

Result<void> add_intent(Transaction& tx, const RepairIntent& intent) {
  RepairIntent stored;
  std::string row = keys::repair(intent.block());
  TRY(const bool found, tx.read(Table::other, row, stored));
  if (!found) ++tx.totals().repairs;
  stored.set_block(intent.block());
  stored.set_manifest(intent.manifest());
  stored.mutable_shards()->MergeFrom(intent.shards());
  std::sort(stored.mutable_shards()->begin(), stored.mutable_shards()->end());
  const auto last = std::unique(stored.mutable_shards()->begin(), stored.mutable_shards()->end());
  stored.mutable_shards()->erase(last, stored.mutable_shards()->end());
  tx.write(Table::other, std::move(row), stored);
  return {};
}

}  // namespace gabion::metadata::apply
