#include "metadata/state_machine.h"

#include "metadata/apply.h"

namespace gabion::metadata {
namespace {

constexpr std::size_t kKeyMax = 1024;
constexpr std::size_t kUploadIdMax = 256;
constexpr int kDeleteMax = 1000;
constexpr std::size_t kCommandIdSize = 16;

Result<CommandResult> dispatch(Transaction& tx, const apply::Step& step, Command& command) {
  switch (command.op_case()) {
    case Command::kCreateBucket: return apply::create_bucket(tx, step, *command.mutable_create_bucket());
    case Command::kDeleteBucket: return apply::delete_bucket(tx, step, *command.mutable_delete_bucket());
    case Command::kPutObject: return apply::put_object(tx, step, *command.mutable_put_object());
    case Command::kDeleteObject: return apply::delete_object(tx, step, *command.mutable_delete_object());
    case Command::kDeleteObjects: return apply::delete_objects(tx, step, *command.mutable_delete_objects());
    case Command::kCreateUpload: return apply::create_upload(tx, step, *command.mutable_create_upload());
    case Command::kPutPart: return apply::put_part(tx, step, *command.mutable_put_part());
    case Command::kCompleteUpload: return apply::complete_upload(tx, step, *command.mutable_complete_upload());
    case Command::kAbortUpload: return apply::abort_upload(tx, step, *command.mutable_abort_upload());
    case Command::kAddRepairs: return apply::add_repairs(tx, step, *command.mutable_add_repairs());
    case Command::kFinishRepair: return apply::finish_repair(tx, step, *command.mutable_finish_repair());
    case Command::kConfirmDoomed: return apply::confirm_doomed(tx, step, *command.mutable_confirm_doomed());
    case Command::kFinishDoomed: return apply::finish_doomed(tx, step, *command.mutable_finish_doomed());
    case Command::kReplaceBlocks: return apply::replace_blocks(tx, step, *command.mutable_replace_blocks());
    case Command::kTrimJournal: return apply::trim_journal(tx, step, *command.mutable_trim_journal());
    case Command::kSetClusterState: return apply::set_cluster_state(tx, step, *command.mutable_set_cluster_state());
    case Command::OP_NOT_SET: break;
  }
  return Error(Errc::invalid, fmt::format("command {} of the metadata log was written by a newer version", step.index));
}

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

}  // namespace

Result<void> validate(const Command& command) {
  if (!command.id().empty() && command.id().size() != kCommandIdSize) {
    return Error(Errc::invalid, "the id of a command is not 16 bytes");
  }
  switch (command.op_case()) {
    case Command::kPutObject:
      if (command.put_object().has_share() && command.put_object().has_manifest()) {
        return Error(Errc::invalid, "an object has either new bytes or shared ones");
      }
      TRY_OK(check_leaf(command.put_object().manifest()));
      return check_key(command.put_object().key());
    case Command::kDeleteObject: return check_key(command.delete_object().key());
    case Command::kDeleteObjects:
      if (command.delete_objects().objects_size() > kDeleteMax) return Error(Errc::too_large, "more than 1000 objects to delete");
      for (const DeleteObject& object : command.delete_objects().objects()) TRY_OK(check_key(object.key()));
      return {};
    case Command::kCreateUpload:
      TRY_OK(check_upload_id(command.create_upload().upload().id()));
      return check_key(command.create_upload().upload().key());
    case Command::kPutPart:
      if (command.put_part().shares_size() != 0 && command.put_part().has_manifest()) {
        return Error(Errc::invalid, "a part has either new bytes or shared ones");
      }
      TRY_OK(check_leaf(command.put_part().manifest()));
      TRY_OK(check_upload_id(command.put_part().upload_id()));
      return check_key(command.put_part().key());
    case Command::kCompleteUpload:
      TRY_OK(check_upload_id(command.complete_upload().upload_id()));
      return check_key(command.complete_upload().key());
    case Command::kAbortUpload:
      TRY_OK(check_upload_id(command.abort_upload().upload_id()));
      return check_key(command.abort_upload().key());
    case Command::kReplaceBlocks: return check_leaf(command.replace_blocks().blocks());
    case Command::OP_NOT_SET: return Error(Errc::invalid, "a command without an operation");
    default: return {};
  }
}

Result<std::unique_ptr<StateMachine>> StateMachine::load(KvStore& store) {
  std::unique_ptr<StateMachine> machine(new StateMachine(store));
  TRY_OK(machine->tx_.load());
  return machine;
}

Result<void> StateMachine::belong_to(const ClusterId& cluster) {
  ClusterId& owner = tx_.totals().cluster;
  if (owner.is_zero() && tx_.totals().index == 0) owner = cluster;
  if (!(owner == cluster)) return Error(Errc::invalid, "the metadata state on this drive belongs to another cluster");
  return {};
}

Result<std::string> StateMachine::apply(std::uint64_t index, std::string_view command) {
  GABION_CHECK(index == applied() + 1, "commands are applied in order");
  if (!command_.ParseFromArray(command.data(), static_cast<int>(command.size()))) {
    return Error(Errc::corrupt, fmt::format("command {} of the metadata log cannot be decoded", index));
  }
  apply::Step step;
  step.index = index;
  step.time_us = command_.time_us();
  tx_.begin();
  TRY(auto result, apply::find_remembered(tx_, command_.id()));
  if (!result) {
    TRY(const CommandResult decided, dispatch(tx_, step, command_));
    result = decided.SerializeAsString();
    TRY_OK(apply::remember(tx_, command_.id(), *result));
  }
  tx_.totals().index = index;
  return *std::move(result);
}

Result<void> StateMachine::commit() { return tx_.finish(); }

}  // namespace gabion::metadata
