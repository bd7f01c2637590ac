#include "metadata/reads.h"

#include <algorithm>

#include "metadata/apply.h"

namespace gabion::metadata::reads {
namespace {

constexpr int kRereads = 16;

Error damaged() { return {Errc::corrupt, "a record of the metadata state is damaged"}; }

Result<void> check_owned(const GroupRange& range, BucketId bucket, std::string_view key) {
  if (!range.owns(bucket, key)) return Error(Errc::moved, fmt::format("group {} does not have this key", range.group));
  return {};
}

// What other groups have of it is what group 0 had when they were split off.
Result<void> check_root(const GroupRange& range) {
  if (range.group != kRootGroup) return Error(Errc::moved, "group 0 alone has the buckets and the cluster's state");
  return {};
}

template <class Message>
Result<void> decode(std::string_view bytes, Message& message) {
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return damaged();
  return {};
}

template <class Message>
Result<bool> find(const KvStore& store, Table table, std::string_view key, ReadMode mode, Message& message) {
  thread_local std::string row;
  TRY(const bool found, store.get(table, key, row, mode));
  if (found) TRY_OK(decode(row, message));
  return found;
}

// The records from `from` up to the end of `prefix`.
template <class Message>
Result<std::vector<Message>> collect(const KvStore& store, Table table, std::string_view prefix, std::string_view from,
                                     std::size_t limit) {
  std::vector<Message> out;
  const auto rows = store.iterate(table, keys::successor(prefix));
  for (rows->seek(from); rows->valid() && out.size() < limit; rows->next()) {
    TRY_OK(decode(rows->value(), out.emplace_back()));
  }
  TRY_OK(rows->status());
  return out;
}

}  // namespace

Result<Bucket> bucket(const State& state, std::string_view name, ReadMode mode) {
  TRY_OK(check_root(state.range));
  Bucket out;
  TRY(const bool found, find(state.store, Table::other, keys::bucket_by_name(name), mode, out));
  if (!found) return Error(Errc::not_found, "no such bucket");
  return out;
}

Result<std::vector<Bucket>> buckets(const State& state) {
  TRY_OK(check_root(state.range));
  const std::string prefix = keys::all_buckets();
  return collect<Bucket>(state.store, Table::other, prefix, prefix, SIZE_MAX);
}

Result<Manifest> manifest(const KvStore& store, ManifestId id, ReadMode mode) {
  Manifest out;
  TRY(const bool found, find(store, Table::manifests, keys::manifest(id), mode, out));
  if (!found) return Error(Errc::not_found, "no such manifest");
  return out;
}

Result<Object> object(const State& state, BucketId bucket, std::string_view key, Metadata::With with, ReadMode mode) {
  TRY_OK(check_owned(state.range, bucket, key));
  const std::string row = keys::object_row(bucket, key);
  std::uint64_t seen = 0;
  for (int i = 0; i < kRereads; ++i) {
    Object out;
    out.group = state.range.group;
    TRY(const bool found, find(state.store, Table::objects, row, mode, out.version));
    if (!found || out.version.delete_marker()) return Error(Errc::not_found, "no such key");
    if (with == Metadata::With::version || out.version.manifest() == 0) return out;
    TRY(const bool complete, find(state.store, Table::manifests, keys::manifest(out.version.manifest()), mode, out.manifest));
    if (complete) return out;
    // Between the two reads the version may have been replaced, and then its manifest is gone.
    if (out.version.sequence() == seen) return Error(Errc::corrupt, "an object refers to a manifest that does not exist");
    seen = out.version.sequence();
  }
  return Error(Errc::unavailable, "the object changes faster than it can be read");
}

Result<PartPage> list_parts(const State& state, BucketId bucket, std::string_view key, std::string_view upload_id,
                            std::uint32_t after, std::size_t limit) {
  TRY_OK(check_owned(state.range, bucket, key));
  std::string row;
  TRY(const bool found, state.store.get(Table::other, keys::upload(bucket, key, upload_id), row, ReadMode::wait));
  if (!found) return Error(Errc::not_found, "no such upload");
  TRY(auto stored, apply::decode_upload(row));
  PartPage page;
  if (after == UINT32_MAX) limit = 0;
  else {
    TRY(page.parts, collect<Part>(state.store, Table::other, keys::parts(stored.number),
                                  keys::part(stored.number, after + 1), limit + 1));
  }
  page.truncated = limit != 0 && page.parts.size() > limit;
  if (page.parts.size() > limit) page.parts.resize(limit);
  page.upload = std::move(stored.upload);
  return page;
}

// Entries of keys that went to another group, or came from one, stay until they are trimmed: that group has them too.
Result<std::vector<JournalEntry>> journal(const State& state, BucketId bucket, std::uint64_t after, std::size_t limit) {
  std::vector<JournalEntry> out;
  if (after == UINT64_MAX) return out;
  const auto rows = state.store.iterate(Table::journal, keys::successor(keys::rows_from(bucket, {})));
  for (rows->seek(keys::journal(bucket, after + 1)); rows->valid() && out.size() < limit; rows->next()) {
    TRY_OK(decode(rows->value(), out.emplace_back()));
    if (!state.range.owns(bucket, out.back().key())) out.pop_back();
  }
  TRY_OK(rows->status());
  return out;
}

Result<std::vector<RepairIntent>> repairs(const KvStore& store, std::string_view after_block, std::size_t limit) {
  std::string from = keys::repair(after_block);
  if (!after_block.empty()) from.push_back('\0');
  return collect<RepairIntent>(store, Table::other, keys::all_repairs(), from, limit);
}

Result<std::vector<Doomed>> doomed(const KvStore& store, ManifestId after, std::size_t limit) {
  if (after == UINT64_MAX) return std::vector<Doomed>();
  return collect<Doomed>(store, Table::other, keys::all_doomed(), keys::doomed(after + 1), limit);
}

Result<std::vector<Metadata::ListedManifest>> manifests(const KvStore& store, ManifestId after, std::size_t limit) {
  std::vector<Metadata::ListedManifest> out;
  if (after == UINT64_MAX) return out;
  const auto rows = store.iterate(Table::manifests, {});
  for (rows->seek(keys::manifest(after + 1)); rows->valid() && out.size() < limit; rows->next()) {
    if (rows->key().size() != 8) return damaged();
    Metadata::ListedManifest& listed = out.emplace_back();
    listed.id = load_be64(rows->key().data());
    TRY_OK(decode(rows->value(), listed.manifest));
    listed.manifest.clear_inline_data();
  }
  TRY_OK(rows->status());
  return out;
}

Result<std::vector<ManifestId>> live_manifests(const KvStore& store, std::vector<ManifestId> ids) {
  std::sort(ids.begin(), ids.end());
  std::vector<ManifestId> out;
  std::string row;
  for (const ManifestId id : ids) {
    TRY(bool found, store.get(Table::manifests, keys::manifest(id), row, ReadMode::wait));
    Manifest manifest;
    if (found) TRY_OK(decode(row, manifest));
    if (!found || manifest.contents() != 0) {
      TRY(found, store.get(Table::other, keys::contents(id), row, ReadMode::wait));
    }
    if (found) out.push_back(id);
  }
  return out;
}

Result<Metadata::VersionedClusterState> cluster_state(const State& state, ReadMode mode) {
  TRY_OK(check_root(state.range));
  std::string row;
  TRY(const bool found, state.store.get(Table::other, keys::cluster_state(), row, mode));
  if (!found) return Error(Errc::not_found, "no cluster state was set yet");
  if (row.size() < 8) return damaged();
  Metadata::VersionedClusterState out;
  out.version = load_le<std::uint64_t>(row.data());
  TRY_OK(decode(std::string_view(row).substr(8), out.state));
  return out;
}

Result<Statistics> statistics(const KvStore& store, ReadMode mode) {
  std::string row;
  TRY(const bool found, store.get(Table::other, keys::totals(), row, mode));
  Statistics out;
  if (!found) return out;
  TRY(const Totals totals, decode_totals(row));
  out.buckets = totals.buckets;
  out.objects = totals.objects;
  out.repairs_pending = totals.repairs;
  out.doomed_pending = totals.doomed;
  return out;
}

}  // namespace gabion::metadata::reads
