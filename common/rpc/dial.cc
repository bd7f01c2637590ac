#include "common/rpc/dial.h"

#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "common/pki/certificate.h"

namespace gabion::rpc {
namespace {

Result<void> check_certified(const net::PeerName& name, Identity self, NodeId wanted) {
  if (self.is_stranger()) return {};  // its chain ends in the right authority: that is all a stranger can know
  TRY(const pki::Subject subject, pki::parse_subject(name.organization, name.common_name));
  if (subject.cluster != self.cluster) {
    return Error(Errc::denied, "the node there belongs to cluster " + subject.cluster.to_hex() + ", this one to " +
                                   self.cluster.to_hex());
  }
  if (wanted != NodeId{} && subject.node != wanted) {
    return Error(Errc::denied, "the node there is " + to_string(subject.node) + ", and not " + to_string(wanted));
  }
  return {};
}

task<Result<void>> introduce(Dialer& dialer, net::ByteStream& stream, NodeId wanted) {
  CO_TRY(const net::PeerName name, co_await stream.identify());
  CO_CHECK(check_certified(name, dialer.self, wanted));
  co_return co_await greet(stream, dialer.self, wanted);
}

}  // namespace

std::string to_string(const PeerAddress& address) {
  const std::string at = address.host + ":" + std::to_string(address.port);
  return address.node == NodeId{} ? at : to_string(address.node) + " at " + at;
}

task<Result<std::unique_ptr<net::ByteStream>>> dial(Dialer& dialer, PeerAddress to, TimePoint deadline) {
  CO_TRY(auto socket, co_await net::connect_socket(to.host, to.port, dialer.clock, deadline));
  auto executor = co_await asio::this_coro::executor;
  auto stream = net::make_mutual_tls_client(executor, dialer.sweeper, dialer.tls, std::move(socket));
  stream->set_deadline(deadline);
  const auto introduced = co_await introduce(dialer, *stream, to.node);
  if (!introduced) {
    stream->abort();
    co_return Error(introduced.error().code, to_string(to) + ": " + introduced.error().message);
  }
  stream->set_deadline(TimePoint::max());
  co_return stream;
}

}  // namespace gabion::rpc
