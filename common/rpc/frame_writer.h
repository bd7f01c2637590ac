// FrameWriter is the one writer of a connection: frames queue here, and small ones go out together. What is short and waited
// for goes first: posts, frames about the connection itself, and interactive ones without bulk, so that consensus and metadata
// do not wait behind shards. Then interactive bulk, then the background. Each queue now and then lets one of the next go
// before it, so that all move. One thread; the stream outlives it, and run() must have returned before it is destroyed.
#pragma once

#include <array>
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
  std::size_t queued_posts() const { return queued_posts_; }  // their bytes

  // An error when a write failed.
  task<Result<void>> run();

 private:
  struct Queue {
    std::deque<OutgoingFrame> frames;
    std::size_t most_in_a_row;  // while another one waits
    std::size_t in_a_row = 0;
  };
  Queue* next_queue();
  OutgoingFrame take_from(Queue& queue);
  std::vector<OutgoingFrame> take_batch();
  task<Result<void>> write(std::vector<OutgoingFrame> batch);

  net::ByteStream& stream_;
  Clock& clock_;
  const StillWanted still_wanted_;
  Counter& bytes_out_;
  std::array<Queue, 3> queues_{Queue{{}, 64}, Queue{{}, 8}, Queue{{}, SIZE_MAX}};  // urgent, interactive, background
  std::size_t queued_bytes_ = 0;  // also those being written
  std::size_t queued_posts_ = 0;
  bool finishing_ = false;
  bool stopped_ = false;
  Event wake_;
};

}  // namespace gabion::rpc
