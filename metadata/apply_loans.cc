#include "metadata/apply.h"

namespace gabion::metadata::apply {
namespace {

constexpr std::uint32_t kEndAtOnce = 10'000;

struct StoredLoan {
  std::string row;
  Loan loan;
};

// There are few: each lasts as long as one command of another group, or until it is swept.
Result<std::vector<StoredLoan>> all_loans(Transaction& tx) {
  std::vector<StoredLoan> loans;
  TRY(const auto rows, tx.scan(Table::other, keys::all_loans()));
  for (; rows->valid(); rows->next()) {
    StoredLoan& stored = loans.emplace_back();
    stored.row = rows->key();
    if (!stored.loan.ParseFromArray(rows->value().data(), static_cast<int>(rows->value().size()))) {
      return Error(Errc::corrupt, "the record of a loan is damaged");
    }
  }
  TRY_OK(rows->status());
  return loans;
}

Result<void> end(Transaction& tx, const Step& step, StoredLoan stored) {
  tx.erase(Table::other, std::move(stored.row));
  return drop_reference(tx, step, stored.loan.manifest());
}

Result<CommandResult> end_old_loans(Transaction& tx, const Step& step, const EndLoan& command) {
  TRY(auto loans, all_loans(tx));
  std::erase_if(loans, [&command](const StoredLoan& stored) { return stored.loan.time_us() >= command.before_us(); });
  const std::size_t limit = std::min(command.limit(), kEndAtOnce);
  CommandResult result;
  result.set_more(loans.size() > limit);
  if (loans.size() > limit) loans.resize(limit);
  for (StoredLoan& stored : loans) TRY_OK(end(tx, step, std::move(stored)));
  return result;
}

}  // namespace

Result<CommandResult> lend_manifest(Transaction& tx, const Step& step, LendManifest& command) {
  std::string row = keys::loan(command.loan());
  TRY(const bool lent, tx.exists(Table::other, row));
  if (lent) return CommandResult();
  TRY(const bool there, tx.exists(Table::manifests, keys::manifest(command.manifest())));
  if (!there) return refuse(SOURCE_GONE);
  Loan loan;
  loan.set_manifest(command.manifest());
  loan.set_time_us(step.time_us);
  tx.write(Table::other, std::move(row), loan);
  TRY_OK(add_reference(tx, command.manifest()));
  return CommandResult();
}

Result<CommandResult> end_loan(Transaction& tx, const Step& step, EndLoan& command) {
  if (command.loan().empty()) return end_old_loans(tx, step, command);
  StoredLoan stored;
  stored.row = keys::loan(command.loan());
  TRY(const bool lent, tx.read(Table::other, stored.row, stored.loan));
  if (lent) TRY_OK(end(tx, step, std::move(stored)));
  return CommandResult();
}

Result<bool> is_lent(Transaction& tx, ManifestId id) {
  TRY(const auto loans, all_loans(tx));
  for (const StoredLoan& stored : loans) {
    if (stored.loan.manifest() == id) return true;
    Manifest manifest;
    TRY_OK(tx.read(Table::manifests, keys::manifest(stored.loan.manifest()), manifest));
    const auto& slices = manifest.slices();
    if (std::any_of(slices.begin(), slices.end(), [id](const Slice& slice) { return slice.manifest() == id; })) return true;
  }
  return false;
}

}  // namespace gabion::metadata::apply
