#include "metadata/transaction.h"

#include "metadata/mutation.h"

namespace gabion::metadata {
namespace {

constexpr std::uint64_t kVersion = 5;
constexpr std::size_t kNumbers = 13;
constexpr std::size_t kNumbersOfVersion[kVersion + 1] = {0, 8, 10, 11, 12, kNumbers};
constexpr std::size_t kNumbersOffset = 8 + 16;

std::shared_ptr<const GroupRange> range_of(const OwnRange& own) {
  return std::make_shared<const GroupRange>(GroupRange{own.group(), own.from(), own.to()});
}

}  // namespace

std::string encode_totals(const Totals& totals) {
  std::string row;
  const auto append = [&row](std::uint64_t value) { row.append(reinterpret_cast<const char*>(&value), sizeof value); };
  append(kVersion);
  row.append(totals.cluster.raw());
  for (const std::uint64_t value : {totals.index, totals.sequence, totals.buckets, totals.objects, totals.repairs, totals.doomed,
                                    totals.uploads, totals.completed, totals.remembered, totals.ring_epoch, totals.entry,
                                    totals.entry_end, totals.oldest_ring}) {
    append(value);
  }
  return row;
}

Result<Totals> decode_totals(std::string_view row) {
  if (row.size() < 8) return Error(Errc::corrupt, "the totals of the metadata state are damaged");
  const auto version = load_le<std::uint64_t>(row.data());
  if (version == 0 || version > kVersion) return Error(Errc::invalid, "the metadata state was written by a newer version");
  const std::size_t numbers = kNumbersOfVersion[version];
  if (row.size() != kNumbersOffset + numbers * 8) return Error(Errc::corrupt, "the totals of the metadata state are damaged");
  Totals totals;
  totals.cluster = *ClusterId::from_raw(row.substr(8, 16));
  std::uint64_t* const fields[kNumbers] = {&totals.index, &totals.sequence, &totals.buckets, &totals.objects,
                                           &totals.repairs, &totals.doomed, &totals.uploads, &totals.completed,
                                           &totals.remembered, &totals.ring_epoch, &totals.entry, &totals.entry_end,
                                           &totals.oldest_ring};
  for (std::size_t i = 0; i < numbers; ++i) *fields[i] = load_le<std::uint64_t>(row.data() + kNumbersOffset + i * 8);
  if (version < 4) totals.entry_end = totals.index;  // the best that can be told
  return totals;
}

Result<void> Transaction::load() {
  TRY(const bool found, store_.get(Table::other, keys::totals(), scratch_, ReadMode::wait));
  if (!found) return {};
  TRY(totals_, decode_totals(scratch_));
  OwnRange own;
  TRY(const bool divided, read(Table::other, keys::own_range(), own));
  if (divided) range_ = range_of(own);
  return {};
}

void Transaction::set_range(const OwnRange& own) {
  range_ = range_of(own);
  write(Table::other, keys::own_range(), own);
}

Result<void> Transaction::write_pending() {
  if (!pending_) return {};
  if (!mutated(Mutation::skip_applied_index)) {
    changes_[static_cast<std::size_t>(Table::other)].insert_or_assign(keys::totals(), encode_totals(totals_));
  }
  TRY_OK(store_.write(changes_));
  for (TableChanges& table : changes_) table.clear();
  pending_ = false;
  return {};
}

Result<void> Transaction::finish() {
  pending_ = true;  // the index moves also when no command changed anything
  return write_pending();
}

Result<bool> Transaction::get(Table table, std::string_view key, std::string& value) {
  const TableChanges& changes = changes_[static_cast<std::size_t>(table)];
  if (const auto it = changes.find(key); it != changes.end()) {
    if (!it->second) return false;
    value = *it->second;
    return true;
  }
  return store_.get(table, key, value, ReadMode::wait);
}

void Transaction::put(Table table, std::string key, std::string value) {
  changes_[static_cast<std::size_t>(table)].insert_or_assign(std::move(key), std::move(value));
  pending_ = changed_ = true;
}

void Transaction::erase(Table table, std::string key) {
  changes_[static_cast<std::size_t>(table)].insert_or_assign(std::move(key), std::nullopt);
  pending_ = changed_ = true;
}

Result<std::unique_ptr<KvIterator>> Transaction::scan(Table table, std::string_view prefix) {
  return scan(table, prefix, keys::successor(prefix));
}

Result<std::unique_ptr<KvIterator>> Transaction::scan(Table table, std::string_view from, std::string upper_bound) {
  GABION_CHECK(!changed_, "a command scans after it has changed something");
  TRY_OK(write_pending());
  auto rows = store_.iterate(table, std::move(upper_bound));
  rows->seek(from);
  TRY_OK(rows->status());
  return rows;
}

}  // namespace gabion::metadata
