// RPC between nodes: a Channel asks one peer, a Handler answers whoever asks. Frames, connections and their multiplexing are
// in connection.h; a simulated network implements the same two faces (tests/support), and so does a channel within one
// process, so that whatever speaks RPC is tested without sockets.
//
// A message is a Protobuf header, which this layer does not look at, and an optional raw payload, which is never copied
// through Protobuf. One payload a message, at most kPayloadMax; large things are many messages (too_large otherwise).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/context.h"
#include "common/ids.h"
#include "common/result.h"
#include "common/task.h"

namespace gabion::rpc {

inline constexpr std::size_t kHeaderMax = 4 * MiB;
inline constexpr std::size_t kPayloadMax = 16 * MiB;

// What is asked for. Numbers are never reused; a peer that does not know one answers Errc::invalid.
enum class Method : std::uint16_t {
  // chunkserver
  shard_put = 1, shard_read = 2, shard_stat = 3, shard_remove = 4, shard_list = 5, drive_status = 6,
  // metadata
  metadata_commit = 32, metadata_read = 33,
  // consensus: one way, may be lost, doubled or reordered
  raft_message = 64, raft_ping = 65, snapshot_open = 66, snapshot_read = 67,
  // the cluster's control
  heartbeat = 96, join = 97, admin = 98,
};

struct Reply {
  std::string header;
  Bytes payload;
};

// Who asks, as its certificate says. 0 is a stranger, who may only join.
struct Peer {
  NodeId node{};
};

class Channel {
 public:
  virtual ~Channel() = default;
  // The peer's answer, or its error. unavailable: it was not asked; unknown_outcome: the connection broke after the
  // question was sent, so it may have been carried out; deadline: no answer in the time allowed (it may have been carried
  // out too); exhausted: too much is under way to this peer.
  // Thread-safe; resumes on the caller's executor. `payload` pieces are sent one after the other, and kept until sent, which
  // may be after a call whose deadline has passed has returned: never Bytes::unowned.
  virtual task<Result<Reply>> call(Context ctx, Method method, std::string header, std::vector<Bytes> payload) = 0;
  // One way: sent when the connection is up and not clogged, else dropped. Never waits. Thread-safe.
  virtual void post(Method method, std::string header, std::vector<Bytes> payload) = 0;
};

// Answers what peers ask. Called on the executor of the connection; many calls may be under way at once.
class Handler {
 public:
  virtual ~Handler() = default;
  // The context has the caller's remaining time and its trace. The answer to a one-way message is thrown away.
  virtual task<Result<Reply>> handle(Context ctx, Peer peer, Method method, std::string header, Bytes payload) = 0;
};

// The channels to all peers of a node, by number. They live as long as this does.
class Peers {
 public:
  virtual ~Peers() = default;
  // nullptr when no such node is known.
  virtual Channel* find(NodeId node) = 0;
};

}  // namespace gabion::rpc
