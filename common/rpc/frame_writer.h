// FrameWriter is the one writer of a connection: frames queue here by priority, and small ones go out together. Frames about
// the connection itself come first, then interactive ones; of every kInteractiveRun frames one is of the background, so that
// it moves as well. One thread; the stream outlives it, and run() must have returned before it is destroyed.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "common/async.h"
#include "common/clock.h"
#include "common/metrics.h"
#include "common/net/byte_stream.h"
#include "common/rpc/message.h"

namespace gabion::rpc {

class FrameWriter {
 public:
  // Asked when a call is about to be sent: false when its caller has given up. From true on it may reach the peer.
  using StillWanted = std::function<bool(std::uint64_t id)>;

  FrameWriter(net::ByteStream& stream, Clock& clock, StillWanted still_wanted, Counter& bytes_out)
      : stream_(stream), clock_(clock), still_wanted_(std::move(still_wanted)), bytes_out_(bytes_out) {}

  void push(OutgoingFrame frame);
  // So that the peer hears from us; nothing when frames wait to be sent anyway.
  void ping();
  // run() ends when everything queued is sent.
  void finish();
  // run() ends; a write under way has to be broken by the stream.
  void stop();
  std::size_t queued_bytes() const { return queued_bytes_; }

  // An error when a write failed.
  task<Result<void>> run();

 private:
  static constexpr std::size_t kInteractiveRun = 8;
  using Queue = std::deque<OutgoingFrame>;
  bool empty() const { return control_.empty() && interactive_.empty() && background_.empty(); }
  Queue& next_queue();
  std::vector<OutgoingFrame> take_batch();
  task<Result<void>> write(std::vector<OutgoingFrame> batch);

  net::ByteStream& stream_;
  Clock& clock_;
  const StillWanted still_wanted_;
  Counter& bytes_out_;
  Queue control_, interactive_, background_;
  std::size_t queued_bytes_ = 0;  // also those being written
  std::size_t interactive_run_ = 0;
  bool finishing_ = false;
  bool stopped_ = false;
  Event wake_;
};

}  // namespace gabion::rpc
