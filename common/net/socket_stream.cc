#include "common/net/socket_stream.h"

#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "common/bytes.h"
#include "common/check.h"

namespace gabion::net {
namespace {

using boost::asio::ip::tcp;

// An upload that is refused while it is under way: so much of it is thrown away for so long before the reset.
constexpr std::size_t kLingerBytes = 16 * MiB;
constexpr Duration kLingerTime = std::chrono::seconds(2);

// The protocol only matters for sockets that Asio opens itself.
tcp::socket adopt(const Executor& executor, SocketHandle& handle) {
  tcp::socket socket(executor);
  boost::system::error_code failed;
  socket.assign(tcp::v4(), handle.release(), failed);
  GABION_CHECK(!failed, "the event loop refuses a fresh socket");
  return socket;
}

}  // namespace

SocketStream::SocketStream(Executor executor, DeadlineSweeper& sweeper, SocketHandle handle)
    : DeadlineTarget(sweeper), socket_(adopt(executor, handle)), peer_(handle.peer()) {
  boost::system::error_code failed;
  socket_.native_non_blocking(true, failed);
  GABION_CHECK(!failed, "a socket cannot be made non-blocking");
}

void SocketStream::abort() {
  aborted_ = true;
  boost::system::error_code ignored;  // there is nothing left to save
  socket_.close(ignored);
}

void SocketStream::expire() {
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

task<boost::system::error_code> SocketStream::wait_readable() {
  boost::system::error_code error;
  co_await socket_.async_wait(tcp::socket::wait_read, asio::redirect_error(asio::use_awaitable, error));
  co_return error;
}

task<boost::system::error_code> SocketStream::wait_writable() {
  boost::system::error_code error;
  co_await socket_.async_wait(tcp::socket::wait_write, asio::redirect_error(asio::use_awaitable, error));
  co_return error;
}

Error SocketStream::io_error(int error_number, std::string_view what) const {
  if (aborted_) return Error(Errc::cancelled, "the connection was dropped");
  if (expired()) return Error(Errc::deadline, "the connection's deadline has passed");
  if (error_number == ECONNRESET || error_number == EPIPE)
    return Error(Errc::end_of_stream, "the peer reset the connection");
  return errno_error(error_number, what, peer_);
}

Result<void> SocketStream::usable() const {
  if (aborted_) return Error(Errc::cancelled, "the connection was dropped");
  if (!socket_.is_open()) return Error(Errc::cancelled, "the connection is closed");
  if (expired()) return Error(Errc::deadline, "the connection's deadline has passed");
  return {};
}

task<void> SocketStream::close_socket() {
  if (!socket_.is_open()) co_return;
  ::shutdown(socket_.native_handle(), SHUT_WR);
  start_deadline(now() + kLingerTime);
  std::size_t discarded = 0;
  while (!peer_closed_ && discarded < kLingerBytes) {
    // MSG_TRUNC makes TCP throw the bytes away without copying them anywhere.
    const ssize_t n = ::recv(socket_.native_handle(), nullptr, kLingerBytes, MSG_TRUNC | MSG_DONTWAIT);
    if (n > 0) {
      discarded += static_cast<std::size_t>(n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      break;
    } else if (errno == EAGAIN) {
      const auto error = co_await wait_readable();
      if (error || expired()) break;
    }
  }
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace gabion::net
