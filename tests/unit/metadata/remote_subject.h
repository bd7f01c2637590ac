// Metadata by RPC under the contract: one that asks another node, and the router that finds the leader first.
#pragma once

#include "metadata/cluster_metadata.h"
#include "metadata/metadata_service.h"
#include "metadata/remote_metadata.h"
#include "metadata/rpc.pb.h"
#include "tests/support/loopback_channel.h"
#include "tests/unit/metadata/subject.h"

namespace gabion::metadata::test {

class RemoteSubject final : public Subject {
 public:
  Metadata& metadata() override { return remote_; }
  void drive(task<void> work) override { served_.drive(std::move(work)); }

 private:
  SimSubject served_;
  MetadataService service_{[this](GroupId) { return &served_.metadata(); }, [](GroupId) { return NodeId{2}; }};
  gabion::test::LoopbackChannel channel_{service_};
  RemoteMetadata remote_{channel_, NodeId{2}};
};

// A gateway's view of three members, the last of which leads.
class ClusterSubject final : public Subject {
 public:
  ClusterSubject() {
    peers_.add(NodeId{2}, follower_service_);
    peers_.add(NodeId{3}, service_);
    ClusterMetadataOptions options;
    options.self = NodeId{1};
    options.peers = &peers_;
    options.clock = &clock_;
    options.rng = &rng_;
    cluster_ = std::make_unique<ClusterMetadata>(std::move(options));
    cluster_->set_members({NodeId{2}, NodeId{3}});
  }
  Metadata& metadata() override { return *cluster_; }
  void drive(task<void> work) override { served_.drive(std::move(work)); }

 private:
  // Answers not_leader to everything, as a follower does.
  class Follower final : public rpc::Handler {
   public:
    task<Result<rpc::Reply>> handle(Context, rpc::Peer, rpc::Method, std::string, Bytes) override {
      AnswerStatus status;
      status.set_error(static_cast<std::uint32_t>(Errc::not_leader));
      status.set_leader(3);
      co_return rpc::Reply{status.SerializeAsString(), Bytes()};
    }
  };

  SimSubject served_;
  RealClock clock_;
  SystemRng rng_;
  MetadataService service_{[this](GroupId) { return &served_.metadata(); }, [](GroupId) { return NodeId{3}; }};
  Follower follower_service_;
  gabion::test::LoopbackPeers peers_{NodeId{1}};
  std::unique_ptr<ClusterMetadata> cluster_;
};

}  // namespace gabion::metadata::test
