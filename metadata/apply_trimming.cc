// What a split leaves behind: the rows of keys that the group does not own any more, and in a group that was split off those that
// group 0 alone has. Each command looks at rows of one kind, in their order, and notes how far it came.
#include "metadata/apply.h"

namespace gabion::metadata::apply {
namespace {

constexpr std::uint32_t kTrimAtOnce = 10'000;

// In the order in which they go. Part of the format: Trimming has the number.
enum Kind : std::uint32_t { kObjects = 1, kUploads, kCompletions, kAccess, kDirectory, kNothing };

// Rows of one kind that are to go: at most so many, from where the command before stopped.
struct Leftovers {
  std::vector<std::string> rows;
  std::string next;  // where to go on; empty: nothing is left of this kind
};

std::string after(std::string_view row) { return std::string(row).append(1, '\0'); }

// Rows that are named by a prefix and a row key, where the group does not own that.
Result<Leftovers> find_not_owned(Transaction& tx, Table table, const std::string& prefix, const std::string& from,
                                 std::size_t limit) {
  const GroupRange& range = *tx.range();
  Leftovers found;
  TRY(const auto rows, tx.scan(table, std::max(from, prefix), keys::successor(prefix)));
  while (rows->valid()) {
    const std::string_view row = rows->key().substr(prefix.size());
    if (range.owns(row)) {
      if (range.to.empty()) break;
      rows->seek(prefix + range.to);
      continue;
    }
    if (found.rows.size() == limit) {
      found.next = rows->key();
      break;
    }
    found.rows.emplace_back(rows->key());
    rows->next();
  }
  TRY_OK(rows->status());
  return found;
}

// Rows for which `gone(key, value)` holds; all those that are looked at count.
template <class Gone>
Result<Leftovers> find_if(Transaction& tx, const std::string& prefix, const std::string& from, std::size_t limit, Gone gone) {
  Leftovers found;
  TRY(const auto rows, tx.scan(Table::other, std::max(from, prefix), keys::successor(prefix)));
  for (std::size_t seen = 0; rows->valid(); rows->next(), ++seen) {
    if (seen == limit) {
      found.next = rows->key();
      break;
    }
    if (gone(rows->key(), rows->value())) found.rows.emplace_back(rows->key());
  }
  TRY_OK(rows->status());
  return found;
}

// An object counts with its parts, as an upload does; one is always taken.
Result<std::string> trim_objects(Transaction& tx, const Step& step, const std::string& from, std::size_t limit) {
  TRY(auto found, find_not_owned(tx, Table::objects, {}, from, limit));
  std::size_t rows = 0;
  for (std::string& row : found.rows) {
    if (rows >= limit) return std::move(row);
    Version version;
    TRY_OK(tx.read(Table::objects, row, version));
    rows += 1 + version.etag_parts();
    tx.erase(Table::objects, std::move(row));
    --tx.totals().objects;
    if (version.manifest() != 0) TRY_OK(drop_reference(tx, step, version.manifest()));
  }
  return std::move(found.next);
}

Result<std::string> trim_uploads(Transaction& tx, const Step& step, const std::string& from, std::size_t limit) {
  TRY(auto found, find_not_owned(tx, Table::other, keys::all_uploads(), from, limit));
  std::vector<std::pair<BucketId, WholeUpload>> uploads;
  std::size_t rows = 0;
  for (const std::string& row : found.rows) {
    if (rows >= limit) {
      found.next = row;
      break;
    }
    std::string value;
    TRY_OK(tx.get(Table::other, row, value));
    TRY(auto stored, decode_upload(value));
    TRY(auto whole, load_parts(tx, std::move(stored)));
    rows += 1 + whole.parts.size();
    uploads.emplace_back(load_be64(row.data() + 1), std::move(whole));
  }
  for (const auto& [bucket, whole] : uploads) TRY_OK(discard_upload(tx, step, bucket, whole));
  return std::move(found.next);
}

// Their order is that of completion; its rows have the names of the others.
Result<std::string> trim_completions(Transaction& tx, const std::string& from, std::size_t limit) {
  const GroupRange& range = *tx.range();
  const auto elsewhere = [&range](std::string_view, std::string_view row) { return !range.owns(row.substr(1)); };
  TRY(auto found, find_if(tx, keys::all_completed(), from, limit, elsewhere));
  for (std::string& order : found.rows) {
    std::string row;
    TRY_OK(tx.get(Table::other, order, row));
    tx.erase(Table::other, std::move(row));
    tx.erase(Table::other, std::move(order));
    --tx.totals().completed;
  }
  return std::move(found.next);
}

Result<std::string> trim_access(Transaction& tx, const std::string& from, std::size_t limit) {
  const GroupRange& range = *tx.range();
  const auto untouched = [&range](std::string_view row, std::string_view) { return !range.touches(load_be64(row.data() + 1)); };
  TRY(auto found, find_if(tx, keys::all_access(), from, limit, untouched));
  for (std::string& row : found.rows) {
    tx.known_buckets().erase(load_be64(row.data() + 1));
    tx.erase(Table::other, std::move(row));
  }
  return std::move(found.next);
}

// Of the three kinds one after another, as their rows are ordered.
Result<std::string> trim_directory(Transaction& tx, const std::string& from, std::size_t limit) {
  if (tx.range()->group == kRootGroup) return std::string();
  const auto all = [](std::string_view, std::string_view) { return true; };
  for (const std::string& prefix : {keys::all_bucket_ids(), keys::all_buckets(), keys::cluster_state()}) {
    TRY(auto found, find_if(tx, prefix, from, limit, all));
    if (found.rows.empty()) continue;
    const std::string last = found.rows.back();
    for (std::string& row : found.rows) tx.erase(Table::other, std::move(row));
    return after(last);
  }
  return std::string();
}

Result<std::string> trim(Transaction& tx, const Step& step, const Trimming& at, std::size_t limit) {
  switch (at.kind()) {
    case kObjects: return trim_objects(tx, step, at.next(), limit);
    case kUploads: return trim_uploads(tx, step, at.next(), limit);
    case kCompletions: return trim_completions(tx, at.next(), limit);
    case kAccess: return trim_access(tx, at.next(), limit);
    case kDirectory: return trim_directory(tx, at.next(), limit);
    default: return Error(Errc::corrupt, "the record of what is left of a split is damaged");
  }
}

}  // namespace

void begin_trimming(Transaction& tx) {
  Trimming trimming;
  trimming.set_kind(kObjects);
  tx.write(Table::other, keys::trimming(), trimming);
}

Result<CommandResult> trim_range(Transaction& tx, const Step& step, TrimRange& command) {
  Trimming at;
  TRY(const bool due, tx.read(Table::other, keys::trimming(), at));
  if (!due) return CommandResult();
  TRY(auto next, trim(tx, step, at, std::clamp(command.limit(), 1u, kTrimAtOnce)));
  if (next.empty()) at.set_kind(at.kind() + 1);
  at.set_next(std::move(next));
  CommandResult result;
  result.set_more(at.kind() != kNothing);
  if (result.more()) tx.write(Table::other, keys::trimming(), at);
  else tx.erase(Table::other, keys::trimming());
  return result;
}

}  // namespace gabion::metadata::apply
