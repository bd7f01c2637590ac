#include "metadata/state_machine.h"

#include "metadata/apply.h"
#include "metadata/wire.h"

namespace gabion::metadata {
namespace {

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
    case Command::kCloseBucket: return apply::close_bucket(tx, step, *command.mutable_close_bucket());
    case Command::kRaiseBucket: return apply::raise_bucket(tx, step, *command.mutable_raise_bucket());
    case Command::kOpenBucket: return apply::open_bucket(tx, step, *command.mutable_open_bucket());
    case Command::kSplitRange: return apply::split_range(tx, step, *command.mutable_split_range());
    case Command::kTrimRange: return apply::trim_range(tx, step, *command.mutable_trim_range());
    case Command::kSetRings: return apply::set_rings(tx, step, *command.mutable_set_rings());
    case Command::kLendManifest: return apply::lend_manifest(tx, step, *command.mutable_lend_manifest());
    case Command::kEndLoan: return apply::end_loan(tx, step, *command.mutable_end_loan());
    case Command::OP_NOT_SET: break;
  }
  return Error(Errc::invalid, fmt::format("command {} of the metadata log was written by a newer version", step.index));
}

Result<CommandResult> decide(Transaction& tx, const apply::Step& step, Command& command) {
  if (apply::belongs_elsewhere(*tx.range(), command)) return apply::refuse(MOVED);
  return dispatch(tx, step, command);
}

// Whether an encoded command may be one that splits a range: asked for each that is applied.
bool may_split(std::string_view command) {
  WireReader fields(command);
  for (Field field; fields.next(field);) {
    if (field.number == Command::kSplitRangeFieldNumber) return true;
  }
  return !fields.ok();
}

}  // namespace

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
  step.made = manifest_id(range()->group, index);
  tx_.begin();
  TRY(auto result, apply::find_remembered(tx_, command_.id()));
  if (!result) {
    TRY(const CommandResult decided, decide(tx_, step, command_));
    result = decided.SerializeAsString();
    // Who is sent on to another group says the same there, and perhaps here again.
    if (decided.outcome() != MOVED) TRY_OK(apply::remember(tx_, command_.id(), *result));
  }
  tx_.totals().index = index;
  return *std::move(result);
}

Result<std::optional<SplitRange>> StateMachine::split_due(std::string_view encoded) {
  Command command;
  const bool split = may_split(encoded) && command.ParseFromArray(encoded.data(), static_cast<int>(encoded.size())) &&
                     command.has_split_range();
  if (!split) return std::optional<SplitRange>();  // what cannot be decoded is found out when it is applied
  TRY(const auto remembered, apply::find_remembered(tx_, command.id()));
  if (remembered) return std::optional<SplitRange>();
  bool due = false;
  TRY_OK(apply::decide_split(tx_, command.split_range(), due));
  return due ? std::optional(std::move(*command.mutable_split_range())) : std::nullopt;
}

Result<void> become_child(KvStore& store, const SplitRange& split, std::uint64_t entry) {
  Transaction tx(store);
  TRY_OK(tx.load());
  if (tx.range()->group == split.child()) return {};
  bool due = false;
  TRY_OK(apply::decide_split(tx, split, due));
  if (!due) return Error(Errc::invalid, "the state is not that of the parent before the split");
  OwnRange own;
  own.set_group(split.child());
  own.set_from(split.at());
  own.set_to(tx.range()->to);
  tx.set_range(own);
  apply::begin_trimming(tx);
  tx.totals().buckets = 0;
  tx.totals().entry = entry;
  tx.totals().entry_end = tx.totals().index;
  return tx.finish();
}

Result<void> StateMachine::commit() { return tx_.finish(); }

}  // namespace gabion::metadata
