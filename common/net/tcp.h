// Plain TCP as a ByteStream, and the client's side of making one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/net/byte_stream.h"
#include "common/net/deadline_sweeper.h"
#include "common/net/socket_handle.h"

namespace gabion::net {

// `executor` is that of the one thread which uses the stream and owns `sweeper`.
std::unique_ptr<ByteStream> make_tcp_stream(Executor executor, DeadlineSweeper& sweeper, SocketHandle socket);

// Resolves `host` (a name or an address) and connects to the first address that answers. Gives up at
// `deadline`.
task<Result<SocketHandle>> connect_socket(std::string host, std::uint16_t port, Clock& clock,
                                          TimePoint deadline);
task<Result<std::unique_ptr<ByteStream>>> connect_tcp(std::string host, std::uint16_t port, Clock& clock,
                                                      DeadlineSweeper& sweeper, TimePoint deadline);

}  // namespace gabion::net
