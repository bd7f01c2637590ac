#include "metadata/apply.h"

namespace gabion::metadata::apply {
namespace {

// Block for block the same bytes: slices, and readers in the middle of them, go on by the lengths.
bool same_lengths(const Manifest& a, const Manifest& b) {
  if (a.blocks_size() != b.blocks_size()) return false;
  for (int i = 0; i < a.blocks_size(); ++i) {
    if (a.blocks(i).length() != b.blocks(i).length()) return false;
  }
  return true;
}

}  // namespace

Result<CommandResult> replace_blocks(Transaction& tx, const Step& step, ReplaceBlocks& command) {
  const ManifestId id = command.manifest();
  Manifest manifest;
  TRY(const bool found, tx.read(Table::manifests, keys::manifest(id), manifest));
  if (!found) return refuse(SOURCE_GONE);
  Manifest& fresh = *command.mutable_blocks();
  if (manifest.contents() != command.contents() || !same_lengths(manifest, fresh)) return refuse(STALE, "contents");
  if (placed_by_dropped_ring(tx, fresh)) return refuse(STALE, "ring");
  TRY(const bool lent, is_lent(tx, id));
  if (lent) return refuse(STALE, "lent");

  TRY_OK(doom_blocks(tx, step, id, manifest, {}));
  manifest.mutable_blocks()->Swap(fresh.mutable_blocks());
  manifest.set_data_shards(fresh.data_shards());
  manifest.set_parity_shards(fresh.parity_shards());
  manifest.set_ring_epoch(fresh.ring_epoch());
  manifest.set_contents(step.made);
  name_contents(tx, id, manifest);
  tx.write(Table::manifests, keys::manifest(id), manifest);
  add_stale_placements(tx, manifest, *command.mutable_intents());
  TRY_OK(add_intents(tx, id, *command.mutable_intents()));
  return CommandResult();
}

}  // namespace gabion::metadata::apply
