// Copies whose source and destination are in different groups: the source is lent, which keeps it and its leaves where they are,
// the command that makes the copy brings along what it refers to, and then the loan ends.
#include <set>

#include "common/async.h"
#include "common/log.h"
#include "metadata/routed_asking.h"

namespace gabion::metadata {
namespace {

constexpr std::size_t kManifestsAtOnce = 64;

}  // namespace

task<Result<CommandResult>> RoutedMetadata::commit_copy(Context ctx, Command command) {
  std::vector<Loan> loans;
  CO_TRY(const Outcome borrowed, co_await borrow_sources(ctx, command, loans));
  Result<CommandResult> result = CommandResult();
  if (borrowed == APPLIED) result = co_await commit_by_key(ctx, std::move(command));
  else result->set_outcome(borrowed);
  // It may be applied later, and needs what was lent until then: the collector ends what nobody ended.
  const bool known = result || result.error().code != Errc::unknown_outcome;
  if (known) co_await give_back(ctx, std::move(loans));
  co_return result;
}

task<Result<Outcome>> RoutedMetadata::borrow_sources(Context ctx, Command& command, std::vector<Loan>& loans) {
  if (command.has_put_object()) {
    PutObject& put = *command.mutable_put_object();
    if (table().find(put.bucket(), put.key()).owners.front() == put.share().group()) co_return APPLIED;
    co_return co_await borrow(ctx, put.share(), loans, *put.mutable_adopted());
  }
  PutPart& put = *command.mutable_put_part();
  const GroupId to = table().find(put.bucket(), put.key()).owners.front();
  for (const Slice& share : put.shares()) {
    if (share.group() == to) continue;
    CO_TRY(const Outcome borrowed, co_await borrow(ctx, share, loans, *put.mutable_adopted()));
    if (borrowed != APPLIED) co_return borrowed;
  }
  co_return APPLIED;
}

task<Result<Outcome>> RoutedMetadata::borrow(Context ctx, const Slice& share, std::vector<Loan>& loans, Adopted& adopted) {
  Loan loan{share.group(), std::string(16, '\0')};
  options_.rng->fill(std::as_writable_bytes(std::span(loan.id)));
  Command lend;
  lend.mutable_lend_manifest()->set_manifest(share.manifest());
  lend.mutable_lend_manifest()->set_loan(loan.id);
  const auto lent = co_await group(loan.group).commit(ctx, std::move(lend));
  if (!lent) co_return lent.error();
  if (lent->outcome() != APPLIED) co_return lent->outcome();
  loans.push_back(std::move(loan));
  auto fetched = co_await fetch(ctx, share.group(), std::vector<ManifestId>(1, share.manifest()), adopted);
  std::set<ManifestId> leaves;
  if (fetched) {
    for (const Slice& slice : adopted.rbegin()->manifest().slices()) leaves.insert(slice.manifest());
    fetched = co_await fetch(ctx, share.group(), {leaves.begin(), leaves.end()}, adopted);
  }
  if (fetched) co_return APPLIED;
  co_await give_back(ctx, std::exchange(loans, {}));
  co_return fetched.error();
}

task<Result<void>> RoutedMetadata::fetch(Context ctx, GroupId from, std::vector<ManifestId> ids, Adopted& adopted) {
  for (std::size_t first = 0; first < ids.size(); first += kManifestsAtOnce) {
    const std::size_t end = std::min(first + kManifestsAtOnce, ids.size());
    std::vector<task<Result<Manifest>>> reads;
    for (std::size_t i = first; i < end; ++i) reads.push_back(manifest(ctx, from, ids[i]));
    auto found = co_await gather(std::move(reads));
    for (std::size_t i = first; i < end; ++i) {
      Result<Manifest>& one = found[i - first];
      if (!one) co_return one.error();
      AdoptedManifest& next = *adopted.Add();
      next.set_id(ids[i]);
      *next.mutable_manifest() = *std::move(one);
    }
  }
  co_return Result<void>();
}

task<void> RoutedMetadata::give_back(Context ctx, std::vector<Loan> loans) {
  for (const Loan& loan : loans) {
    Command end;
    end.mutable_end_loan()->set_loan(loan.id);
    const auto ended = co_await group(loan.group).commit(ctx, std::move(end));
    if (!ended) LOG(info, "metadata", "a loan is left to be ended later", field("error", ended.error().message));
  }
}

}  // namespace gabion::metadata
