// RemoteShardStore over ShardService: the contract of ShardStore, the ring's epoch, and peers that are gone or lie.
#include "chunkserver/remote_shard_store.h"

#include <catch2/catch_test_macros.hpp>

#include "chunkserver/shard_service.h"
#include "chunkserver/shard_wire.h"
#include "tests/support/fake_shard_store.h"
#include "tests/support/loopback_channel.h"
#include "tests/support/sim_drive.h"
#include "tests/unit/chunkserver/shard_store_contract.h"

namespace gabion::chunkserver::test {
namespace {

using gabion::test::FakeShardStore;
using gabion::test::LoopbackChannel;

constexpr NodeId kHere{1}, kThere{2};

// A drive on another node: a real engine on a simulated disk behind the service.
class RemoteStore final : public StoreUnderTest {
 public:
  RemoteStore() : drive_(world_, DriveOptions{}) { open(); }
  ShardStore& store() override { return remote_; }
  void restart() override {
    service_.remove(drive_.identity.drive);
    drive_.close();
    open();
  }
  Result<void> run(task<Result<void>> work) override { return world_.run(std::move(work)); }
  Result<Bytes> run(task<Result<Bytes>> work) override { return world_.run(std::move(work)); }
  Result<ShardInfo> run(task<Result<ShardInfo>> work) override { return world_.run(std::move(work)); }
  Result<ShardPage> run(task<Result<ShardPage>> work) override { return world_.run(std::move(work)); }
  Result<DriveStatus> run(task<Result<DriveStatus>> work) override { return world_.run(std::move(work)); }
  std::vector<Result<void>> run(task<std::vector<Result<void>>> work) override { return world_.run(std::move(work)); }

 private:
  void open() {
    REQUIRE(drive_.open().has_value());
    service_.add(drive_.identity.drive, *drive_.engine);
  }
  sim::SimWorld world_{1};
  sim::SimDrive drive_;
  RingEpochs theirs_, ours_;
  ShardService service_{theirs_};
  LoopbackChannel channel_{service_, kHere};
  RemoteShardStore remote_{channel_, kThere, drive_.identity.drive, ours_, world_.clock()};
};

struct Pair {
  Pair() { service.add(drive, fake); }
  sim::SimWorld world{1};
  FakeShardStore fake;
  DriveId drive = DriveId::random(world.rng());
  RingEpochs theirs, ours;
  ShardService service{theirs};
  LoopbackChannel channel{service, kHere};
  RemoteShardStore remote{channel, kThere, drive, ours, world.clock()};

  Result<void> put(const std::string& text) {
    return world.run(remote.put({}, key_of(1), std::vector<Bytes>(1, Bytes::copy_of(text))));
  }
};

// Answers every question with what it is told to.
class Liar final : public rpc::Handler {
 public:
  std::string header;
  std::string payload;
  task<Result<rpc::Reply>> handle(Context, rpc::Peer, rpc::Method, std::string, Bytes) override {
    co_return rpc::Reply{header, Bytes::copy_of(payload)};
  }
};

}  // namespace

TEST_CASE("a drive on another node keeps the contract of ShardStore") {
  check_shard_store([] { return std::make_unique<RemoteStore>(); });
}

TEST_CASE("a put by a replaced ring is a conflict, stores nothing, and tells of the new one") {
  Pair pair;
  bool woken = false;
  pair.ours.on_newer([&] { woken = true; });
  pair.ours.act_by(4);
  pair.theirs.act_by(5);
  const auto stored = pair.put("bytes");
  REQUIRE(!stored);
  CHECK(stored.error().code == Errc::conflict);
  CHECK(stored.error().message == "stale ring epoch 4, current 5");
  CHECK(pair.fake.shards().empty());
  CHECK(woken);
  CHECK(pair.ours.newest() == 5);
  pair.ours.act_by(5);
  CHECK(pair.put("bytes").has_value());
}

TEST_CASE("a removal that a replaced ring decided is refused, also when its node goes by the new one meanwhile") {
  Pair pair;
  pair.ours.act_by(4);
  pair.theirs.act_by(4);
  REQUIRE(pair.put("bytes").has_value());
  Context decided;
  decided.ring_epoch = 4;
  pair.ours.act_by(5);
  pair.theirs.act_by(5);
  const std::vector<ShardKey> keys(1, key_of(1));
  const auto removed = pair.world.run(pair.remote.remove(decided, keys));
  REQUIRE(!removed);
  CHECK(removed.error().code == Errc::conflict);
  CHECK(pair.fake.has(key_of(1)));
  CHECK(pair.world.run(pair.remote.remove({}, keys)).has_value());
  CHECK_FALSE(pair.fake.has(key_of(1)));
}

TEST_CASE("reads are answered whatever the ring, and the one that is behind learns of it") {
  Pair pair;
  REQUIRE(pair.put("bytes").has_value());
  pair.theirs.act_by(5);
  CHECK(pair.world.run(pair.remote.read({}, key_of(1), 0, 0))->text() == "bytes");
  CHECK(pair.ours.newest() == 5);
  pair.ours.act_by(9);
  CHECK(pair.world.run(pair.remote.stat({}, key_of(1)))->length == 5);
  CHECK(pair.theirs.newest() == 9);
}

TEST_CASE("errors of the drive and of the way to it are told apart from each other's codes") {
  Pair pair;
  CHECK(pair.world.run(pair.remote.read({}, key_of(1), 0, 0)).error().code == Errc::not_found);
  pair.fake.faults.full = true;
  CHECK(pair.put("x").error().code == Errc::exhausted);
  pair.fake.faults = {};
  pair.channel.lose_answers = true;
  CHECK(pair.put("x").error().code == Errc::unavailable);
  CHECK(pair.fake.has(key_of(1)));
  pair.channel.down = true;
  CHECK(pair.world.run(pair.remote.status({})).error().code == Errc::unavailable);
  pair.channel = LoopbackChannel(pair.service, kHere);
  pair.service.remove(pair.drive);
  CHECK(pair.put("x").error().code == Errc::unavailable);
}

TEST_CASE("a stranger gets nothing") {
  Pair pair;
  LoopbackChannel channel(pair.service, NodeId{});
  RemoteShardStore stranger(channel, kThere, pair.drive, pair.ours, pair.world.clock());
  CHECK(pair.world.run(stranger.status({})).error().code == Errc::denied);
}

TEST_CASE("requests that make no sense are refused with a reason") {
  Pair pair;
  const auto ask = [&](rpc::Method method, const std::string& header) {
    const auto reply = pair.world.run(pair.service.handle({}, {kHere}, method, header, {}));
    if (!reply) return reply.error().code;
    ShardReply body;
    REQUIRE(body.ParseFromString(reply->header));
    CHECK_FALSE(body.message().empty());
    return wire::error_code(body.error());
  };
  CHECK(ask(rpc::Method::shard_put, "\xff\xff\xff") == Errc::invalid);
  ShardRequest request;
  CHECK(ask(rpc::Method::shard_put, request.SerializeAsString()) == Errc::unavailable);  // no drive is named
  request.set_drive(std::string(pair.drive.raw()));
  CHECK(ask(rpc::Method::shard_put, request.SerializeAsString()) == Errc::invalid);      // no key
  request.set_keys(std::string(34, 'k'));
  CHECK(ask(rpc::Method::shard_read, request.SerializeAsString()) == Errc::invalid);     // two keys
  request.set_keys(std::string(33, 'k'));
  CHECK(ask(rpc::Method::shard_remove, request.SerializeAsString()) == Errc::invalid);   // a key and a piece
  request.set_keys(std::string(17 * (wire::kKeysMax + 1), 'k'));
  CHECK(ask(rpc::Method::shard_remove, request.SerializeAsString()) == Errc::too_large);
  CHECK(ask(rpc::Method::join, request.SerializeAsString()) == Errc::invalid);
}

TEST_CASE("answers that make no sense are errors") {
  sim::SimWorld world(1);
  Liar liar;
  LoopbackChannel channel(liar, kHere);
  RingEpochs epochs;
  RemoteShardStore remote(channel, kThere, DriveId(), epochs, world.clock());
  liar.header = "\xff\xff\xff";
  CHECK(world.run(remote.stat({}, key_of(1))).error().code == Errc::unavailable);
  liar.header.clear();
  liar.payload = "short";
  CHECK(world.run(remote.read({}, key_of(1), 0, 100)).error().code == Errc::unavailable);
  ShardReply reply;
  reply.set_shards("cut off");
  liar.header = reply.SerializeAsString();
  CHECK(world.run(remote.list({}, key_of(1), 10)).error().code == Errc::invalid);
  reply.set_error(200);
  liar.header = reply.SerializeAsString();
  CHECK(world.run(remote.stat({}, key_of(1))).error().code == Errc::internal);
}

TEST_CASE("a shard over the limit is not sent") {
  Pair pair;
  CHECK(pair.put(std::string(kShardBytesMax + 1, 'x')).error().code == Errc::too_large);
  CHECK(pair.channel.calls == 0);
}

}  // namespace gabion::chunkserver::test
