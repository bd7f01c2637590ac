// Whether a command may enter the log: what comes from the network is bounded and makes sense by itself.
#include <unordered_map>

#include "metadata/keys.h"
#include "metadata/loans.h"
#include "metadata/state_machine.h"

namespace gabion::metadata {
namespace {

constexpr std::size_t kKeyMax = 1024;
constexpr std::size_t kUploadIdMax = 256;
constexpr std::size_t kLoanIdMax = 64;
constexpr int kDeleteMax = 1000;
constexpr int kSharesMax = 2'000;    // 5 GiB in parts of 5 MiB, each on its own
constexpr int kAdoptedMax = 10'001;  // an object of as many parts as there may be, and they
constexpr int kVotersMax = 16;
constexpr std::size_t kCommandIdSize = 16;
constexpr GroupId kGroupNumbers = 1u << (64 - kManifestIndexBits);  // that manifest ids have room for

// Rows end at the first 0x00, so names cannot contain one.
Result<void> check_key(std::string_view key) {
  if (key.empty() || key.find('\0') != std::string_view::npos)
    return Error(Errc::invalid, "an object key is empty or contains 0x00");
  if (key.size() > kKeyMax) return Error(Errc::too_large, "an object key is longer than 1024 bytes");
  return {};
}

Result<void> check_upload_id(std::string_view id) {
  if (id.empty() || id.size() > kUploadIdMax) return Error(Errc::invalid, "an upload id is empty or too long");
  return {};
}

Result<void> check_leaf(const Manifest& manifest) {
  if (manifest.slices_size() != 0) return Error(Errc::invalid, "slices are made by the state machine only");
  return {};
}

// What comes along from another group is whole: slices lie within manifests that come too, and those have none.
Result<void> check_adopted(const google::protobuf::RepeatedPtrField<AdoptedManifest>& adopted) {
  if (adopted.size() > kAdoptedMax) return Error(Errc::too_large, "a copy refers to too many manifests of another group");
  std::unordered_map<ManifestId, const Manifest*> known;
  for (const AdoptedManifest& each : adopted) {
    if (each.id() == 0) return Error(Errc::invalid, "a manifest of another group has no number");
    known.emplace(each.id(), &each.manifest());  // of those that come twice the first counts
  }
  for (const AdoptedManifest& each : adopted) {
    const Manifest& manifest = each.manifest();
    if (manifest.slices_size() > kAdoptedMax) return Error(Errc::too_large, "a manifest of another group has too many slices");
    std::uint64_t size = manifest.slices_size() == 0 ? manifest.size() : 0;
    for (const Slice& slice : manifest.slices()) {
      size += slice.length();
      const auto leaf = known.find(slice.manifest());
      const bool within = leaf != known.end() && leaf->second->slices_size() == 0 && slice.offset() <= leaf->second->size() &&
                          slice.length() <= leaf->second->size() - slice.offset();
      if (!within) return Error(Errc::invalid, "a manifest of another group refers to what does not come with it");
    }
    if (size != manifest.size()) return Error(Errc::invalid, "a manifest of another group is not as large as its slices");
  }
  return {};
}

// Where a range begins or ends: a bucket and a key, or nothing.
Result<void> check_boundary(std::string_view row) {
  if (row.empty()) return {};
  if (row.size() < keys::kBucketSize || row.size() > keys::kBucketSize + kKeyMax ||
      row.find('\0', keys::kBucketSize) != std::string_view::npos) {
    return Error(Errc::invalid, "a boundary of a range is not a bucket and a key");
  }
  return {};
}

Result<void> check_split(const SplitRange& split) {
  TRY_OK(check_boundary(split.at()));
  if (split.at().empty() || split.child() == kRootGroup) return Error(Errc::invalid, "a split names no boundary or no new group");
  if (split.child() >= kGroupNumbers) return Error(Errc::too_large, "the number of a group is too large");
  if (split.voters_size() > kVotersMax) return Error(Errc::too_large, "a group has too many members");
  return {};
}

Result<void> check_loan(std::string_view loan) {
  if (loan.size() > kLoanIdMax) return Error(Errc::too_large, "the id of a loan is longer than 64 bytes");
  return {};
}

Result<void> check_close(const CloseBucket& close) {
  TRY_OK(check_boundary(close.from()));
  return check_boundary(close.to());
}

Result<void> check_part(const PutPart& part) {
  if (part.shares_size() != 0 && part.has_manifest()) return Error(Errc::invalid, "a part has either new bytes or shared ones");
  if (part.shares_size() > kSharesMax) return Error(Errc::too_large, "a part is made of too many pieces");
  if (part.shares_size() == 0 && part.adopted_size() != 0) return Error(Errc::invalid, "a part shares none of what is adopted");
  TRY_OK(check_adopted(part.adopted()));
  TRY_OK(check_leaf(part.manifest()));
  TRY_OK(check_upload_id(part.upload_id()));
  return check_key(part.key());
}

Result<void> check_put(const PutObject& put) {
  if (put.has_share() && put.has_manifest()) return Error(Errc::invalid, "an object has either new bytes or shared ones");
  if (!put.has_share() && put.adopted_size() != 0) return Error(Errc::invalid, "an object shares none of what is adopted");
  TRY_OK(check_adopted(put.adopted()));
  TRY_OK(check_leaf(put.manifest()));
  return check_key(put.key());
}

}  // namespace

Result<void> validate(const Command& command) {
  if (!command.id().empty() && command.id().size() != kCommandIdSize) {
    return Error(Errc::invalid, "the id of a command is not 16 bytes");
  }
  switch (command.op_case()) {
    case Command::kPutObject: return check_put(command.put_object());
    case Command::kDeleteObject: return check_key(command.delete_object().key());
    case Command::kDeleteObjects:
      if (command.delete_objects().objects_size() > kDeleteMax) return Error(Errc::too_large, "more than 1000 objects to delete");
      for (const DeleteObject& object : command.delete_objects().objects()) TRY_OK(check_key(object.key()));
      return {};
    case Command::kCreateUpload:
      TRY_OK(check_upload_id(command.create_upload().upload().id()));
      return check_key(command.create_upload().upload().key());
    case Command::kPutPart: return check_part(command.put_part());
    case Command::kCompleteUpload:
      TRY_OK(check_upload_id(command.complete_upload().upload_id()));
      return check_key(command.complete_upload().key());
    case Command::kAbortUpload:
      TRY_OK(check_upload_id(command.abort_upload().upload_id()));
      return check_key(command.abort_upload().key());
    case Command::kReplaceBlocks: return check_leaf(command.replace_blocks().blocks());
    case Command::kDeleteBucket: return check_boundary(command.delete_bucket().to());
    case Command::kCloseBucket: return check_close(command.close_bucket());
    case Command::kSplitRange: return check_split(command.split_range());
    case Command::kSetRings:
      if (command.set_rings().oldest() <= command.set_rings().epoch()) return {};
      return Error(Errc::invalid, "the oldest ring is newer than the newest");
    case Command::kLendManifest:
      if (command.lend_manifest().loan().empty()) return Error(Errc::invalid, "a loan without an id");
      return check_loan(command.lend_manifest().loan());
    case Command::kEndLoan: return check_loan(command.end_loan().loan());
    case Command::OP_NOT_SET: return Error(Errc::invalid, "a command without an operation");
    default: return {};
  }
}

Result<void> check_timely(const Command& command, WallMicros now) {
  if (command.put_object().adopted_size() == 0 && command.put_part().adopted_size() == 0) return {};
  constexpr auto kLatest = static_cast<WallMicros>(kLoanAge / 2 / std::chrono::microseconds(1));
  if (now <= command.time_us() || now - command.time_us() <= kLatest) return {};
  return Error(Errc::unavailable, "a copy took so long that its source may be gone");
}

}  // namespace gabion::metadata
