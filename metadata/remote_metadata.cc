#include "metadata/remote_metadata.h"

#include <fmt/format.h>

#include "metadata/rpc_values.h"

namespace gabion::metadata {

task<Result<Bytes>> RemoteMetadata::ask(Context ctx, rpc::Method method, std::string header) {
  if (header.size() > rpc::kHeaderMax) co_return Error(Errc::too_large, "a metadata command is too large to be sent");
  auto got = co_await channel_.call(ctx, method, std::move(header), {});
  if (!got) co_return got.error();
  AnswerStatus status;
  if (!status.ParseFromString(got->header)) {
    co_return Error(Errc::corrupt, fmt::format("node {} gave an answer that cannot be decoded", to_string(node_)));
  }
  if (status.error() == 0) co_return std::move(got->payload);
  const bool known = status.error() <= static_cast<std::uint32_t>(Errc::moved);
  const Errc code = known ? static_cast<Errc>(status.error()) : Errc::internal;
  if (code == Errc::not_leader) leader_.store(status.leader());
  co_return Error(code, status.message());
}

template <class Value, class Message>
task<Result<Value>> RemoteMetadata::read(Context ctx, ReadRequest request) {
  request.set_group(group_);
  CO_TRY(const Bytes payload, co_await ask(ctx, rpc::Method::metadata_read, request.SerializeAsString()));
  Message message;
  if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    co_return Error(Errc::corrupt, fmt::format("node {} gave metadata that cannot be decoded", to_string(node_)));
  }
  co_return wire::decode(std::move(message));
}

task<Result<CommandResult>> RemoteMetadata::commit(Context ctx, Command command) {
  command.set_group(group_);
  CO_TRY(const Bytes payload, co_await ask(ctx, rpc::Method::metadata_commit, command.SerializeAsString()));
  CommandResult result;
  if (!result.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    co_return Error(Errc::unknown_outcome, fmt::format("node {} gave a result that cannot be decoded", to_string(node_)));
  }
  co_return result;
}

task<Result<Bucket>> RemoteMetadata::bucket(Context ctx, std::string name) {
  ReadRequest request;
  request.set_bucket(std::move(name));
  return read<Bucket, Bucket>(ctx, std::move(request));
}

task<Result<std::vector<Bucket>>> RemoteMetadata::buckets(Context ctx) {
  ReadRequest request;
  request.set_buckets(true);
  return read<std::vector<Bucket>, BucketList>(ctx, std::move(request));
}

task<Result<Object>> RemoteMetadata::object(Context ctx, BucketId bucket, std::string key, With with) {
  ReadRequest request;
  request.mutable_object()->set_bucket(bucket);
  request.mutable_object()->set_key(std::move(key));
  request.mutable_object()->set_with_manifest(with == With::manifest);
  return read<Object, ObjectAnswer>(ctx, std::move(request));
}

task<Result<Manifest>> RemoteMetadata::manifest(Context ctx, GroupId, ManifestId id) {
  ReadRequest request;
  request.set_manifest(id);
  return read<Manifest, Manifest>(ctx, std::move(request));
}

task<Result<ObjectPage>> RemoteMetadata::list_objects(Context ctx, ListRequest list) {
  ReadRequest request;
  ReadRequest::OfObjects& objects = *request.mutable_objects();
  objects.set_bucket(list.bucket);
  objects.set_prefix(std::move(list.prefix));
  objects.set_delimiter(std::move(list.delimiter));
  objects.set_after(std::move(list.after));
  objects.set_limit(list.limit);
  objects.set_range_from(std::move(list.range_from));
  objects.set_range_to(std::move(list.range_to));
  return read<ObjectPage, ObjectList>(ctx, std::move(request));
}

task<Result<UploadPage>> RemoteMetadata::list_uploads(Context ctx, ListUploadsRequest list) {
  ReadRequest request;
  ReadRequest::OfUploads& uploads = *request.mutable_uploads();
  uploads.set_bucket(list.bucket);
  uploads.set_prefix(std::move(list.prefix));
  uploads.set_delimiter(std::move(list.delimiter));
  uploads.set_key_marker(std::move(list.key_marker));
  uploads.set_upload_id_marker(std::move(list.upload_id_marker));
  uploads.set_limit(list.limit);
  uploads.set_range_from(std::move(list.range_from));
  uploads.set_range_to(std::move(list.range_to));
  return read<UploadPage, UploadList>(ctx, std::move(request));
}

task<Result<PartPage>> RemoteMetadata::list_parts(Context ctx, BucketId bucket, std::string key, std::string upload_id,
                                                  std::uint32_t after, std::size_t limit) {
  ReadRequest request;
  ReadRequest::OfParts& parts = *request.mutable_parts();
  parts.set_bucket(bucket);
  parts.set_key(std::move(key));
  parts.set_upload_id(std::move(upload_id));
  parts.set_after(after);
  parts.set_limit(limit);
  return read<PartPage, PartList>(ctx, std::move(request));
}

task<Result<std::vector<GroupId>>> RemoteMetadata::groups(Context) { co_return std::vector<GroupId>{group_}; }

task<Result<std::vector<JournalEntry>>> RemoteMetadata::journal(Context ctx, GroupId, BucketId bucket,
                                                                std::uint64_t after, std::size_t limit) {
  ReadRequest request;
  request.mutable_journal()->set_bucket(bucket);
  request.mutable_journal()->set_after(after);
  request.mutable_journal()->set_limit(limit);
  return read<std::vector<JournalEntry>, JournalList>(ctx, std::move(request));
}

task<Result<std::vector<RepairIntent>>> RemoteMetadata::repairs(Context ctx, GroupId, std::string after_block,
                                                                std::size_t limit) {
  ReadRequest request;
  request.mutable_repairs()->set_after_block(std::move(after_block));
  request.mutable_repairs()->set_limit(limit);
  return read<std::vector<RepairIntent>, RepairList>(ctx, std::move(request));
}

task<Result<std::vector<Doomed>>> RemoteMetadata::doomed(Context ctx, GroupId, ManifestId after, std::size_t limit) {
  ReadRequest request;
  request.mutable_doomed()->set_after(after);
  request.mutable_doomed()->set_limit(limit);
  return read<std::vector<Doomed>, DoomedList>(ctx, std::move(request));
}

task<Result<std::vector<Metadata::ListedManifest>>> RemoteMetadata::manifests(Context ctx, GroupId, ManifestId after,
                                                                              std::size_t limit) {
  ReadRequest request;
  request.mutable_manifests()->set_after(after);
  request.mutable_manifests()->set_limit(limit);
  return read<std::vector<ListedManifest>, ManifestList>(ctx, std::move(request));
}

task<Result<std::vector<ManifestId>>> RemoteMetadata::live_manifests(Context ctx, GroupId, std::vector<ManifestId> ids) {
  ReadRequest request;
  request.mutable_live()->mutable_ids()->Add(ids.begin(), ids.end());
  return read<std::vector<ManifestId>, IdList>(ctx, std::move(request));
}

task<Result<Metadata::VersionedClusterState>> RemoteMetadata::cluster_state(Context ctx) {
  ReadRequest request;
  request.set_cluster_state(true);
  return read<VersionedClusterState, ClusterStateAnswer>(ctx, std::move(request));
}

task<Result<Statistics>> RemoteMetadata::statistics(Context ctx) {
  ReadRequest request;
  request.set_statistics(true);
  return read<Statistics, StatisticsAnswer>(ctx, std::move(request));
}

}  // namespace gabion::metadata
