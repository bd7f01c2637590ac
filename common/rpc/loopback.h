// LoopbackChannel is a Channel to a handler in this process: messages pass through real frames, encoded and decoded, and no
// socket. For tests, and for whoever asks itself. The handler runs on the executor given; deadlines are kept to within
// kTick.
//
// Thread-safe as far as the handler is. Handler and clock outlive it; stop() must have returned before it is destroyed.
#pragma once

#include "common/async.h"
#include "common/clock.h"
#include "common/rpc/frame.h"
#include "common/rpc/rpc.h"

namespace gabion::rpc {

class LoopbackChannel final : public Channel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(20);

  // The handler sees `self` as the peer.
  LoopbackChannel(Executor executor, Clock& clock, Handler& handler, Peer self)
      : executor_(std::move(executor)), clock_(clock), handler_(handler), self_(self) {}

  task<Result<Reply>> call(Context ctx, Method method, std::string header, std::vector<Bytes> payload) override;
  void post(Method method, std::string header, std::vector<Bytes> payload) override;
  // Waits for what is under way.
  task<void> stop() { return gate_.close(); }

 private:
  struct Exchange;
  task<void> serve(std::shared_ptr<Exchange> exchange);
  task<void> watch(std::shared_ptr<Exchange> exchange);

  const Executor executor_;
  Clock& clock_;
  Handler& handler_;
  const Peer self_;
  Gate gate_;
};

}  // namespace gabion::rpc
