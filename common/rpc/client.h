// PeerTable holds the channels to all other nodes. A channel keeps a connection for each thread that was given, so that a call
// from one of them does not leave it; calls from other executors go through the first. Connections are made when they are
// wanted and kept; see link.h for what happens when they break.
//   PeerTable peers(executors, clock, options, metrics);
//   peers.start();   peers.set_peers(...);   peers.find(node)->call(...)   ...   co_await peers.stop();
// Thread-safe. stop() must have returned before it is destroyed, and the threads run until then.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/async.h"
#include "common/net/mutual_tls.h"
#include "common/rpc/connection.h"
#include "common/rpc/dial.h"
#include "common/rpc/rpc.h"

namespace gabion::rpc {

struct PeerTableOptions {
  Identity self;
  std::shared_ptr<net::MutualTls> tls;
  ConnectionLimits limits;
  Duration connect_time = std::chrono::seconds(2);  // for TCP, TLS and the greeting together
  Duration tick = std::chrono::milliseconds(20);    // the precision of deadlines
};

class PeerTable final : public Peers {
 public:
  // One executor for each thread, each an io_context that one thread runs.
  PeerTable(std::vector<Executor> threads, Clock& clock, PeerTableOptions options, RpcMetrics& metrics);
  ~PeerTable() override;

  void start();
  // Breaks all connections and waits for the calls under way to return.
  task<void> stop();

  // All nodes and where they are; this node itself is left out. A node at a new address is connected anew; to one that is not
  // named any more, calls fail.
  void set_peers(std::vector<PeerAddress> peers);
  // nullptr for this node itself too.
  Channel* find(NodeId node) override;

 private:
  struct Thread;
  class PeerChannel;
  task<void> abort(Thread& thread);
  std::vector<PeerChannel*> channels() const;

  // Fixed after construction.
  Clock& clock_;
  const PeerTableOptions options_;
  RpcMetrics& metrics_;
  std::vector<std::unique_ptr<Thread>> threads_;
  // Synchronise themselves.
  std::atomic<bool> stopping_{false};
  Gate gate_;   // calls, and the lives of connections
  Gate loops_;  // the sweepers
  mutable std::mutex mutex_;
  std::map<NodeId, std::unique_ptr<PeerChannel>> channels_;  // guarded by mutex_; they are never removed
};

// What a node that is to join asks of a node of the cluster: Method::join over a connection of its own, without a certificate,
// to whoever is at `at` and has an authority with a fingerprint that begins so. Runs on the caller's executor.
task<Result<Reply>> ask_to_join(Context ctx, PeerAddress at, std::string authority_prefix, std::string header, Clock& clock);

}  // namespace gabion::rpc
