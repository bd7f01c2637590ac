// ShardService answers the questions of RemoteShardStore on other nodes for the drives of this one. A put or remove
// by a ring that this node knows to be replaced is refused with `conflict`; everything else is answered whatever the ring.
// Thread-safe. Stores outlive every call; a drive that is taken away gets no new ones.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "chunkserver/ring_epochs.h"
#include "chunkserver/shard_store.h"
#include "common/clock.h"
#include "common/rpc/rpc.h"

namespace gabion::chunkserver {

class ShardReply;
class ShardRequest;

class ShardService final : public rpc::Handler {
 public:
  explicit ShardService(RingEpochs& epochs) : epochs_(epochs) {}

  void add(const DriveId& drive, ShardStore& store);
  void remove(const DriveId& drive);
  // Told how long each read for a client of another node took. From any thread.
  using ReadTaken = std::function<void(Duration)>;
  void watch_reads(Clock& clock, ReadTaken taken);

  // Method::shard_put .. Method::drive_status.
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override;

 private:
  Result<void> check_epoch(const ShardRequest& request) const;
  ShardStore* find(std::string_view drive) const;
  struct Watch {
    Clock& clock;
    ReadTaken taken;
  };
  std::shared_ptr<const Watch> watch() const;
  task<Result<rpc::Reply>> answer(Context ctx, rpc::Method method, ShardRequest request, Bytes payload);
  task<Result<rpc::Reply>> put(Context ctx, ShardStore& store, ShardRequest request, Bytes payload);
  task<Result<rpc::Reply>> read(Context ctx, ShardStore& store, ShardRequest request);
  task<Result<rpc::Reply>> stat(Context ctx, ShardStore& store, ShardRequest request);
  task<Result<rpc::Reply>> erase(Context ctx, ShardStore& store, ShardRequest request);
  task<Result<rpc::Reply>> list(Context ctx, ShardStore& store, ShardRequest request);
  task<Result<rpc::Reply>> status(Context ctx, ShardStore& store);
  rpc::Reply reply(ShardReply body, Bytes payload = {}) const;

  RingEpochs& epochs_;
  mutable std::mutex mutex_;
  std::map<DriveId, ShardStore*> stores_;
  std::shared_ptr<const Watch> watch_;
};

}  // namespace gabion::chunkserver
