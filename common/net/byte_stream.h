// ByteStream is one accepted or made connection: the only asynchronous surface that HTTP and RPC code see, so
// that plain TCP, TLS and the simulation's network are a run-time choice. Used by one task at a time for
// reading and one for writing, on the executor of the thread that owns it.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/result.h"
#include "common/task.h"

namespace gabion::net {

// The subject of a certificate that was verified. Both are empty for a peer that showed none.
struct PeerName {
  std::string organization, common_name;
};

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // At least one byte, at most into.size(). end_of_stream when the peer has closed, deadline when the
  // deadline passed.
  virtual task<Result<std::size_t>> read_some(MutableBytes into) = 0;
  // All pieces, as one gathered write where possible. The pieces must stay valid until it returns.
  virtual task<Result<void>> write_all(std::span<const ByteView> pieces) = 0;
  // Reads and writes under way or started later fail with Errc::deadline after this moment. Cheap enough to
  // call for every request; precision is about a second.
  virtual void set_deadline(TimePoint deadline) = 0;
  // Sends what TLS or TCP needs for an orderly close, then closes. Further calls fail.
  virtual task<void> close() = 0;
  // Drops the connection at once; callable when a read or write is pending, on the owning thread.
  virtual void abort() = 0;
  virtual std::string peer_address() const = 0;  // "192.0.2.7:50312"
  virtual bool is_encrypted() const = 0;
  // Completes the handshake of mutual TLS, before the first read or write, and tells who the peer is. denied: its certificate
  // is not good. Streams of other kinds know nobody.
  virtual task<Result<PeerName>> identify() { co_return PeerName(); }
};

}  // namespace gabion::net
