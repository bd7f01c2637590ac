// What the TCP and the TLS stream share: the socket, its deadline, waiting for readiness, and an orderly
// close. For common/net alone.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "common/net/byte_stream.h"
#include "common/net/deadline_sweeper.h"
#include "common/net/socket_handle.h"

namespace gabion::net {

class SocketStream : public ByteStream, protected DeadlineTarget {
 public:
  SocketStream(Executor executor, DeadlineSweeper& sweeper, SocketHandle socket);

  void set_deadline(TimePoint deadline) override { start_deadline(deadline); }
  void abort() override;
  std::string peer_address() const override { return peer_; }

 protected:
  void expire() override;
  // Says that no more will be sent, then waits a little for the peer to close: data that arrives at a closed
  // socket makes the kernel reset the connection, and the peer would lose the response it has not read yet.
  task<void> close_socket();

  task<boost::system::error_code> wait_readable();
  task<boost::system::error_code> wait_writable();
  // The Error of a failed socket operation: a passed deadline and an abort() are told apart from the peer's
  // closing.
  Error io_error(int error_number, std::string_view what) const;
  // The same for why an operation cannot even start; a value when it can.
  Result<void> usable() const;

  boost::asio::ip::tcp::socket socket_;
  bool peer_closed_ = false;

 private:
  const std::string peer_;
  bool aborted_ = false;
};

}  // namespace gabion::net
