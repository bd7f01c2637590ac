#include "metadata/apply.h"

namespace gabion::metadata::apply {

Result<std::optional<std::string>> find_remembered(Transaction& tx, const std::string& command_id) {
  std::string result;
  if (command_id.empty()) return std::optional<std::string>();
  TRY(const bool found, tx.get(Table::other, keys::remembered(command_id), result));
  if (!found) return std::optional<std::string>();
  return std::optional(std::move(result));
}

// The ids stand in a circle of places: the new one takes the place of the oldest, which is forgotten.
Result<void> remember(Transaction& tx, const std::string& command_id, std::string result) {
  if (command_id.empty()) return {};
  std::string place = keys::remembered_place(tx.totals().remembered++ % kRememberedMax);
  std::string oldest;
  TRY(const bool taken, tx.get(Table::other, place, oldest));
  if (taken) tx.erase(Table::other, keys::remembered(oldest));
  tx.put(Table::other, std::move(place), command_id);
  tx.put(Table::other, keys::remembered(command_id), std::move(result));
  return {};
}

}  // namespace gabion::metadata::apply
