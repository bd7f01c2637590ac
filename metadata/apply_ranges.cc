#include "metadata/apply.h"

namespace gabion::metadata::apply {
namespace {

template <class Keyed>
bool elsewhere(const GroupRange& range, const Keyed& command) {
  return !range.owns(command.bucket(), command.key());
}

// A group that was never divided has no row.
Result<OwnRange> own_range(Transaction& tx) {
  OwnRange own;
  TRY_OK(tx.read(Table::other, keys::own_range(), own));
  return own;
}

}  // namespace

bool belongs_elsewhere(const GroupRange& range, const Command& command) {
  switch (command.op_case()) {
    case Command::kPutObject: return elsewhere(range, command.put_object());
    case Command::kDeleteObject: return elsewhere(range, command.delete_object());
    case Command::kDeleteObjects: {
      const auto& objects = command.delete_objects().objects();
      return std::any_of(objects.begin(), objects.end(), [&](const DeleteObject& object) { return elsewhere(range, object); });
    }
    case Command::kCreateUpload:
      return !range.owns(command.create_upload().bucket(), command.create_upload().upload().key());
    case Command::kPutPart: return elsewhere(range, command.put_part());
    case Command::kCompleteUpload: return elsewhere(range, command.complete_upload());
    case Command::kAbortUpload: return elsewhere(range, command.abort_upload());
    case Command::kCreateBucket:
    case Command::kDeleteBucket:
    case Command::kRaiseBucket:
    case Command::kSetClusterState: return range.group != kRootGroup;
    case Command::kCloseBucket:
    case Command::kOpenBucket: return range.group == kRootGroup;
    default: return false;
  }
}

Result<CommandResult> decide_split(Transaction& tx, const SplitRange& command, bool& due) {
  due = false;
  TRY(const OwnRange own, own_range(tx));
  for (const RangeInfo& child : own.children()) {
    if (child.group() != command.child()) continue;
    return child.start() == command.at() ? CommandResult() : refuse(STALE, "the group was split off elsewhere");
  }
  const GroupRange& range = *tx.range();
  if (command.child() == range.group) return refuse(STALE, "a group cannot be split off from itself");
  if (command.at() <= range.from || !range.owns(command.at())) return refuse(STALE, "it is not within the range of the group");
  due = true;
  return CommandResult();
}

Result<CommandResult> split_range(Transaction& tx, const Step& step, SplitRange& command) {
  bool due = false;
  TRY(auto result, decide_split(tx, command, due));
  if (!due) return result;
  TRY(OwnRange own, own_range(tx));
  own.set_to(command.at());
  RangeInfo& child = *own.add_children();
  child.set_start(command.at());
  child.set_group(command.child());
  tx.set_range(own);
  begin_trimming(tx);
  return result;
}

// Group 0 has both from the cluster's state; what it hears beforehand only makes it refuse earlier.
Result<CommandResult> set_rings(Transaction& tx, const Step& step, SetRings& command) {
  Totals& totals = tx.totals();
  totals.ring_epoch = std::max(totals.ring_epoch, command.epoch());
  totals.oldest_ring = std::max(totals.oldest_ring, command.oldest());
  return CommandResult();
}

}  // namespace gabion::metadata::apply
