// RemoteShardStore is the ShardStore of a drive on another node. Every call is one question over the channel, with the ring
// epoch that this node acts by; a put or remove by a ring that the other node knows to be replaced is a conflict. A node that
// cannot be reached, does not answer in time or answers nonsense is unavailable, as a failed drive is: what was asked may have
// been done.
// Thread-safe. Everything passed by reference must outlive it.
#pragma once

#include "chunkserver/ring_epochs.h"
#include "chunkserver/shard_store.h"
#include "common/clock.h"
#include "common/rpc/rpc.h"

namespace gabion::chunkserver {

class ShardReply;
class ShardRequest;

class RemoteShardStore final : public ShardStore {
 public:
  struct Patience {
    Duration data = std::chrono::seconds(15);   // put, read, remove, list
    Duration status = std::chrono::seconds(2);  // stat, status
  };

  RemoteShardStore(rpc::Channel& channel, NodeId node, DriveId drive, RingEpochs& epochs, Clock& clock);
  RemoteShardStore(rpc::Channel& channel, NodeId node, DriveId drive, RingEpochs& epochs, Clock& clock, Patience patience);

  NodeId node() const { return node_; }

  task<Result<void>> put(Context ctx, ShardKey key, std::vector<Bytes> pieces) override;
  task<Result<Bytes>> read(Context ctx, ShardKey key, std::uint32_t offset, std::uint32_t length) override;
  task<Result<ShardInfo>> stat(Context ctx, ShardKey key) override;
  task<Result<void>> remove(Context ctx, std::vector<ShardKey> keys) override;
  task<Result<ShardPage>> list(Context ctx, ShardKey from, std::size_t limit) override;
  task<Result<DriveStatus>> status(Context ctx) override;

 private:
  struct Answer;
  ShardRequest request(const Context& ctx, const ShardKey* key = nullptr) const;
  task<Result<Answer>> ask(Context ctx, rpc::Method method, Duration patience, std::string header, std::vector<Bytes> payload);
  Error explain(const Context& ctx, const Error& error) const;

  rpc::Channel& channel_;
  const NodeId node_;
  const DriveId drive_;
  RingEpochs& epochs_;
  Clock& clock_;
  const Patience patience_;
};

}  // namespace gabion::chunkserver
