// One keep-alive HTTP/1.1 connection of a client: a request is written in one gathered write, its response's
// body is read piece by piece or thrown away. Over TLS where it is given whom to trust.
// Lives on one executor; one request at a time.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "common/task.h"

namespace gabion::bench {

struct ResponseHead {
  unsigned status = 0;
  std::uint64_t length = 0;  // of the body, when it is not chunked
  bool chunked = false;
  std::string etag;
};

// The context says whose certificates are believed, `host` what the server's must be for.
struct Security {
  std::shared_ptr<asio::ssl::context> context;
  std::string host;
};

class Connection {
 public:
  // Without `security`: plain TCP.
  Connection(Executor executor, asio::ip::tcp::endpoint peer, std::optional<Security> security = std::nullopt);

  // Sends a request and reads the response's head. Connects first where there is no connection, and once more
  // when a kept connection turns out to be closed before the first byte of the answer. `head` ends with the
  // empty line; `body` and its bytes must live until this returns.
  task<Result<ResponseHead>> request(std::string head, std::span<const asio::const_buffer> body);
  // The next piece of the body, valid until the next call; empty at its end.
  task<Result<ByteView>> read_some();
  // Reads the body to its end without looking at it.
  task<Result<void>> discard_body();
  void close();

 private:
  task<Result<void>> connect();
  task<Result<void>> secure();
  task<Result<void>> send(std::string_view head, std::span<const asio::const_buffer> body);
  task<Result<ResponseHead>> read_head();
  // Receives more into the buffer behind what is there; end_of_stream when the peer has closed.
  task<Result<void>> receive();
  task<Result<std::string>> read_line();
  task<Result<void>> start_chunk();
  void body_ended();

  asio::ip::tcp::socket socket_;
  asio::ip::tcp::endpoint peer_;
  std::optional<Security> security_;
  std::optional<asio::ssl::stream<asio::ip::tcp::socket&>> tls_;  // over socket_; made anew with each connection
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;  // of what is received and not used
  std::size_t end_ = 0;
  std::uint64_t left_ = 0;  // of the body, or of the chunk
  bool chunked_ = false;
  bool first_chunk_ = false;
  bool body_done_ = true;
  bool keep_ = true;       // the peer does not close after this response
  bool answered_ = false;  // a byte of the response has come
};

}  // namespace gabion::bench
