// What a member of the metadata may be asked and told, and what a node may be answered by one: whatever the bytes, there is
// an answer or an error. The first byte chooses; the rest is a header, or a payload.
#include "common/check.h"
#include "metadata/cluster/agent.h"
#include "metadata/cluster/controller.h"
#include "metadata/metadata_service.h"
#include "metadata/remote_metadata.h"
#include "tests/support/loopback_channel.h"
#include "tests/support/memory_metadata.h"
#include "tests/support/sim.h"

using namespace gabion;
using namespace gabion::metadata;

namespace {

class Answering final : public rpc::Handler {
 public:
  explicit Answering(std::string payload) : payload_(std::move(payload)) {}
  task<Result<rpc::Reply>> handle(Context, rpc::Peer, rpc::Method, std::string, Bytes) override {
    co_return rpc::Reply{"", Bytes::copy_of(payload_)};
  }

 private:
  std::string payload_;
};

void ask(const std::string& header, rpc::Method method) {
  sim::SimWorld world(1);
  test::MemoryMetadata state(world.clock());
  MetadataService service([&](GroupId) { return &state; }, [](GroupId) { return NodeId{}; });
  const Context ctx;
  const auto reply = world.run(service.handle(ctx, {NodeId{2}}, method, header, {}));
  GABION_CHECK(!reply || reply->payload.size() <= rpc::kPayloadMax, "answers fit a message");
}

void be_answered(const std::string& payload) {
  sim::SimWorld world(1);
  Answering peer(payload);
  test::LoopbackChannel channel(peer);
  RemoteMetadata remote(channel, NodeId{2});
  const Context ctx;
  (void)world.run(remote.bucket(ctx, "b"));
  (void)world.run(remote.object(ctx, 1, "k", Metadata::With::manifest));
  (void)world.run(remote.list_objects(ctx, {}));
  (void)world.run(remote.list_uploads(ctx, {}));
  (void)world.run(remote.list_parts(ctx, 1, "k", "u", 0, 10));
  (void)world.run(remote.journal(ctx, kRootGroup, 1, 0, 10));
  (void)world.run(remote.repairs(ctx, kRootGroup, "", 10));
  (void)world.run(remote.doomed(ctx, kRootGroup, 0, 10));
  (void)world.run(remote.manifests(ctx, kRootGroup, 0, 10));
  (void)world.run(remote.cluster_state(ctx));
  (void)world.run(remote.statistics(ctx));
}

void beat(const std::string& header) {
  sim::SimWorld world(1);
  cluster::Registry registry(world.clock(), world.rng(), std::chrono::seconds(5));
  ClusterState state;
  state.add_nodes()->set_id(2);
  registry.set_state(state, 1);
  cluster::Heartbeat heartbeat;
  if (!heartbeat.ParseFromString(header)) return;
  const cluster::HeartbeatReply reply = registry.receive(NodeId{2}, std::move(heartbeat));
  (void)registry.pinned_since(0);
  (void)registry.failed_drives();
  (void)cluster::orders_for(NodeId{2}, state, reply);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: ask(bytes, rpc::Method::metadata_commit); break;
    case 1: ask(bytes, rpc::Method::metadata_read); break;
    case 2: be_answered(bytes); break;
    default: beat(bytes);
  }
  return 0;
}
