#include "metadata/rpc_values.h"

namespace gabion::metadata::wire {
namespace {

// The entries that fit into a page, one at least.
template <class Entries, class Add>
void add_while_they_fit(const Entries& entries, Add add) {
  std::size_t bytes = 0;
  for (const auto& entry : entries) {
    bytes += add(entry);
    if (bytes >= kPageBytesMax) return;
  }
}

template <class Message, class Repeated>
std::vector<Message> take(Repeated& repeated) {
  return {std::make_move_iterator(repeated.begin()), std::make_move_iterator(repeated.end())};
}

}  // namespace

Bucket encode(const Bucket& value) { return value; }
Manifest encode(const Manifest& value) { return value; }
CommandResult encode(const CommandResult& value) { return value; }
Bucket decode(Bucket message) { return message; }
Manifest decode(Manifest message) { return message; }
CommandResult decode(CommandResult message) { return message; }

BucketList encode(const std::vector<Bucket>& value) {
  BucketList message;
  for (const Bucket& bucket : value) *message.add_buckets() = bucket;
  return message;
}
std::vector<Bucket> decode(BucketList message) { return take<Bucket>(*message.mutable_buckets()); }

ObjectAnswer encode(const Object& value) {
  ObjectAnswer message;
  *message.mutable_version() = value.version;
  *message.mutable_manifest() = value.manifest;
  message.set_group(value.group);
  return message;
}
Object decode(ObjectAnswer message) {
  return {std::move(*message.mutable_version()), message.group(), std::move(*message.mutable_manifest())};
}

ObjectList encode(const ObjectPage& value) {
  ObjectList message;
  for (const ListedObject& object : value.objects) {
    ObjectList::Listed& listed = *message.add_objects();
    listed.set_key(object.key);
    listed.set_size(object.size);
    listed.set_modified(object.modified);
    listed.set_etag(object.etag);
    listed.set_etag_parts(object.etag_parts);
    listed.set_storage_class(object.storage_class);
    listed.set_checksum_algorithm(object.checksum_algorithm);
    listed.set_checksum_composite(object.checksum_composite);
    listed.set_owner(object.owner);
  }
  for (const std::string& prefix : value.common_prefixes) message.add_common_prefixes(prefix);
  message.set_truncated(value.truncated);
  message.set_last(value.last);
  return message;
}
ObjectPage decode(ObjectList message) {
  ObjectPage page;
  for (ObjectList::Listed& listed : *message.mutable_objects()) {
    ListedObject object;
    object.key = std::move(*listed.mutable_key());
    object.size = listed.size();
    object.modified = listed.modified();
    object.etag = std::move(*listed.mutable_etag());
    object.etag_parts = listed.etag_parts();
    object.storage_class = std::move(*listed.mutable_storage_class());
    object.checksum_algorithm = listed.checksum_algorithm();
    object.checksum_composite = listed.checksum_composite();
    object.owner = std::move(*listed.mutable_owner());
    page.objects.push_back(std::move(object));
  }
  page.common_prefixes = take<std::string>(*message.mutable_common_prefixes());
  page.truncated = message.truncated();
  page.last = message.last();
  return page;
}

UploadList encode(const UploadPage& value) {
  UploadList message;
  for (const Upload& upload : value.uploads) *message.add_uploads() = upload;
  for (const std::string& prefix : value.common_prefixes) message.add_common_prefixes(prefix);
  message.set_truncated(value.truncated);
  message.set_next_key_marker(value.next_key_marker);
  message.set_next_upload_id_marker(value.next_upload_id_marker);
  return message;
}
UploadPage decode(UploadList message) {
  UploadPage page;
  page.uploads = take<Upload>(*message.mutable_uploads());
  page.common_prefixes = take<std::string>(*message.mutable_common_prefixes());
  page.truncated = message.truncated();
  page.next_key_marker = message.next_key_marker();
  page.next_upload_id_marker = message.next_upload_id_marker();
  return page;
}

PartList encode(const PartPage& value) {
  PartList message;
  *message.mutable_upload() = value.upload;
  for (const Part& part : value.parts) *message.add_parts() = part;
  message.set_truncated(value.truncated);
  return message;
}
PartPage decode(PartList message) {
  PartPage page;
  page.upload = std::move(*message.mutable_upload());
  page.parts = take<Part>(*message.mutable_parts());
  page.truncated = message.truncated();
  return page;
}

JournalList encode(const std::vector<JournalEntry>& value) {
  JournalList message;
  add_while_they_fit(value, [&](const JournalEntry& entry) {
    *message.add_entries() = entry;
    return entry.ByteSizeLong();
  });
  return message;
}
std::vector<JournalEntry> decode(JournalList message) { return take<JournalEntry>(*message.mutable_entries()); }

RepairList encode(const std::vector<RepairIntent>& value) {
  RepairList message;
  add_while_they_fit(value, [&](const RepairIntent& intent) {
    *message.add_intents() = intent;
    return intent.ByteSizeLong();
  });
  return message;
}
std::vector<RepairIntent> decode(RepairList message) { return take<RepairIntent>(*message.mutable_intents()); }

DoomedList encode(const std::vector<Doomed>& value) {
  DoomedList message;
  add_while_they_fit(value, [&](const Doomed& entry) {
    *message.add_entries() = entry;
    return entry.ByteSizeLong();
  });
  return message;
}
std::vector<Doomed> decode(DoomedList message) { return take<Doomed>(*message.mutable_entries()); }

IdList encode(const std::vector<ManifestId>& value) {
  IdList message;
  message.mutable_ids()->Add(value.begin(), value.end());
  return message;
}
std::vector<ManifestId> decode(IdList message) { return {message.ids().begin(), message.ids().end()}; }

ManifestList encode(const std::vector<Metadata::ListedManifest>& value) {
  ManifestList message;
  add_while_they_fit(value, [&](const Metadata::ListedManifest& entry) {
    ManifestList::Listed& listed = *message.add_manifests();
    listed.set_id(entry.id);
    *listed.mutable_manifest() = entry.manifest;
    return listed.ByteSizeLong();
  });
  return message;
}
std::vector<Metadata::ListedManifest> decode(ManifestList message) {
  std::vector<Metadata::ListedManifest> value;
  for (ManifestList::Listed& listed : *message.mutable_manifests()) {
    value.push_back({listed.id(), std::move(*listed.mutable_manifest())});
  }
  return value;
}

ClusterStateAnswer encode(const Metadata::VersionedClusterState& value) {
  ClusterStateAnswer message;
  *message.mutable_state() = value.state;
  message.set_version(value.version);
  return message;
}
Metadata::VersionedClusterState decode(ClusterStateAnswer message) {
  return {std::move(*message.mutable_state()), message.version()};
}

StatisticsAnswer encode(const Statistics& value) {
  StatisticsAnswer message;
  message.set_buckets(value.buckets);
  message.set_objects(value.objects);
  message.set_repairs_pending(value.repairs_pending);
  message.set_doomed_pending(value.doomed_pending);
  return message;
}
Statistics decode(StatisticsAnswer message) {
  return {message.buckets(), message.objects(), message.repairs_pending(), message.doomed_pending()};
}

}  // namespace gabion::metadata::wire
