#include <algorithm>

#include "common/encoding.h"
#include "metadata/apply.h"

namespace gabion::metadata::apply {
namespace {

constexpr std::uint64_t kMicrosPerSecond = 1'000'000;

void journal(Transaction& tx, const Step& step, BucketId bucket, const std::string& key, JournalKind kind,
             const Version& version) {
  JournalEntry entry;
  entry.set_sequence(tx.totals().sequence);
  entry.set_time_us(step.time_us);
  entry.set_kind(kind);
  entry.set_key(key);
  entry.set_size(version.size());
  entry.set_etag(version.etag());
  if (!version.version_id().empty()) entry.set_version_id(version.version_id());
  tx.write(Table::journal, keys::journal(bucket, entry.sequence()), entry);
}

bool any_equals(const google::protobuf::RepeatedPtrField<std::string>& texts, const std::string& etag) {
  return std::find(texts.begin(), texts.end(), etag) != texts.end();
}

// The conditions that only DELETE has.
bool delete_conditions_hold(const DeleteObject& command, const Version& current) {
  if (command.has_if_size() && command.if_size() != current.size()) return false;
  return !command.has_if_modified_us() ||
         command.if_modified_us() / kMicrosPerSecond == current.modified_us() / kMicrosPerSecond;
}

}  // namespace

std::string etag_of(const Version& version) {
  std::string text = hex_encode(as_bytes(version.etag()));
  if (version.etag_parts() != 0) text += "-" + std::to_string(version.etag_parts());
  return text;
}

Result<std::optional<Version>> current_version(Transaction& tx, BucketId bucket, std::string_view key) {
  Version version;
  TRY(const bool found, tx.read(Table::objects, keys::object_row(bucket, key), version));
  if (!found) return std::optional<Version>();
  return std::optional<Version>(std::move(version));
}

std::optional<CommandResult> check_write(const Preconditions& conditions, const std::optional<Version>& current) {
  if (conditions.has_if_sequence() && conditions.if_sequence() != (current ? current->sequence() : 0)) return refuse(STALE);
  const bool if_match = conditions.if_match_any() || conditions.if_match_size() != 0;
  const bool if_none_match = conditions.if_none_match_any() || conditions.if_none_match_size() != 0;
  if (!if_match && !if_none_match) return std::nullopt;
  if (!current) return if_match ? std::optional(refuse(NO_SUCH_KEY)) : std::nullopt;
  const std::string etag = etag_of(*current);
  if (if_match && !conditions.if_match_any() && !any_equals(conditions.if_match(), etag)) {
    return refuse(PRECONDITION_FAILED, "If-Match");
  }
  if (conditions.if_none_match_any() || any_equals(conditions.if_none_match(), etag)) {
    return refuse(PRECONDITION_FAILED, "If-None-Match");
  }
  return std::nullopt;
}

Result<void> replace_version(Transaction& tx, const Step& step, BucketId bucket, const std::string& key, Version& version,
                             const std::optional<Version>& old) {
  version.set_sequence(++tx.totals().sequence);
  // Clocks may be set back; what clients see of a key must not be.
  version.set_modified_us(old ? std::max(step.time_us, old->modified_us()) : step.time_us);
  tx.write(Table::objects, keys::object_row(bucket, key), version);
  journal(tx, step, bucket, key, JOURNAL_PUT, version);
  if (!old) ++tx.totals().objects;
  if (old && old->manifest() != 0) TRY_OK(drop_reference(tx, step, old->manifest()));
  return {};
}

Result<CommandResult> put_object(Transaction& tx, const Step& step, PutObject& command) {
  TRY(const bool in_bucket, takes_bucket(tx, command.bucket()));
  if (!in_bucket) return refuse(NO_SUCH_BUCKET);
  TRY(const auto old, current_version(tx, command.bucket(), command.key()));
  if (auto refusal = check_write(command.conditions(), old)) return *std::move(refusal);
  if (placed_by_dropped_ring(tx, command.manifest())) return refuse(STALE);

  Version& version = *command.mutable_version();
  version.set_manifest(0);
  if (command.has_share()) {
    const ManifestId shared = command.share().manifest();
    // Counted before the old version's reference goes: it may be the same manifest.
    TRY(const bool there, refer_to(tx, Adoptable(step, command.adopted()), shared));
    if (!there) return refuse(SOURCE_GONE);
    version.set_manifest(shared);
  } else if (command.has_manifest()) {
    version.set_manifest(step.made);
    tx.write(Table::manifests, keys::manifest(step.made), command.manifest());
    add_stale_placements(tx, command.manifest(), *command.mutable_intents());
    TRY_OK(add_intents(tx, step.made, *command.mutable_intents()));
  }
  TRY_OK(replace_version(tx, step, command.bucket(), command.key(), version, old));
  CommandResult result;
  result.mutable_version()->Swap(&version);
  return result;
}

Result<CommandResult> delete_object(Transaction& tx, const Step& step, DeleteObject& command) {
  TRY(const bool in_bucket, takes_bucket(tx, command.bucket()));
  if (!in_bucket) return refuse(NO_SUCH_BUCKET);
  TRY(auto old, current_version(tx, command.bucket(), command.key()));
  if (command.conditions().has_if_sequence() && command.conditions().if_sequence() != (old ? old->sequence() : 0)) {
    return refuse(STALE);
  }
  // What is not there needs no deleting, whatever the conditions.
  if (!old) return CommandResult();
  if (auto refusal = check_write(command.conditions(), old)) return *std::move(refusal);
  if (!delete_conditions_hold(command, *old)) return refuse(PRECONDITION_FAILED, "If-Match");

  ++tx.totals().sequence;
  --tx.totals().objects;
  tx.erase(Table::objects, keys::object_row(command.bucket(), command.key()));
  journal(tx, step, command.bucket(), command.key(), JOURNAL_DELETE, *old);
  TRY_OK(note_deletion(tx, command.bucket(), command.key()));
  if (old->manifest() != 0) TRY_OK(drop_reference(tx, step, old->manifest()));
  CommandResult result;
  result.mutable_version()->Swap(&*old);
  return result;
}

Result<CommandResult> delete_objects(Transaction& tx, const Step& step, DeleteObjects& command) {
  CommandResult result;
  for (DeleteObject& object : *command.mutable_objects()) {
    TRY(*result.add_each(), delete_object(tx, step, object));
  }
  return result;
}

}  // namespace gabion::metadata::apply
