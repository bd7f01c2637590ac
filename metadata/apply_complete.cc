#include <algorithm>

#include "common/crc.h"
#include "metadata/apply.h"

namespace gabion::metadata::apply {
namespace {

// Completed uploads are remembered for clients that did not get the answer and try again.
constexpr std::uint64_t kCompletedMax = 10'000;
constexpr std::uint64_t kRememberMicros = 24ull * 3600 * 1'000'000;
constexpr std::size_t kForgetAtOnce = 4;
constexpr std::size_t kRememberedHeaderSize = 16;

std::uint64_t fingerprint(const CompleteUpload& command) {
  std::uint64_t crc = 0;
  for (const CompletedPart& part : command.parts()) {
    std::string text;
    append_be32(text, part.number());
    crc = crc64nvme(crc64nvme(crc, as_bytes(text)), as_bytes(part.md5()));
  }
  return crc;
}

// Row: fingerprint of the parts, time, then the result.
Result<CommandResult> remembered(Transaction& tx, const CompleteUpload& command) {
  std::string row;
  TRY(const bool found, tx.get(Table::other, keys::completed(command.bucket(), command.key(), command.upload_id()), row));
  if (!found) return refuse(NO_SUCH_UPLOAD);
  CommandResult result;
  if (row.size() < kRememberedHeaderSize ||
      !result.ParseFromArray(row.data() + kRememberedHeaderSize, static_cast<int>(row.size() - kRememberedHeaderSize))) {
    return Error(Errc::corrupt, "the record of a completed upload is damaged");
  }
  if (load_le<std::uint64_t>(row.data()) != fingerprint(command)) return refuse(NO_SUCH_UPLOAD);
  return result;
}

void remember_completion(Transaction& tx, const Step& step, const CompleteUpload& command, const CommandResult& result) {
  std::string row(kRememberedHeaderSize, '\0');
  store_le(row.data(), fingerprint(command));
  store_le(row.data() + 8, step.time_us);
  result.AppendToString(&row);
  std::string key = keys::completed(command.bucket(), command.key(), command.upload_id());
  tx.put(Table::other, keys::completed_order(step.index), key);
  tx.put(Table::other, std::move(key), std::move(row));
  ++tx.totals().completed;
}

struct OldCompletion {
  std::string order_row;
  std::string row;
};

// The oldest ones that are too old or too many.
Result<std::vector<OldCompletion>> find_forgettable(Transaction& tx, const Step& step) {
  std::vector<OldCompletion> old;
  TRY(const auto rows, tx.scan(Table::other, keys::all_completed()));
  for (; rows->valid() && old.size() < kForgetAtOnce; rows->next()) {
    std::string row;
    TRY(const bool found, tx.get(Table::other, rows->value(), row));
    const std::uint64_t at = found && row.size() >= kRememberedHeaderSize ? load_le<std::uint64_t>(row.data() + 8) : 0;
    if (tx.totals().completed - old.size() < kCompletedMax && at + kRememberMicros > step.time_us) break;
    old.push_back({std::string(rows->key()), std::string(rows->value())});
  }
  TRY_OK(rows->status());
  return old;
}

void forget(Transaction& tx, std::vector<OldCompletion> old) {
  for (OldCompletion& completion : old) {
    tx.erase(Table::other, std::move(completion.order_row));
    tx.erase(Table::other, std::move(completion.row));
    --tx.totals().completed;
  }
}

CommandResult invalid_part(std::uint32_t number) {
  CommandResult refusal = refuse(INVALID_PART);
  refusal.set_part(number);
  return refusal;
}

// The parts that the client listed, or the refusal.
struct Selection {
  std::vector<const Part*> listed;
  std::vector<const Part*> unlisted;
  std::optional<CommandResult> refusal;
};

Selection select_parts(const CompleteUpload& command, const WholeUpload& whole) {
  Selection selection;
  auto uploaded = whole.parts.begin();
  std::uint32_t previous = 0;
  for (const CompletedPart& wanted : command.parts()) {
    const bool ascending = wanted.number() > previous;
    previous = wanted.number();
    while (ascending && uploaded != whole.parts.end() && uploaded->number() < wanted.number()) {
      selection.unlisted.push_back(&*uploaded++);
    }
    const bool same = ascending && uploaded != whole.parts.end() && uploaded->number() == wanted.number() &&
                      uploaded->md5() == wanted.md5() &&
                      (!wanted.has_checksum() || (uploaded->checksum().algorithm() == wanted.checksum().algorithm() &&
                                                  uploaded->checksum().value() == wanted.checksum().value()));
    if (!same) {
      selection.refusal = invalid_part(wanted.number());
      return selection;
    }
    selection.listed.push_back(&*uploaded++);
  }
  for (; uploaded != whole.parts.end(); ++uploaded) selection.unlisted.push_back(&*uploaded);
  if (selection.listed.empty()) selection.refusal = invalid_part(0);
  return selection;
}

// Appends what a part consists of. Its reference moves from the part to the new manifest.
Result<void> append_part(Transaction& tx, const Step& step, const Part& part, Manifest& whole) {
  PartSpan& span = *whole.add_parts();
  span.set_number(part.number());
  span.set_size(part.size());
  if (part.has_checksum()) *span.mutable_checksum() = part.checksum();
  whole.set_size(whole.size() + part.size());
  if (part.manifest() == 0) return {};
  Manifest manifest;
  TRY(const bool found, tx.read(Table::manifests, keys::manifest(part.manifest()), manifest));
  if (!found) return Error(Errc::corrupt, fmt::format("manifest {} of a part does not exist", part.manifest()));
  if (manifest.slices_size() == 0) {
    Slice& slice = *whole.add_slices();
    slice.set_manifest(part.manifest());
    slice.set_length(part.size());
    return {};
  }
  for (const Slice& slice : manifest.slices()) {
    TRY_OK(add_reference(tx, slice.manifest()));
    *whole.add_slices() = slice;
  }
  return drop_reference(tx, step, part.manifest());
}

// Conditions were meant for the key as it was when the upload began: a change since then defeats them.
Result<std::optional<CommandResult>> check_conditions(Transaction& tx, const CompleteUpload& command, const StoredUpload& stored,
                                                      const std::optional<Version>& old) {
  const Preconditions& conditions = command.conditions();
  if (auto refusal = check_write(conditions, old)) return refusal;
  const bool if_match = conditions.if_match_any() || conditions.if_match_size() != 0;
  if (if_match && old && old->sequence() > stored.sequence) {
    return std::optional(refuse(CONDITION_CONFLICT, "If-Match"));
  }
  if (!old && conditions.if_none_match_any()) {
    TRY(const bool deleted, key_deleted_since(tx, command.bucket(), command.key(), stored.sequence));
    if (deleted) return std::optional(refuse(CONDITION_CONFLICT, "If-None-Match"));
  }
  return std::optional<CommandResult>();
}

}  // namespace

Result<CommandResult> complete_upload(Transaction& tx, const Step& step, CompleteUpload& command) {
  TRY(const bool in_bucket, takes_bucket(tx, command.bucket()));
  if (!in_bucket) return refuse(NO_SUCH_BUCKET);
  TRY(auto stored, find_upload(tx, command.bucket(), command.key(), command.upload_id()));
  if (!stored) return remembered(tx, command);
  TRY(const auto old, current_version(tx, command.bucket(), command.key()));
  TRY(auto refusal, check_conditions(tx, command, *stored, old));
  if (refusal) return *std::move(refusal);
  TRY(auto forgettable, find_forgettable(tx, step));
  TRY(const auto whole, load_parts(tx, *std::move(stored)));
  const Selection selection = select_parts(command, whole);
  if (selection.refusal) return *selection.refusal;

  Manifest manifest;
  for (const Part* part : selection.listed) TRY_OK(append_part(tx, step, *part, manifest));
  tx.write(Table::manifests, keys::manifest(step.made), manifest);
  TRY_OK(remove_upload(tx, command.bucket(), whole));
  for (const Part* part : selection.unlisted) {
    if (part->manifest() != 0) TRY_OK(drop_reference(tx, step, part->manifest()));
  }
  Version version = whole.stored.upload.attributes();
  version.set_size(manifest.size());
  version.set_manifest(step.made);
  version.set_etag(command.version().etag());
  version.set_etag_parts(command.version().etag_parts());
  if (command.version().has_checksum()) *version.mutable_checksum() = command.version().checksum();
  TRY_OK(replace_version(tx, step, command.bucket(), command.key(), version, old));
  forget(tx, std::move(forgettable));
  CommandResult result;
  result.mutable_version()->Swap(&version);
  remember_completion(tx, step, command, result);
  return result;
}

}  // namespace gabion::metadata::apply
