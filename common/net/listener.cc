#include "common/net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "common/log.h"

namespace gabion::net {
namespace {

using boost::asio::ip::tcp;

constexpr int kBacklog = 4096;
constexpr Duration kStarvedPause = std::chrono::milliseconds(100);

using ReusePort = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

std::string to_text(const ListenAddress& address) {
  return address.host + ":" + std::to_string(address.port);
}

Error listen_error(const boost::system::error_code& error, std::string_view what,
                   const ListenAddress& address) {
  return errno_error(error.value(), what, to_text(address));
}

Result<tcp::endpoint> resolve(const ListenAddress& address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address.host, error);
  if (error) return Error(Errc::invalid, "not an address to listen on: " + address.host);
  return tcp::endpoint(parsed, address.port);
}

std::string peer_text(const sockaddr_storage& from) {
  char text[INET6_ADDRSTRLEN] = "";
  if (from.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
  ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(v4.sin_port));
}

bool is_starvation(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// The connection failed before it was accepted, or a network error was pending on it: not the listener's
// trouble.
bool is_of_one_connection(int error) {
  switch (error) {
    case ECONNABORTED:
    case EINTR:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct Listener::Socket {
  explicit Socket(const Executor& executor) : acceptor(executor) {}
  tcp::acceptor acceptor;
  std::uint16_t port = 0;
};

Result<std::uint16_t> claim_port(const ListenAddress& address) {
  TRY(const auto endpoint, resolve(address));
  const int descriptor = ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return errno_error(errno, "socket", to_text(address));
  const SocketHandle probe(descriptor, "");
  const int on = 1;  // past connections in TIME_WAIT must not be in the way; sockets that listen still are
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(descriptor, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
    return errno_error(errno, "cannot listen on", to_text(address));
  }
  if (::listen(descriptor, 1) != 0) return errno_error(errno, "cannot listen on", to_text(address));
  tcp::endpoint bound;
  auto length = static_cast<socklen_t>(bound.capacity());
  if (::getsockname(descriptor, bound.data(), &length) != 0)
    return errno_error(errno, "getsockname", to_text(address));
  return bound.port();
}

Result<std::unique_ptr<Listener>> Listener::open(Executor executor, Clock& clock,
                                                 const ListenAddress& address) {
  TRY(const auto endpoint, resolve(address));
  auto socket = std::make_unique<Socket>(executor);
  boost::system::error_code error;
  socket->acceptor.open(endpoint.protocol(), error);
  if (error) return listen_error(error, "socket", address);
  socket->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (error) return listen_error(error, "SO_REUSEADDR", address);
  socket->acceptor.set_option(ReusePort(true), error);
  if (error) return listen_error(error, "SO_REUSEPORT", address);
  socket->acceptor.bind(endpoint, error);
  if (error) return listen_error(error, "cannot listen on", address);
  socket->acceptor.listen(kBacklog, error);
  if (error) return listen_error(error, "cannot listen on", address);
  socket->acceptor.native_non_blocking(true, error);
  if (error) return listen_error(error, "non-blocking", address);
  socket->port = socket->acceptor.local_endpoint(error).port();
  if (error) return listen_error(error, "getsockname", address);
  return std::unique_ptr<Listener>(new Listener(std::move(socket), clock));
}

Listener::Listener(std::unique_ptr<Socket> socket, Clock& clock)
    : socket_(std::move(socket)), clock_(clock) {}
Listener::~Listener() = default;

std::uint16_t Listener::port() const { return socket_->port; }

void Listener::close() {
  closed_ = true;
  boost::system::error_code ignored;
  socket_->acceptor.close(ignored);
}

task<Result<SocketHandle>> Listener::accept() {
  while (!closed_) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const int descriptor = ::accept4(socket_->acceptor.native_handle(), reinterpret_cast<sockaddr*>(&from),
                                     &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      starved_ = false;
      const int on = 1;
      ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      co_return SocketHandle(descriptor, peer_text(from));
    }
    if (errno == EAGAIN) {
      boost::system::error_code error;
      co_await socket_->acceptor.async_wait(tcp::acceptor::wait_read,
                                            asio::redirect_error(asio::use_awaitable, error));
    } else if (is_starvation(errno)) {
      if (!starved_)
        LOG(warn, "net", "cannot accept connections for now", field("error", std::strerror(errno)));
      starved_ = true;
      co_await clock_.sleep(kStarvedPause);
    } else if (!is_of_one_connection(errno)) {
      co_return errno_error(errno, "accept");
    }
  }
  co_return Error(Errc::cancelled, "the listener is closed");
}

}  // namespace gabion::net
