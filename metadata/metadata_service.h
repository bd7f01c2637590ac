// MetadataService answers the questions of RemoteMetadata on other nodes from this node's members of the metadata's groups.
// A member that does not lead answers not_leader, with the leader as far as it knows; so does a node without a member.
// Thread-safe. The members must outlive it.
#pragma once

#include <functional>

#include "common/ids.h"
#include "common/rpc/rpc.h"
#include "metadata/metadata.h"

namespace gabion::metadata {

class ReadRequest;

class MetadataService final : public rpc::Handler {
 public:
  // `find` gives this node's member of a group; nullptr: there is none. `leader` says which node leads a group, as far as the
  // member knows; NodeId 0: nobody does. Called from any thread.
  MetadataService(std::function<Metadata*(GroupId)> find, std::function<NodeId(GroupId)> leader)
      : find_(std::move(find)), leader_(std::move(leader)) {}

  // Method::metadata_commit and metadata_read.
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override;

 private:
  task<Result<std::string>> read(Context ctx, Metadata& member, ReadRequest request);
  task<Result<std::string>> read_page(Context ctx, Metadata& member, ReadRequest request);

  const std::function<Metadata*(GroupId)> find_;
  const std::function<NodeId(GroupId)> leader_;
};

}  // namespace gabion::metadata
