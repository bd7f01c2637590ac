#include <algorithm>

#include "metadata/apply.h"

namespace gabion::metadata::apply {

Result<CommandResult> add_repairs(Transaction& tx, const Step& step, AddRepairs& command) {
  for (const RepairIntent& intent : command.intents()) {
    // Deleted since: there is nothing to repair, and nothing that would ever take the intent away.
    Manifest manifest;
    TRY(const bool there, tx.read(Table::manifests, keys::manifest(intent.manifest()), manifest));
    const auto& blocks = manifest.blocks();
    const bool has_block = std::any_of(blocks.begin(), blocks.end(),
                                       [&](const Block& block) { return block.id() == intent.block(); });
    if (there && has_block) TRY_OK(add_intent(tx, intent));
  }
  return CommandResult();
}

Result<CommandResult> finish_repair(Transaction& tx, const Step& step, FinishRepair& command) {
  RepairIntent stored;
  std::string row = keys::repair(command.block());
  TRY(const bool found, tx.read(Table::other, row, stored));
  if (!found) return CommandResult();
  auto& shards = *stored.mutable_shards();
  const auto healed = [&command](std::uint32_t shard) {
    return std::find(command.shards().begin(), command.shards().end(), shard) != command.shards().end();
  };
  shards.erase(std::remove_if(shards.begin(), shards.end(), healed), shards.end());
  if (!shards.empty()) {
    tx.write(Table::other, std::move(row), stored);
    return CommandResult();
  }
  tx.erase(Table::other, std::move(row));
  --tx.totals().repairs;
  return CommandResult();
}

Result<CommandResult> confirm_doomed(Transaction& tx, const Step& step, ConfirmDoomed& command) {
  CommandResult result;
  for (const ManifestId id : command.manifests()) {
    Doomed doomed;
    TRY(const bool found, tx.read(Table::other, keys::doomed(id), doomed));
    if (!found) continue;
    TRY(const bool alive, contents_live(tx, id));
    if (alive) continue;
    result.add_confirmed(id);
    if (doomed.confirmed()) continue;
    doomed.set_confirmed(true);
    tx.write(Table::other, keys::doomed(id), doomed);
  }
  return result;
}

Result<CommandResult> finish_doomed(Transaction& tx, const Step& step, FinishDoomed& command) {
  for (const ManifestId id : command.manifests()) {
    Doomed doomed;
    TRY(const bool found, tx.read(Table::other, keys::doomed(id), doomed));
    if (!found) continue;
    TRY(const bool alive, contents_live(tx, id));  // it came back from another group
    if (!alive && !doomed.confirmed()) continue;
    tx.erase(Table::other, keys::doomed(id));
    --tx.totals().doomed;
  }
  return CommandResult();
}

// The oldest entries of each bucket, also of buckets that are gone.
Result<CommandResult> trim_journal(Transaction& tx, const Step& step, TrimJournal& command) {
  std::vector<std::string> old;
  TRY(const auto rows, tx.scan(Table::journal, {}, {}));
  while (rows->valid() && old.size() < command.limit()) {
    JournalEntry entry;
    if (!entry.ParseFromArray(rows->value().data(), static_cast<int>(rows->value().size()))) {
      return Error(Errc::corrupt, "a journal entry is damaged");
    }
    if (entry.time_us() < command.before_us()) {
      old.emplace_back(rows->key());
      rows->next();
      continue;
    }
    // This bucket's later entries stay as well.
    const std::string next = keys::successor(rows->key().substr(0, keys::kBucketSize));
    if (next.empty()) break;
    rows->seek(next);
  }
  TRY_OK(rows->status());
  for (std::string& key : old) tx.erase(Table::journal, std::move(key));
  return CommandResult();
}

}  // namespace gabion::metadata::apply
