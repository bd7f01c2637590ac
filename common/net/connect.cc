#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/net/tcp.h"

namespace gabion::net {
namespace {

using boost::asio::ip::tcp;

std::string to_text(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  const std::string host = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  return host + ":" + std::to_string(endpoint.port());
}

}  // namespace

task<Result<SocketHandle>> connect_socket(std::string host, std::uint16_t port, Clock& clock,
                                          TimePoint deadline) {
  auto executor = co_await asio::this_coro::executor;
  boost::system::error_code error;
  tcp::resolver resolver(executor);
  const auto addresses = co_await resolver.async_resolve(host, std::to_string(port),
                                                         asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return Error(Errc::unavailable, "cannot resolve " + host + ": " + error.message());

  Error last(Errc::unavailable, host + " has no address");
  for (const auto& entry : addresses) {
    if (clock.now() >= deadline) co_return Error(Errc::deadline, "no connection to " + host + " in time");
    auto socket = std::make_shared<tcp::socket>(executor);
    // One timer for each attempt: connecting is rare, and its deadline should not wait for a sweep.
    asio::steady_timer timer(executor);
    if (deadline != TimePoint::max()) {
      timer.expires_after(deadline - clock.now());
      timer.async_wait([socket](boost::system::error_code cancelled) {
        boost::system::error_code ignored;
        if (!cancelled) socket->close(ignored);
      });
    }
    co_await socket->async_connect(entry.endpoint(), asio::redirect_error(asio::use_awaitable, error));
    timer.cancel();
    if (!error && socket->is_open()) {
      const int on = 1;
      ::setsockopt(socket->native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const int descriptor = socket->release(error);
      if (!error) co_return SocketHandle(descriptor, to_text(entry.endpoint()));
    }
    last =
        Error(Errc::unavailable, "cannot connect to " + to_text(entry.endpoint()) + ": " + error.message());
  }
  co_return last;
}

}  // namespace gabion::net
