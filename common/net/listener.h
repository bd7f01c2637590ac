// Listener accepts TCP connections on one address for one thread; several, one for each thread, may share the
// address (SO_REUSEPORT). Runs on its executor's thread; close() there, and wait for accept() to return
// before destroying it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/net/socket_handle.h"
#include "common/result.h"
#include "common/task.h"

namespace gabion::net {

struct ListenAddress {
  std::string host = "127.0.0.1";  // an address: "0.0.0.0", "::1"
  std::uint16_t port = 0;          // 0: the kernel chooses
};

// Fails when the address is invalid, not of this machine, or in use by anyone, also by a socket with
// SO_REUSEPORT, which binding by Listener alone would quietly join. Returns the port, chosen if it was 0.
Result<std::uint16_t> claim_port(const ListenAddress& address);

class Listener {
 public:
  static Result<std::unique_ptr<Listener>> open(Executor executor, Clock& clock,
                                                const ListenAddress& address);
  ~Listener();

  // The next connection, non-blocking and with TCP_NODELAY. Out of descriptors or memory it waits and tries
  // again. Errc::cancelled after close().
  task<Result<SocketHandle>> accept();
  void close();
  std::uint16_t port() const;

 private:
  struct Socket;
  Listener(std::unique_ptr<Socket> socket, Clock& clock);
  const std::unique_ptr<Socket> socket_;
  Clock& clock_;
  bool closed_ = false;
  bool starved_ = false;  // the last accept found no descriptor; logged once for each spell
};

}  // namespace gabion::net
