// TLS over TCP as a ByteStream. The handshake is part of the first read or write, under its deadline, or
// before that of identify().
#pragma once

#include <memory>

#include "common/net/byte_stream.h"
#include "common/net/deadline_sweeper.h"
#include "common/net/mutual_tls.h"
#include "common/net/socket_handle.h"
#include "common/net/tls_context.h"

namespace gabion::net {

// The server's side of TLS for any client. `executor` is that of the one thread which uses the stream and owns
// `sweeper` and `tls`.
std::unique_ptr<ByteStream> make_tls_stream(Executor executor, DeadlineSweeper& sweeper, ThreadTls& tls,
                                            SocketHandle socket);

// The same between nodes, for the side that accepted the connection and the side that made it.
std::unique_ptr<ByteStream> make_mutual_tls_server(Executor executor, DeadlineSweeper& sweeper, ThreadMutualTls& tls,
                                                   SocketHandle socket);
std::unique_ptr<ByteStream> make_mutual_tls_client(Executor executor, DeadlineSweeper& sweeper, ThreadMutualTls& tls,
                                                   SocketHandle socket);

}  // namespace gabion::net
