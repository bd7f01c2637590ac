#include "metadata/metadata_service.h"

#include <algorithm>

#include "metadata/rpc_values.h"

namespace gabion::metadata {
namespace {

template <class Value>
task<Result<std::string>> encoded(task<Result<Value>> work) {
  CO_TRY(const Value value, co_await std::move(work));
  co_return wire::encode(value).SerializeAsString();
}

std::size_t limited(std::uint64_t limit) { return static_cast<std::size_t>(std::min(limit, wire::kLimitMax)); }

}  // namespace

task<Result<rpc::Reply>> MetadataService::handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header,
                                                 Bytes payload) {
  if (peer.node == NodeId{}) co_return Error(Errc::denied, "only nodes of the cluster may use its metadata");
  Result<std::string> value = Error(Errc::invalid, "a question to the metadata cannot be decoded");
  GroupId group = kRootGroup;
  const Error nobody(Errc::not_leader, "this node has no member of that group of the metadata");
  if (method == rpc::Method::metadata_commit) {
    Command command;
    if (command.ParseFromString(header)) {
      group = command.group();
      Metadata* const member = find_(group);
      if (member != nullptr) value = co_await encoded(member->commit(ctx, std::move(command)));
      else value = nobody;
    }
  } else if (method == rpc::Method::metadata_read) {
    ReadRequest request;
    if (request.ParseFromString(header)) {
      group = request.group();
      Metadata* const member = find_(group);
      if (member != nullptr) value = co_await read(ctx, *member, std::move(request));
      else value = nobody;
    }
  }
  if (value && value->size() > rpc::kPayloadMax) {
    value = Error(Errc::too_large, "the answer of the metadata is too large to be sent");
  }
  AnswerStatus status;
  if (value) co_return rpc::Reply{status.SerializeAsString(), Bytes::copy_of(*value)};
  status.set_error(static_cast<std::uint32_t>(value.error().code));
  status.set_message(value.error().message);
  if (value.error().code == Errc::not_leader) status.set_leader(static_cast<std::uint32_t>(leader_(group)));
  co_return rpc::Reply{status.SerializeAsString(), Bytes()};
}

task<Result<std::string>> MetadataService::read(Context ctx, Metadata& member, ReadRequest request) {
  switch (request.what_case()) {
    case ReadRequest::kBucket: co_return co_await encoded(member.bucket(ctx, request.bucket()));
    case ReadRequest::kBuckets: co_return co_await encoded(member.buckets(ctx));
    case ReadRequest::kObject: {
      const auto& of = request.object();
      const auto with = of.with_manifest() ? Metadata::With::manifest : Metadata::With::version;
      co_return co_await encoded(member.object(ctx, of.bucket(), of.key(), with));
    }
    case ReadRequest::kManifest: co_return co_await encoded(member.manifest(ctx, request.group(), request.manifest()));
    case ReadRequest::kClusterState: co_return co_await encoded(member.cluster_state(ctx));
    case ReadRequest::kStatistics: co_return co_await encoded(member.statistics(ctx));
    default: co_return co_await read_page(ctx, member, std::move(request));
  }
}

task<Result<std::string>> MetadataService::read_page(Context ctx, Metadata& member, ReadRequest request) {
  switch (request.what_case()) {
    case ReadRequest::kObjects: {
      const auto& of = request.objects();
      ListRequest list{of.bucket(), of.prefix(), of.delimiter(), of.after(), limited(of.limit()),
                       of.range_from(), of.range_to()};
      co_return co_await encoded(member.list_objects(ctx, std::move(list)));
    }
    case ReadRequest::kUploads: {
      const auto& of = request.uploads();
      ListUploadsRequest list{of.bucket(),     of.prefix(),           of.delimiter(),
                              of.key_marker(), of.upload_id_marker(), limited(of.limit()),
                              of.range_from(), of.range_to()};
      co_return co_await encoded(member.list_uploads(ctx, std::move(list)));
    }
    case ReadRequest::kParts: {
      const auto& of = request.parts();
      co_return co_await encoded(
          member.list_parts(ctx, of.bucket(), of.key(), of.upload_id(), of.after(), limited(of.limit())));
    }
    case ReadRequest::kJournal: {
      const auto& of = request.journal();
      co_return co_await encoded(member.journal(ctx, request.group(), of.bucket(), of.after(), limited(of.limit())));
    }
    case ReadRequest::kRepairs: {
      const auto& of = request.repairs();
      co_return co_await encoded(member.repairs(ctx, request.group(), of.after_block(), limited(of.limit())));
    }
    case ReadRequest::kDoomed: {
      const auto& of = request.doomed();
      co_return co_await encoded(member.doomed(ctx, request.group(), of.after(), limited(of.limit())));
    }
    case ReadRequest::kManifests: {
      const auto& of = request.manifests();
      co_return co_await encoded(member.manifests(ctx, request.group(), of.after(), limited(of.limit())));
    }
    case ReadRequest::kLive: {
      const auto& ids = request.live().ids();
      co_return co_await encoded(member.live_manifests(ctx, request.group(), {ids.begin(), ids.end()}));
    }
    default: co_return Error(Errc::invalid, "a question that the metadata does not answer");
  }
}

}  // namespace gabion::metadata
