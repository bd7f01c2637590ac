// MetadataService answers the questions of RemoteMetadata on other nodes from this node's replica. A replica that does not
// lead answers not_leader, with the leader as far as it knows. Thread-safe. The metadata must outlive it.
#pragma once

#include <functional>

#include "common/ids.h"
#include "common/rpc/rpc.h"
#include "metadata/metadata.h"

namespace gabion::metadata {

class ReadRequest;

class MetadataService final : public rpc::Handler {
 public:
  // `leader` says which node leads, as far as the replica knows; NodeId 0: nobody does. Called from any thread.
  MetadataService(Metadata& metadata, std::function<NodeId()> leader) : metadata_(metadata), leader_(std::move(leader)) {}

  // Method::metadata_commit and metadata_read.
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override;

 private:
  task<Result<std::string>> commit(Context ctx, std::string encoded);
  task<Result<std::string>> read(Context ctx, ReadRequest request);
  task<Result<std::string>> read_page(Context ctx, ReadRequest request);

  Metadata& metadata_;
  const std::function<NodeId()> leader_;
};

}  // namespace gabion::metadata
