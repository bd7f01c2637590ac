// Link is one thread's way to one peer: it makes the connection when somebody wants to call, makes it anew when it broke, and
// knows when there is no use in waiting. Between attempts that fail it waits 50 ms, doubled up to a second; while the peer is
// known to be unreachable, calls fail at once, and only start the next attempt. For common/rpc alone.
//
// Runs on its thread, apart from the constructor. The host, its gate and the address outlive it; a link is idle when the gate
// is closed.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "common/rpc/connection.h"
#include "common/rpc/dial.h"

namespace gabion::rpc {

// Where a peer is now, for the links of all threads. Thread-safe.
class CurrentAddress {
 public:
  using Pointer = std::shared_ptr<const PeerAddress>;
  // nullptr: the peer is not known any more. A change gives another pointer.
  Pointer get() const {
    const std::lock_guard lock(mutex_);
    return address_;
  }
  void set(Pointer address) {
    const std::lock_guard lock(mutex_);
    address_ = std::move(address);
  }

 private:
  mutable std::mutex mutex_;
  Pointer address_;
};

// What the links of one thread share.
struct LinkHost {
  ConnectionHost connections;
  Dialer dialer;
  const Duration connect_time;
  Gate& gate;
  const std::atomic<bool>& stopping;
};

class Link {
 public:
  Link(LinkHost& host, NodeId node, const CurrentAddress& address) : host_(host), node_(node), address_(address) {}

  task<Result<Reply>> call(Context ctx, Method method, std::string header, std::vector<Bytes> payload);
  void post(Method method, std::string header, std::vector<Bytes> payload);
  // Leaves a connection to where the peer is not any more.
  void check_address();
  void abort();

 private:
  struct Waiter;
  task<Result<std::shared_ptr<Connection>>> connected(Context ctx);
  Connection* open_connection();
  Error unreachable_error() const;
  bool is_unreachable() const;
  void attempt();
  task<void> live(CurrentAddress::Pointer address);
  void note_failure(Error error);
  void wake_waiters();

  LinkHost& host_;
  const NodeId node_;
  const CurrentAddress& address_;
  std::shared_ptr<Connection> connection_;
  CurrentAddress::Pointer connected_to_;
  std::unordered_set<Connection*> living_;  // also those that are being left
  bool attempting_ = false;
  std::vector<Waiter*> waiters_;
  // Of the last failure; no address: there was none since.
  CurrentAddress::Pointer failed_at_address_;
  TimePoint failed_at_;
  Duration backoff_{};
  Error failure_;
};

}  // namespace gabion::rpc
