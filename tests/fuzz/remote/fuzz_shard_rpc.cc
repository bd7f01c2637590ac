// What a node may be asked for its drives, and what it may be answered: whatever the bytes, there is an answer or an error
// within bounds. The first byte chooses the question; the rest is its header, or the header of the answer.
#include "chunkserver/remote_shard_store.h"
#include "chunkserver/shard_service.h"
#include "chunkserver/shard_wire.h"
#include "common/check.h"
#include "tests/support/fake_shard_store.h"
#include "tests/support/loopback_channel.h"
#include "tests/support/sim.h"

using namespace gabion;
using namespace gabion::chunkserver;

namespace {

class Answering final : public rpc::Handler {
 public:
  explicit Answering(std::string header) : header_(std::move(header)) {}
  task<Result<rpc::Reply>> handle(Context, rpc::Peer, rpc::Method, std::string, Bytes) override {
    co_return rpc::Reply{header_, Bytes::copy_of("payload")};
  }

 private:
  std::string header_;
};

void ask(const std::string& header, unsigned method) {
  sim::SimWorld world(1);
  test::FakeShardStore store;
  RingEpochs epochs;
  ShardService service(epochs);
  service.add(DriveId(), store);
  const Context ctx;
  const auto reply = world.run(service.handle(ctx, {NodeId{2}}, static_cast<rpc::Method>(1 + method % 6), header, {}));
  if (!reply) return;
  ShardReply body;
  GABION_CHECK(body.ParseFromString(reply->header), "answers can be decoded");
  GABION_CHECK(reply->header.size() <= rpc::kHeaderMax, "answers fit a message");
}

void be_answered(const std::string& header) {
  sim::SimWorld world(1);
  Answering peer(header);
  test::LoopbackChannel channel(peer);
  RingEpochs epochs;
  RemoteShardStore remote(channel, NodeId{2}, DriveId(), epochs, world.clock());
  (void)world.run(remote.put({}, {}, {}));
  const auto read = world.run(remote.read({}, {}, 0, 5));
  GABION_CHECK(!read, "a read of another length than asked for is an error");
  (void)world.run(remote.stat({}, {}));
  const auto page = world.run(remote.list({}, {}, 10));
  if (page) GABION_CHECK(page->shards.size() * 21 <= header.size(), "no more shards than there are bytes");
  (void)world.run(remote.status({}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string header(reinterpret_cast<const char*>(data) + 1, size - 1);
  ask(header, data[0]);
  // Random bytes hardly ever name the drive that is there.
  ShardRequest named;
  if (named.ParseFromString(header)) {
    named.set_drive(std::string(DriveId().raw()));
    ask(named.SerializeAsString(), data[0]);
  }
  be_answered(header);
  return 0;
}
