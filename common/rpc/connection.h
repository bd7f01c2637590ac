// Connection is one byte stream to one peer after both have greeted (hello.h): calls go out and are answered in any order,
// told apart by their ids. One task reads, one writes (FrameWriter). Either side may call; a side without a handler is only
// called by mistake, which ends the connection.
//
// Both sides send something at least every half second. A peer that was silent for five of those times is dead, stopped or
// cut off: the connection ends. When it ends, calls that were not sent yet get Errc::unavailable, those that were get
// unknown_outcome.
//
// What is under way is bounded in both directions. A caller over the bound gets exhausted at once; so does a peer that
// ignores the bound, while its frames are still read, so that a slow handler never looks like a dead peer.
//
// Everything runs on the executor of the host, one thread. The host and the handler outlive the connection; run() must have
// returned before it is destroyed, and nothing else is called afterwards but open() and call(), which then fail.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/async.h"
#include "common/clock.h"
#include "common/metrics.h"
#include "common/net/byte_stream.h"
#include "common/net/deadline_sweeper.h"
#include "common/rpc/frame_writer.h"
#include "common/rpc/rpc.h"

namespace gabion::rpc {

struct ConnectionLimits {
  std::size_t calls = 1024;      // under way in one direction
  std::size_t bytes = 64 * MiB;  // of questions under way, and of answers that wait to be sent
  std::size_t posts = 8 * MiB;   // of posts that wait to be sent; more are dropped
  Duration ping_interval = std::chrono::milliseconds(500);
  unsigned silent_intervals = 5;
};

struct RpcMetrics {
  Gauge connections;
  Counter accepted;
  Counter refused;  // wrong cluster, wrong certificate, no greeting
  Counter calls;    // asked of peers
  Counter served;   // asked by peers
  Counter posts_dropped;
  Counter exhausted;  // calls over a bound, in either direction
  Counter broken;     // connections that ended otherwise than orderly
  Counter bytes_in;
  Counter bytes_out;
  // Under gabion_rpc_*.
  void register_with(MetricsRegistry& registry, const std::string& labels) const;
};

// What the connections of one thread share.
struct ConnectionHost {
  Executor executor;
  Clock& clock;
  net::DeadlineSweeper& sweeper;  // its interval is the precision of deadlines
  const ConnectionLimits limits;
  RpcMetrics& metrics;
};

class Connection final : private net::DeadlineTarget {
 public:
  // `name` is what errors call the peer: "n3 at 192.0.2.7:9002".
  Connection(ConnectionHost& host, std::unique_ptr<net::ByteStream> stream, Peer peer, std::string name, Handler* handler);
  ~Connection();

  // Returns when the connection has ended and no call of the peer is being handled any more.
  task<void> run();
  // As Channel::call().
  task<Result<Reply>> call(Context ctx, Method method, std::string header, std::vector<Bytes> payload);
  void post(Method method, std::string header, std::vector<Bytes> payload);

  // Whether a call would be sent.
  bool open() const { return !ended_ && !draining_ && !peer_leaves_; }
  // Ended because the peer was not heard of any more.
  bool peer_was_silent() const { return silent_; }
  // No new calls in either direction; ends when those under way are answered.
  void drain();
  void abort() { end(Error(Errc::cancelled, "closed by this node")); }

 private:
  struct PendingCall;

  bool is_stranger() const { return peer_.node == NodeId{}; }
  task<void> read_loop();
  task<void> write_loop();
  Result<void> accept(Frame frame);
  Result<void> accept_question(Frame frame);
  void accept_answer(Frame frame);
  Result<void> may_be_served(const Question& question) const;
  task<void> serve(FrameHead head, Question question);
  Result<void> may_call(std::size_t bytes) const;
  bool mark_sent(std::uint64_t id);
  void settle(PendingCall& call, Result<Reply> result);
  void finish_when_idle();
  void end(Error why);
  void expire() override;

  ConnectionHost& host_;
  const std::unique_ptr<net::ByteStream> stream_;
  const Peer peer_;
  const std::string name_;
  Handler* const handler_;
  FrameWriter writer_;
  Gate gate_;
  // Our calls.
  std::unordered_map<std::uint64_t, PendingCall*> pending_;
  std::uint64_t last_id_ = 0;
  std::size_t pending_bytes_ = 0;
  // The peer's calls, until their answer is queued.
  std::size_t serving_ = 0;
  std::size_t serving_bytes_ = 0;
  // How it goes on.
  bool heard_ = true;  // something arrived since the last look
  unsigned silent_looks_ = 0;
  bool silent_ = false;
  std::optional<Error> write_failed_;
  bool draining_ = false;
  bool peer_leaves_ = false;
  bool ended_ = false;
  Error why_;  // of the end
};

}  // namespace gabion::rpc
