// TLS over TCP as a ByteStream, the server's side. The handshake is part of the first read or write, under
// its deadline.
#pragma once

#include <memory>

#include "common/net/byte_stream.h"
#include "common/net/deadline_sweeper.h"
#include "common/net/socket_handle.h"
#include "common/net/tls_context.h"

namespace gabion::net {

// `executor` is that of the one thread which uses the stream and owns `sweeper` and `tls`.
std::unique_ptr<ByteStream> make_tls_stream(Executor executor, DeadlineSweeper& sweeper, ThreadTls& tls,
                                            SocketHandle socket);

}  // namespace gabion::net
