#include "common/net/tcp.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "common/net/socket_stream.h"

namespace gabion::net {
namespace {

// Where a gathered write stands: pieces before `index` are sent, and `offset` bytes of that one.
struct Gather {
  std::span<const ByteView> pieces;
  std::size_t index = 0;
  std::size_t offset = 0;

  void advance(std::size_t sent) {
    while (index < pieces.size() && sent >= pieces[index].size() - offset) {
      sent -= pieces[index].size() - offset;
      offset = 0;
      ++index;
    }
    offset += sent;
  }
};

ssize_t send_gathered(int descriptor, const Gather& gather) {
  constexpr std::size_t kPieces = 16;
  std::array<iovec, kPieces> vectors;
  const std::size_t count = std::min(kPieces, gather.pieces.size() - gather.index);
  for (std::size_t i = 0; i < count; ++i) {
    const ByteView piece = gather.pieces[gather.index + i];
    const std::size_t skip = i == 0 ? gather.offset : 0;
    vectors[i] = {const_cast<std::byte*>(piece.data()) + skip, piece.size() - skip};
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  return ::sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

class TcpStream final : public SocketStream {
 public:
  using SocketStream::SocketStream;

  // Asio tries a non-blocking recv first, unless the last one told that nothing more is there, and waits only
  // then; on wake-up it receives at once. A request of one packet therefore costs one recv.
  task<Result<std::size_t>> read_some(MutableBytes into) override {
    CO_CHECK(usable());
    boost::system::error_code error;
    const std::size_t n = co_await socket_.async_read_some(asio::buffer(into.data(), into.size()),
                                                           asio::redirect_error(asio::use_awaitable, error));
    if (!error) co_return n;
    if (error == asio::error::eof) {
      peer_closed_ = true;
      co_return Error(Errc::end_of_stream, "the peer closed the connection");
    }
    co_return io_error(error.value(), "recv");
  }

  task<Result<void>> write_all(std::span<const ByteView> pieces) override {
    Gather gather{pieces};
    gather.advance(0);
    while (gather.index < pieces.size()) {
      CO_CHECK(usable());
      const ssize_t n = send_gathered(socket_.native_handle(), gather);
      if (n >= 0) {
        gather.advance(static_cast<std::size_t>(n));
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return io_error(errno, "send");
      const auto error = co_await wait_writable();
      if (error) co_return io_error(error.value(), "send");
    }
    co_return Result<void>();
  }

  task<void> close() override { co_await close_socket(); }
  bool is_encrypted() const override { return false; }
};

}  // namespace

std::unique_ptr<ByteStream> make_tcp_stream(Executor executor, DeadlineSweeper& sweeper,
                                            SocketHandle socket) {
  return std::make_unique<TcpStream>(std::move(executor), sweeper, std::move(socket));
}

task<Result<std::unique_ptr<ByteStream>>> connect_tcp(std::string host, std::uint16_t port, Clock& clock,
                                                      DeadlineSweeper& sweeper, TimePoint deadline) {
  CO_TRY(auto socket, co_await connect_socket(std::move(host), port, clock, deadline));
  auto executor = co_await asio::this_coro::executor;
  co_return make_tcp_stream(executor, sweeper, std::move(socket));
}

}  // namespace gabion::net
