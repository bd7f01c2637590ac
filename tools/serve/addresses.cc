#include "tools/serve/addresses.h"

#include <fmt/format.h>

#include "common/text.h"

namespace gabion::serve {
namespace {

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

Result<HostPort> parse(std::string_view text) {
  const auto colon = text.rfind(':');
  const auto port = colon == std::string_view::npos ? std::nullopt : parse_u64(text.substr(colon + 1));
  if (!port || *port > 65535) {
    return Error(Errc::invalid, fmt::format("'{}' is not ADDRESS:PORT, as in 0.0.0.0:9000 or [::]:9000", text));
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return HostPort{std::string(host), static_cast<std::uint16_t>(*port)};
}

}  // namespace

Result<net::ListenAddress> listen_address(std::string_view text) {
  TRY(HostPort parsed, parse(text));
  return net::ListenAddress{.host = parsed.host.empty() ? "0.0.0.0" : std::move(parsed.host), .port = parsed.port};
}

Result<rpc::PeerAddress> peer_address(NodeId node, std::string_view text) {
  TRY(HostPort parsed, parse(text));
  if (parsed.host.empty()) return Error(Errc::invalid, fmt::format("'{}' names no host", text));
  return rpc::PeerAddress{node, std::move(parsed.host), parsed.port};
}

Result<void> check_reachable(std::string_view text) {
  TRY(const HostPort parsed, parse(text));
  if (!parsed.host.empty() && parsed.host != "0.0.0.0" && parsed.host != "::" && parsed.port != 0) return {};
  return Error(Errc::invalid, fmt::format("other nodes cannot reach this one at '{}': set cluster.advertise to HOST:PORT", text));
}

}  // namespace gabion::serve
