// Metadata is what the gateway sees of the metadata service: commit() for every change, linearizable reads for the rest.
// LocalMetadata implements it over a group in this process; a remote one will speak RPC. One contract test covers both.
// Thread-safe: call from any executor; a call resumes on the caller's.
//
// A change is a Command (records.proto). It is durable on a majority (here: on every log drive that works, and at least
// parity+1 of them when there are that many) before commit() returns, and it is decided in the order of the log.
// Errc::unknown_outcome means it may have happened.
//
// The keys are divided among groups by the range table (cluster/ranges.h). RoutedMetadata finds the group by itself where there
// is a key; what goes through all of something is asked group by group. A group that is asked for a key that another one has
// answers Errc::moved. After a split two groups have the same manifests, until each has removed what it does not own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/context.h"
#include "common/result.h"
#include "metadata/records.pb.h"

namespace gabion::metadata {

using BucketId = std::uint64_t;
// Group 0 has the cluster's state and the directory of buckets; and keys like any other, as far as they were not split off.
using GroupId = std::uint32_t;
inline constexpr GroupId kRootGroup = 0;
// The group that made it, and the index of the command: the same in every group that shares it.
using ManifestId = std::uint64_t;
inline constexpr unsigned kManifestIndexBits = 44;
constexpr ManifestId manifest_id(GroupId group, std::uint64_t index) {
  return static_cast<ManifestId>(group) << kManifestIndexBits | index;
}

struct Object {
  Version version;
  GroupId group = kRootGroup;  // that has it, and so the manifests that its slices refer to
  Manifest manifest;  // empty when the caller did not ask for it or the object has no bytes
};

// One key of a listing: what ListObjects shows. Compact, as a page holds a thousand.
struct ListedObject {
  std::string key;
  std::uint64_t size = 0;
  WallMicros modified = 0;
  std::string etag;  // 16 raw bytes
  std::uint32_t etag_parts = 0;
  std::string storage_class;
  ChecksumAlgorithm checksum_algorithm = CHECKSUM_NONE;
  bool checksum_composite = false;
  std::string owner;
};

struct ListRequest {
  BucketId bucket = 0;
  std::string prefix;
  std::string delimiter;        // empty: none
  std::string after;            // keys greater than this. A common prefix here skips all keys under it.
  std::size_t limit = 1000;     // keys and common prefixes together
  // The range that is asked for, of a group that must have it all; empty: everything. Row keys as in RangeInfo.
  std::string range_from;
  std::string range_to;
};

struct ObjectPage {
  std::vector<ListedObject> objects;         // ascending by bytes
  std::vector<std::string> common_prefixes;  // ascending by bytes
  bool truncated = false;
  std::string last;  // the key or common prefix to pass as `after` for the next page; set when anything was listed
};

struct ListUploadsRequest {
  BucketId bucket = 0;
  std::string prefix;
  std::string delimiter;
  std::string key_marker;
  std::string upload_id_marker;  // only with key_marker
  std::size_t limit = 1000;
  std::string range_from;  // as in ListRequest
  std::string range_to;
};

struct UploadPage {
  std::vector<Upload> uploads;  // by key, then by time of initiation
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string next_key_marker;
  std::string next_upload_id_marker;
};

struct PartPage {
  Upload upload;
  std::vector<Part> parts;  // ascending by number
  bool truncated = false;
};

struct Statistics {
  std::uint64_t buckets = 0;
  std::uint64_t objects = 0;  // an estimate
  std::uint64_t repairs_pending = 0;
  std::uint64_t doomed_pending = 0;
};

class Metadata {
 public:
  virtual ~Metadata() = default;

  // `time_us` of the command is filled in here from the clock when it is 0.
  virtual task<Result<CommandResult>> commit(Context ctx, Command command) = 0;

  // not_found for all that look one thing up.
  virtual task<Result<Bucket>> bucket(Context ctx, std::string name) = 0;
  virtual task<Result<std::vector<Bucket>>> buckets(Context ctx) = 0;  // by name
  enum class With { version, manifest };
  virtual task<Result<Object>> object(Context ctx, BucketId bucket, std::string key, With with) = 0;
  virtual task<Result<Manifest>> manifest(Context ctx, GroupId group, ManifestId id) = 0;
  virtual task<Result<ObjectPage>> list_objects(Context ctx, ListRequest request) = 0;
  virtual task<Result<UploadPage>> list_uploads(Context ctx, ListUploadsRequest request) = 0;
  virtual task<Result<PartPage>> list_parts(Context ctx, BucketId bucket, std::string key, std::string upload_id,
                                            std::uint32_t after, std::size_t limit) = 0;

  // The groups there are or may be, ascending, at a moment after the call began: whoever goes through all groups asks again at
  // the end, for those that came meanwhile.
  virtual task<Result<std::vector<GroupId>>> groups(Context ctx) = 0;
  // Entries of one bucket with a greater sequence number, oldest first, of keys that the group has. Sequence numbers are the
  // group's, so they have gaps; a group that was split off goes on from its parent's.
  virtual task<Result<std::vector<JournalEntry>>> journal(Context ctx, GroupId group, BucketId bucket, std::uint64_t after,
                                                          std::size_t limit) = 0;
  virtual task<Result<std::vector<RepairIntent>>> repairs(Context ctx, GroupId group, std::string after_block,
                                                          std::size_t limit) = 0;
  virtual task<Result<std::vector<Doomed>>> doomed(Context ctx, GroupId group, ManifestId after, std::size_t limit) = 0;
  // All manifests in order of id, for whole-drive repair and audits: pairs of id and manifest (without inline data).
  struct ListedManifest {
    ManifestId id = 0;
    Manifest manifest;
  };
  virtual task<Result<std::vector<ListedManifest>>> manifests(Context ctx, GroupId group, ManifestId after,
                                                              std::size_t limit) = 0;
  // Those of `ids`, of contents as doomed entries name them, that the group has, ascending: what is doomed in one group may be
  // live in another.
  virtual task<Result<std::vector<ManifestId>>> live_manifests(Context ctx, GroupId group, std::vector<ManifestId> ids) = 0;
  struct VersionedClusterState {
    ClusterState state;
    std::uint64_t version = 0;  // for SetClusterState.expected_version
  };
  virtual task<Result<VersionedClusterState>> cluster_state(Context ctx) = 0;
  virtual task<Result<Statistics>> statistics(Context ctx) = 0;  // of all groups together
};

}  // namespace gabion::metadata
