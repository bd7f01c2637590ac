#include "metadata/apply.h"

namespace gabion::metadata::apply {
namespace {

// With the one reference that a manifest has which is not counted. A dropped ring does not matter here: what the other group
// has was moved on before, or is to be repaired there; but that may be forgotten there as soon as it is not needed there.
// Where it was doomed here before, the entry stays, and fails the second look: who looks first for manifests and then for
// entries, as the search for orphans does, must not find neither.
Result<void> take_in(Transaction& tx, ManifestId id, const Manifest& manifest) {
  name_contents(tx, id, manifest);
  tx.write(Table::manifests, keys::manifest(id), manifest);
  google::protobuf::RepeatedPtrField<RepairIntent> intents;
  add_stale_placements(tx, manifest, intents);
  return add_intents(tx, id, intents);
}

// Slices refer to what has none itself.
Result<bool> has_slice(Transaction& tx, const Adoptable& adoptable, const Slice& slice) {
  Manifest stored;
  TRY(const bool here, tx.read(Table::manifests, keys::manifest(slice.manifest()), stored));
  const Manifest* leaf = here ? &stored : adoptable.find(slice.manifest());
  return leaf != nullptr && leaf->slices_size() == 0 && slice.offset() <= leaf->size() &&
         slice.length() <= leaf->size() - slice.offset();
}

}  // namespace

// Numbers that this group has yet to give cannot come from another one.
Adoptable::Adoptable(const Step& step, const google::protobuf::RepeatedPtrField<AdoptedManifest>& adopted) {
  for (const AdoptedManifest& each : adopted) {
    const bool own = each.id() >> kManifestIndexBits == step.made >> kManifestIndexBits;
    if (!own || each.id() < step.made) manifests_.emplace(each.id(), &each.manifest());
  }
}

const Manifest* Adoptable::find(ManifestId id) const {
  const auto found = manifests_.find(id);
  return found == manifests_.end() ? nullptr : found->second;
}

Result<bool> find_shared(Transaction& tx, const Adoptable& adoptable, ManifestId id, Manifest& manifest) {
  TRY(const bool here, tx.read(Table::manifests, keys::manifest(id), manifest));
  if (here) return true;
  const Manifest* foreign = adoptable.find(id);
  if (foreign == nullptr) return false;
  for (const Slice& slice : foreign->slices()) {
    TRY(const bool whole, has_slice(tx, adoptable, slice));
    if (!whole) return false;
  }
  manifest = *foreign;
  return true;
}

Result<bool> refer_to(Transaction& tx, const Adoptable& adoptable, ManifestId id) {
  TRY(const bool here, tx.exists(Table::manifests, keys::manifest(id)));
  if (here) {
    TRY_OK(add_reference(tx, id));
    return true;
  }
  Manifest manifest;
  TRY(const bool found, find_shared(tx, adoptable, id, manifest));
  if (!found) return false;
  for (Slice& slice : *manifest.mutable_slices()) {
    slice.clear_group();
    TRY_OK(refer_to(tx, adoptable, slice.manifest()));
  }
  TRY_OK(take_in(tx, id, manifest));
  return true;
}

}  // namespace gabion::metadata::apply
