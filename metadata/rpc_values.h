// The values of Metadata's reads as messages of rpc.proto, and back. Pure; a message may be anybody's.
#pragma once

#include "common/bytes.h"
#include "metadata/metadata.h"
#include "metadata/rpc.pb.h"

namespace gabion::metadata::wire {

// Pages without an end marker of their own are cut to about this many bytes; who asks goes on from the last entry.
inline constexpr std::size_t kPageBytesMax = 8 * MiB;
inline constexpr std::uint64_t kLimitMax = 10'000;

Bucket encode(const Bucket& value);
BucketList encode(const std::vector<Bucket>& value);
ObjectAnswer encode(const Object& value);
Manifest encode(const Manifest& value);
ObjectList encode(const ObjectPage& value);
UploadList encode(const UploadPage& value);
PartList encode(const PartPage& value);
JournalList encode(const std::vector<JournalEntry>& value);
RepairList encode(const std::vector<RepairIntent>& value);
DoomedList encode(const std::vector<Doomed>& value);
IdList encode(const std::vector<ManifestId>& value);
ManifestList encode(const std::vector<Metadata::ListedManifest>& value);
ClusterStateAnswer encode(const Metadata::VersionedClusterState& value);
StatisticsAnswer encode(const Statistics& value);
CommandResult encode(const CommandResult& value);

Bucket decode(Bucket message);
std::vector<Bucket> decode(BucketList message);
Object decode(ObjectAnswer message);
Manifest decode(Manifest message);
ObjectPage decode(ObjectList message);
UploadPage decode(UploadList message);
PartPage decode(PartList message);
std::vector<JournalEntry> decode(JournalList message);
std::vector<RepairIntent> decode(RepairList message);
std::vector<Doomed> decode(DoomedList message);
std::vector<ManifestId> decode(IdList message);
std::vector<Metadata::ListedManifest> decode(ManifestList message);
Metadata::VersionedClusterState decode(ClusterStateAnswer message);
Statistics decode(StatisticsAnswer message);
CommandResult decode(CommandResult message);

}  // namespace gabion::metadata::wire
