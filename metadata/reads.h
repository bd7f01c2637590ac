// What is read from the state: pure functions of a state. All names and results are those of metadata.h. Errors: not_found
// for what does not exist, would_block when `mode` is cached_only and the answer is not in memory, corrupt for damage, moved for
// keys that are not in the group's range, and, in other groups than 0, for what group 0 alone has.
#pragma once

#include "metadata/group_range.h"
#include "metadata/kv_store.h"
#include "metadata/metadata.h"

namespace gabion::metadata::reads {

// What is read from: a store, and what the group owned in it at the same time or before.
struct State {
  const KvStore& store;
  const GroupRange& range;
};

Result<Bucket> bucket(const State& state, std::string_view name, ReadMode mode);
Result<std::vector<Bucket>> buckets(const State& state);
Result<Object> object(const State& state, BucketId bucket, std::string_view key, Metadata::With with, ReadMode mode);
Result<Manifest> manifest(const KvStore& store, ManifestId id, ReadMode mode);
Result<ObjectPage> list_objects(const State& state, const ListRequest& request);
Result<UploadPage> list_uploads(const State& state, const ListUploadsRequest& request);
Result<PartPage> list_parts(const State& state, BucketId bucket, std::string_view key, std::string_view upload_id,
                            std::uint32_t after, std::size_t limit);
Result<std::vector<JournalEntry>> journal(const State& state, BucketId bucket, std::uint64_t after, std::size_t limit);
Result<std::vector<RepairIntent>> repairs(const KvStore& store, std::string_view after_block, std::size_t limit);
Result<std::vector<Doomed>> doomed(const KvStore& store, ManifestId after, std::size_t limit);
Result<std::vector<Metadata::ListedManifest>> manifests(const KvStore& store, ManifestId after, std::size_t limit);
Result<std::vector<ManifestId>> live_manifests(const KvStore& store, std::vector<ManifestId> ids);
Result<Metadata::VersionedClusterState> cluster_state(const State& state, ReadMode mode);
Result<Statistics> statistics(const KvStore& store, ReadMode mode);

// Whether a version row is a delete marker, and what a listing shows of it, read without decoding the rest.
Result<bool> decode_listed(std::string_view row, ListedObject& out);

}  // namespace gabion::metadata::reads
