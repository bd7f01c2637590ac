// Copies whose source and destination are in different groups: the source is lent, which keeps it and its leaves where they are,
// the command that makes the copy brings along what it refers to, and then the loan ends.
#include <set>

#include "common/async.h"
#include "common/log.h"
#include "metadata/routed_asking.h"

namespace gabion::metadata {
namespace {

constexpr std::size_t kManifestsAtOnce = 64;

// The part of a manifest that is shared, as parts of its leaves.
std::vector<Slice> cut(const Manifest& manifest, const Slice& share) {
  std::vector<Slice> pieces;
  std::uint64_t begin = 0;  // of the slice
  for (const Slice& slice : manifest.slices()) {
    const std::uint64_t from = std::max(begin, share.offset());
    const std::uint64_t to = std::min(begin + slice.length(), share.offset() + share.length());
    if (from < to) {
      Slice& piece = pieces.emplace_back(slice);
      piece.set_offset(slice.offset() + (from - begin));
      piece.set_length(to - from);
      piece.set_group(share.group());
    }
    begin += slice.length();
  }
  return pieces;
}

template <class Slices>
std::vector<ManifestId> leaves_of(const Slices& slices) {
  std::set<ManifestId> leaves;
  for (const Slice& slice : slices) leaves.insert(slice.manifest());
  return {leaves.begin(), leaves.end()};
}

// The copy goes to the group that has its source, for certain.
bool has_alone(const std::vector<GroupId>& owners, const Slice& share) {
  return owners.size() == 1 && owners.front() == share.group();
}

}  // namespace

task<Result<CommandResult>> RoutedMetadata::commit_copy(Context ctx, Command command) {
  for (;;) {
    const Table& known = table();
    auto result = co_await commit_copy_by(ctx, known, command);
    // Another group has the destination than the one that was looked to, or took it over.
    const bool again = result && result->outcome() == SOURCE_GONE && &table() != &known;
    if (!again) co_return result;
  }
}

task<Result<CommandResult>> RoutedMetadata::commit_copy_by(Context ctx, const Table& known, Command command) {
  std::vector<Loan> loans;
  // From before anything is borrowed: a group refuses what comes when the loans may be over (loans.h).
  if (command.time_us() == 0) command.set_time_us(options_.clock->wall());
  const auto borrowed = co_await borrow_sources(ctx, known, command, loans);
  Result<CommandResult> result = CommandResult();
  if (!borrowed) result = borrowed.error();
  else if (*borrowed != APPLIED) result->set_outcome(*borrowed);
  else result = co_await commit_by_key(ctx, std::move(command));
  // It may be applied later, and needs what was lent until then: the collector ends what nobody ended.
  const bool decided = result || result.error().code != Errc::unknown_outcome;
  if (decided) co_await give_back(ctx, std::move(loans));
  co_return result;
}

task<Result<Outcome>> RoutedMetadata::borrow_sources(Context ctx, const Table& known, Command& command,
                                                     std::vector<Loan>& loans) {
  const bool whole = command.has_put_object();
  const auto& owners = whole ? known.find(command.put_object().bucket(), command.put_object().key()).owners
                             : known.find(command.put_part().bucket(), command.put_part().key()).owners;
  if (!whole) co_return co_await borrow_parts(ctx, owners, *command.mutable_put_part(), loans);
  PutObject& put = *command.mutable_put_object();
  if (has_alone(owners, put.share())) co_return APPLIED;
  CO_TRY(auto lent, co_await borrow(ctx, put.share(), loans));
  if (!lent) co_return SOURCE_GONE;
  CO_CHECK(co_await adopt(ctx, put.share().group(), leaves_of(lent->slices()), *put.mutable_adopted()));
  AdoptedManifest& adopted = *put.add_adopted();
  adopted.set_id(put.share().manifest());
  *adopted.mutable_manifest() = *std::move(lent);
  co_return APPLIED;
}

task<Result<Outcome>> RoutedMetadata::borrow_parts(Context ctx, const std::vector<GroupId>& owners, PutPart& put,
                                                   std::vector<Loan>& loans) {
  Slices shares;
  shares.Swap(put.mutable_shares());
  for (Slice& share : shares) {
    std::vector<Slice> pieces(1, share);
    if (!has_alone(owners, share)) {
      CO_TRY(const auto lent, co_await borrow(ctx, share, loans));
      if (!lent || share.offset() + share.length() > lent->size()) co_return SOURCE_GONE;
      // A large object is made of very many leaves: those that are not copied stay.
      if (lent->slices_size() != 0) pieces = cut(*lent, share);
      CO_CHECK(co_await adopt(ctx, share.group(), leaves_of(pieces), *put.mutable_adopted()));
    }
    for (Slice& piece : pieces) *put.add_shares() = std::move(piece);
  }
  co_return APPLIED;
}

task<Result<std::optional<Manifest>>> RoutedMetadata::borrow(Context ctx, const Slice& share, std::vector<Loan>& loans) {
  Loan loan{share.group(), std::string(16, '\0')};
  options_.rng->fill(std::as_writable_bytes(std::span(loan.id)));
  Command lend;
  lend.set_group(loan.group);
  lend.mutable_lend_manifest()->set_manifest(share.manifest());
  lend.mutable_lend_manifest()->set_loan(loan.id);
  loans.push_back(std::move(loan));
  CO_TRY(const auto lent, co_await commit(ctx, std::move(lend)));
  if (lent.outcome() != APPLIED) co_return std::optional<Manifest>();
  CO_TRY(auto found, co_await manifest(ctx, share.group(), share.manifest()));
  co_return std::optional(std::move(found));
}

task<Result<void>> RoutedMetadata::adopt(Context ctx, GroupId from, std::vector<ManifestId> ids, Adopted& adopted) {
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
    end.set_group(loan.group);
    end.mutable_end_loan()->set_loan(loan.id);
    const auto ended = co_await commit(ctx, std::move(end));
    if (!ended) LOG(info, "metadata", "a loan is left to be ended later", field("error", ended.error().message));
  }
}

}  // namespace gabion::metadata
